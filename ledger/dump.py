"""All data of the books in one file: lines of JSON, an object per row, an array for what is said about the rows.

    ["tidemark dump", 1, [the migrations of the schema]]
    ["table", "users"]
    {"id": 1, "username": "admin", ...}
    ["sequences", {"users_id_seq": 1, ...}]
    ["end", number of rows, SHA-256 of the lines before]

PostgreSQL makes the rows into JSON and `ledger/restore.py` lets it make them back, so nothing is converted on the way.
"""

import contextlib
import dataclasses
import graphlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ledger.connection import Connection, books
from ledger.queries import query
from runtime.embedded.program import Broken, Progress, quiet
from runtime.settings import Settings

FORMAT, VERSION = "tidemark dump", 1
ROWS_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table's columns, without the generated ones, and those of its key. All names come from the catalog."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def select(self) -> str:
        """Its rows in the order of the key, as text of JSON."""
        rows = f"select {', '.join(self.columns)} from {self.name} order by {', '.join(self.key)}"  # noqa: S608  -- names from the catalog
        return f"select row_to_json(r)::text from ({rows}) r"  # noqa: S608  -- names from the catalog

    def insert(self) -> str:
        """Takes an array of such rows."""
        columns = ", ".join(self.columns)
        return (
            f"insert into {self.name} ({columns}) overriding system value "  # noqa: S608  -- names from the catalog
            f"select {columns} from json_populate_recordset(null::{self.name}, $1::text::json)"
        )


async def read_tables(connection: Connection) -> list[Table]:
    """Every table, those that others refer to first."""
    tables = {
        row["name"]: Table(row["name"], tuple(row["columns"]), tuple(row["key"]))
        for row in await connection.fetch(query("dump.tables"))
    }
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(tables, ()))
    for row in await connection.fetch(query("dump.references")):
        sorter.add(row["referring"], row["referred"])
    return [tables[name] for name in sorter.static_order()]


async def read_migrations(connection: Connection) -> list[str]:
    """The schema's history, by which a dump knows where it belongs."""
    return [f"{row['name']} {row['checksum']}" for row in await connection.fetch(query("migrate.applied"))]


async def dump(settings: Settings, file: Path, progress: Progress = quiet) -> int:
    """Writes everything as of one moment, and names the file when it is whole. Returns the number of rows."""
    async with (
        books(settings) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        with _whole(file) as out:
            return await _write(connection, _Lines(out), progress)


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[TextIO]:
    """Writes beside the place, for our eyes only: hashes of passwords are in it."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise Broken(f"{file} cannot be written: {error.strerror}.") from error


class _Lines:
    """Writes lines and fingerprints them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.checksum = hashlib.sha256()

    def write(self, line: str) -> None:
        self.checksum.update(line.encode() + b"\n")
        self._out.write(line + "\n")

    def say(self, *words: object) -> None:
        self.write(json.dumps(words))


async def _write(connection: Connection, lines: _Lines, progress: Progress) -> int:
    lines.say(FORMAT, VERSION, await read_migrations(connection))
    total = 0
    for table in await read_tables(connection):
        lines.say("table", table.name)
        rows = 0
        async for (line,) in connection.cursor(table.select(), prefetch=ROWS_AT_ONCE):
            lines.write(line)
            rows += 1
        progress(f"{table.name}: {rows} rows")
        total += rows
    # Read last: a sequence has then passed every row that the snapshot has.
    sequences = {row["name"]: row["last_value"] for row in await connection.fetch(query("dump.sequences"))}
    lines.say("sequences", sequences)
    lines.say("end", total, lines.checksum.hexdigest())
    return total
