"""Fills empty books from a file that `ledger/dump.py` wrote, all or nothing.

A file that is cut or changed is refused, as is one from another schema, and no file is restored over data.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ledger.connection import Connection, books
from ledger.dump import FORMAT, ROWS_AT_ONCE, VERSION, Table, read_migrations, read_tables
from ledger.queries import query
from runtime.embedded.program import Broken, Progress, quiet
from runtime.settings import Settings

MADE_BY_MIGRATIONS = frozenset({"currencies"})


async def restore(settings: Settings, file: Path, progress: Progress = quiet) -> int:
    """Returns the number of rows restored; Broken says why none were."""
    try:
        with file.open(encoding="utf-8") as source:
            async with books(settings) as connection, connection.transaction():
                tables = await read_tables(connection)
                await _require_empty(connection, tables)
                restoration = _Restoration(file, connection, tables, progress)
                await restoration.read(source)
                return restoration.total
    except OSError as error:
        raise Broken(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Broken(f"{file} is not a dump: nothing was restored.") from error


async def _require_empty(connection: Connection, tables: list[Table]) -> None:
    """What migrations put there is put there by the dump again."""
    for table in reversed(tables):
        if table.name in MADE_BY_MIGRATIONS:
            await connection.execute(f"delete from {table.name}")  # noqa: S608  -- a name from the catalog
        elif await connection.fetchval(f"select exists (select from {table.name})"):  # noqa: S608  -- names from the catalog
            raise Broken(
                f"These books have data ({table.name}), and a dump is restored only into empty ones, such as "
                f"`tidemark up --servers-only` has in a new TIDEMARK_HOME."
            )


class _Restoration:
    """Reads the file line by line; the transaction around it makes it all or nothing."""

    def __init__(self, file: Path, connection: Connection, tables: list[Table], progress: Progress) -> None:
        self.total = 0
        self._file = file
        self._connection = connection
        self._tables = {table.name: table for table in tables}
        self._progress = progress
        self._table: Table | None = None
        self._rows: list[str] = []
        self._sequences: dict[str, int | None] = {}
        self._line = 0
        self._checksum = hashlib.sha256()

    async def read(self, source: TextIO) -> None:
        lines = self._lines(source)
        await self._head(next(lines, ""))
        for line in lines:
            if line.startswith("{"):
                await self._row(line)
            elif await self._is_the_end(line):
                return
        raise self._broken("is not the end of a dump")

    def _lines(self, source: TextIO) -> Iterator[str]:
        """Each line; the fingerprint has those before it."""
        for text in source:
            self._line += 1
            yield text.removesuffix("\n")
            self._checksum.update(text.encode())

    def _words(self, line: str) -> object:
        try:
            return json.loads(line)
        except ValueError:
            return None

    async def _head(self, line: str) -> None:
        match self._words(line):
            case [name, version, migrations] if (name, version) == (FORMAT, VERSION):
                if migrations != await read_migrations(self._connection):
                    raise Broken(
                        f"{self._file} is from another schema: restore it with the release that wrote it, then migrate."
                    )
            case _:
                raise Broken(f"{self._file} is not a dump that this release can read.")

    async def _row(self, line: str) -> None:
        self._rows.append(line)
        if len(self._rows) == ROWS_AT_ONCE:
            await self._insert()

    async def _insert(self) -> None:
        """Of rows before the first table there is nothing to be made."""
        rows, self._rows = self._rows, []
        if rows and self._table is None:
            raise self._broken("comes after rows of no table")
        if rows and self._table is not None:
            await self._connection.execute(self._table.insert(), f"[{','.join(rows)}]")
            self.total += len(rows)

    async def _is_the_end(self, line: str) -> bool:
        """What is said between the rows."""
        await self._insert()
        match self._words(line):
            case ["table", str(name)] if name in self._tables:
                self._table = self._tables[name]
                self._progress(f"restoring {name}")
            case ["sequences", dict(sequences)]:
                self._sequences = sequences
            case ["end", self.total, checksum] if checksum == self._checksum.hexdigest():
                await self._lift()
                return True
            case _:
                raise self._broken("is not what was written")
        return False

    async def _lift(self) -> None:
        """Last of all, since no rollback takes a sequence back."""
        for name, last_value in self._sequences.items():
            if last_value is not None:
                await self._connection.execute(query("dump.lift"), name, last_value)

    def _broken(self, what: str) -> Broken:
        return Broken(f"{self._file}, line {self._line}, {what}: nothing was restored.")
