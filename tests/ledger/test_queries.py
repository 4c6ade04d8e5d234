import re
from pathlib import Path

import pytest

from ledger.queries import QUERIES, read_blocks

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("agents", "api", "ledger", "ops", "runtime")
ASKED = re.compile(r'query\(\s*"([A-Za-z_0-9.]+)"')
BEGINNING = re.compile(r'query\(f"(\w+\.\w*)\{')
SOURCE = "".join(file.read_text(encoding="utf-8") for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))


def test_every_query_that_is_asked_for_is_there():
    assert [name for name in ASKED.findall(SOURCE) if name not in QUERIES] == []


def test_every_query_that_is_there_is_used():
    """By its name, or by the beginning of its name where a table is put behind."""
    beginnings = tuple(BEGINNING.findall(SOURCE))
    assert [name for name in QUERIES if f'"{name}"' not in SOURCE and not name.startswith(beginnings)] == []


def test_a_block_begins_with_its_name_and_ends_at_the_next(tmp_path: Path):
    file = tmp_path / "things.sql"
    file.write_text("-- About things.\n\n-- name: one\n-- The first.\nselect 1\n\n-- name: two\nselect 2\n")
    assert read_blocks(file) == {"things.one": "-- The first.\nselect 1", "things.two": "select 2"}


def test_two_blocks_of_one_name_are_a_mistake(tmp_path: Path):
    file = tmp_path / "things.sql"
    file.write_text("-- name: one\nselect 1\n-- name: one\nselect 2\n")
    with pytest.raises(ValueError, match="two blocks named one"):
        read_blocks(file)
