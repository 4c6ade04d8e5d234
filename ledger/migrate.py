"""Brings a schema up to date: the numbered files of `ledger/migrations/`, each once, in order, in a transaction.

What was applied stays as it was applied: a changed file, a missing one, or a database newer than this code is refused
with a sentence. Any number of processes may do this at once; one works, the others wait and find nothing to do.
"""

import dataclasses
import hashlib
import re
from pathlib import Path

import asyncpg

from ledger.connection import books
from ledger.queries import query
from runtime.embedded.program import Broken, Progress, quiet
from runtime.settings import Settings

FOLDER = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")


@dataclasses.dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, its text, and the fingerprint by which a later change is noticed."""

    number: int
    name: str
    sql: str
    checksum: str


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """One row of the table of what was applied."""

    number: int
    name: str
    checksum: str


def read_migrations(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The files in order; their numbers begin at 1 and have no hole."""
    found = []
    for number, file in enumerate(sorted(folder.glob("*.sql")), 1):
        match = FILE_NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise Broken(
                f"{file.name} is out of order: migration {number:04} was expected, named NNNN_what_it_does.sql."
            )
        sql = file.read_text(encoding="utf-8")
        found.append(Migration(number, file.stem, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return tuple(found)


def outstanding(known: tuple[Migration, ...], applied: tuple[Applied, ...]) -> tuple[Migration, ...]:
    """What remains to be done; Broken when the database and the files do not tell one story."""
    for row in applied:
        if row.number > len(known):
            raise Broken(
                f"The database has migration {row.name}, which this release does not know: it is from a newer "
                f"release. Start that one."
            )
        if row.checksum != known[row.number - 1].checksum:
            raise Broken(
                f"Migration {known[row.number - 1].name} is not what was applied to this database: restore the file, "
                f"and put the change into a new migration."
            )
    return known[len(applied) :]


async def migrate(
    settings: Settings, progress: Progress = quiet, migrations: tuple[Migration, ...] | None = None
) -> list[str]:
    """Applies what is outstanding to the namespace's schema, and names it."""
    known = read_migrations() if migrations is None else migrations
    async with books(settings) as connection:
        await connection.execute(query("migrate.lock"), settings.postgres_schema)  # until the connection closes
        await connection.execute(f'create schema if not exists "{settings.postgres_schema}"')
        await connection.execute(query("migrate.table"))
        applied = tuple(Applied(**row) for row in await connection.fetch(query("migrate.applied")))
        todo = outstanding(known, applied)
        for migration in todo:
            progress(f"migration {migration.name}")
            await _apply(connection, migration)
    return [migration.name for migration in todo]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(query("migrate.record"), migration.number, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        raise Broken(f"Migration {migration.name} failed and changed nothing: {error}.") from error
