import json
import stat
from pathlib import Path

import pytest

from ledger.connection import books
from ledger.dump import dump, read_tables
from ledger.seed import seed
from runtime.embedded.program import Broken
from runtime.settings import Settings


async def test_every_table_is_in_it_those_that_others_refer_to_first(database: Settings):
    async with books(database) as connection:
        names = [table.name for table in await read_tables(connection)]
        there = await connection.fetch("select tablename from pg_tables where schemaname = current_schema()")
    assert sorted([*names, "migrations"]) == sorted(row["tablename"] for row in there)
    assert names.index("users") < names.index("wallets")
    assert names.index("currencies") < names.index("markets")


async def test_rows_are_objects_between_a_head_and_a_foot(database: Settings, tmp_path: Path):
    await seed(database)
    file = tmp_path / "dump.jsonl"
    told: list[str] = []
    rows = await dump(database, file, told.append)
    head, *lines, sequences, foot = [json.loads(line) for line in file.read_text().splitlines()]
    assert head[:2] == ["tidemark dump", 1]
    assert sequences[0] == "sequences"
    assert foot[:2] == ["end", rows]
    assert sum(isinstance(line, dict) for line in lines) == rows
    assert "users: 1 rows" in told


async def test_only_we_may_read_it(database: Settings, tmp_path: Path):
    await dump(database, tmp_path / "dump.jsonl")
    assert stat.S_IMODE((tmp_path / "dump.jsonl").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "dump.jsonl"]


async def test_a_folder_that_is_not_there_is_said_in_a_sentence(database: Settings, tmp_path: Path):
    with pytest.raises(Broken, match="cannot be written: No such file or directory"):
        await dump(database, tmp_path / "nowhere" / "dump.jsonl")
