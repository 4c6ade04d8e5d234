"""The table of writers in docs/BOOKS.md, against the schema and the statements: every column has its writer."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ledger.queries import QUERIES

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "ledger"
REMADE = {"replay", "compare", "proving"}
"""Files of statements for books that nobody else writes."""
INSERT = re.compile(
    r"insert into (\w+)(?:(?!insert into).)*?do update\s+set\s(.*?)(?=\bwhere\b|\breturning\b|\Z)", re.DOTALL
)
UPDATE = re.compile(r"\bupdate (\w+)(?: \w+)?\s+set\s(.*?)(?=\bfrom\b|\bwhere\b|\breturning\b|\Z)", re.DOTALL)
NO_COLUMN = {"constraint", "primary", "unique", "check", "like"}
SHARED = {("wallets", "available"): 2, ("wallets", "held"): 2, ("system_accounts", "balance"): 2}
"""Columns of which a writer has a part: one line for each."""


def schema() -> dict[str, set[str]]:
    """The columns of every table."""
    text = (LEDGER / "schema.sql").read_text() + (LEDGER / "sql" / "migrate.sql").read_text()
    tables = re.findall(r"create table (?:if not exists )?(\w+) \(\n(.*?)\n\)", text, re.DOTALL)
    return {
        table: {line.split()[0] for line in body.split("\n") if re.match(r"    \w", line)} - NO_COLUMN
        for table, body in tables
    }


def lines() -> list[tuple[str, str, str]]:
    """Table, columns and writer of each line; a line without a table goes on with the one before."""
    text = (ROOT / "docs" / "BOOKS.md").read_text()
    section = text[text.index("## Who writes what") : text.index("`wallets` is the one row")]
    found = []
    tables: list[str] = []
    for line in re.findall(r"^\| (?!table)(?!-)(.*) \|$", section, re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        tables = re.findall(r"`(\w+)`", cells[0]) or tables
        found += [(table, cells[2], cells[3]) for table in tables]
    return found


def named(table: str, cell: str) -> set[str]:
    """The columns that a cell names; words that are no columns say which rows are meant."""
    return set(re.findall(r"`(\w+)`", cell)) & schema()[table]


def statements() -> dict[str, set[str]]:
    """Which columns of a table anybody's statement changes."""
    texts = [sql for name, sql in QUERIES.items() if name.split(".")[0] not in REMADE]
    texts += (LEDGER / "schema.sql").read_text().split(";")
    changed: dict[str, set[str]] = {}
    for text in texts:
        sql = re.sub(r"--.*", "", text)
        for table, assignments in INSERT.findall(sql) + UPDATE.findall(sql):
            flat = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", assignments))
            changed.setdefault(table, set()).update(re.findall(r"(?:^|,)\s*(\w+)\s*=", flat))
    return changed


def test_every_table_is_in_it():
    assert {table for table, _, _ in lines()} == schema().keys()


@pytest.mark.parametrize("table", schema())
def test_every_column_of_a_table_is_in_it_once(table):
    cells = [cell for name, cell, _ in lines() if name == table]
    if cells == ["all"]:
        return
    assert cells[-1] == "the rest"
    counts = Counter(column for cell in cells[:-1] for column in named(table, cell))
    assert counts
    assert {column: count for column, count in counts.items() if count != SHARED.get((table, column), 1)} == {}


@pytest.mark.parametrize("table", schema())
def test_what_nobody_changes_nobody_changes(table):
    """And what somebody changes is changed by a statement."""
    said = {
        column for name, cell, writer in lines() if name == table and writer not in ("nobody", "the database")
        for column in named(table, cell)
    }  # fmt: skip
    assert statements().get(table, set()) == said


def test_each_line_names_a_writer():
    assert [line for line in lines() if not line[2]] == []
