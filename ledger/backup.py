"""Backups of the books: PostgreSQL's own dump of one schema as of one moment, compressed, and the way back.

PostgreSQL's programs do it, those of the pinned package or those of the machine. What a restore finds in its place is
moved aside and kept. After a restore the books are older than the topics: `tidemark recover books` comes next.
"""

import datetime
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ledger.connection import books
from ledger.queries import query
from ledger.restores import note_restore
from runtime.embedded.errand import errand
from runtime.embedded.postgres import postgres_binary
from runtime.embedded.program import Broken
from runtime.settings import Settings

TIMEOUT_S = 24 * 60 * 60.0
MAGIC = b"PGDMP"


async def backup(settings: Settings, file: Path) -> int:
    """Writes everything as of one moment, and names the file when it is whole. Returns its size in bytes."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.touch(mode=0o600)  # hashes of passwords are in it
        await _run(
            settings, "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
            f"--schema={settings.postgres_schema}", f"--file={beside}",
        )  # fmt: skip
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        size = beside.stat().st_size
        beside.replace(file)
    except OSError as error:
        raise Broken(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    return size


async def restore(settings: Settings, file: Path, *, aside: bool = False) -> str | None:
    """The books as they were; the schema where those of before are kept, if there were any and they may go `aside`."""
    await _require_backup(settings, file)
    kept = await _make_room(settings, aside=aside)
    try:
        await _run(
            settings, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
            f"--schema={settings.postgres_schema}", f"--dbname={settings.postgres_db}", str(file),
        )  # fmt: skip
        async with books(settings) as connection:
            await note_restore(connection)
    except BaseException:
        await _put_back(settings, kept)
        raise
    return kept


async def _require_backup(settings: Settings, file: Path) -> None:
    try:
        with file.open("rb") as source:
            is_backup = source.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise Broken(f"{file} cannot be read: {error.strerror}.") from error
    if not is_backup:
        raise Broken(f"{file} is no backup: `tidemark backup make` writes them, and `tidemark seed` restores a dump.")
    listing = await _run(settings, "pg_restore", "--list", str(file), is_asking=True)
    if f" TABLE {settings.postgres_schema} wallets " not in listing:
        raise Broken(f"{file} has no books of the schema {settings.postgres_schema}, which is where they belong here.")


async def _make_room(settings: Settings, *, aside: bool) -> str | None:
    schema = settings.postgres_schema
    async with books(settings) as connection:
        kept = None
        if await connection.fetchval(query("replay.has_tables"), schema):
            if not aside:
                raise Broken(f"There are books in the schema {schema}: --aside keeps them under another name.")
            kept = f"{schema}_{datetime.datetime.now(datetime.UTC):%Y%m%d_%H%M%S_%f}"
            await connection.execute(f'alter schema "{schema}" rename to "{kept}"')
        await connection.execute(f'create schema if not exists "{schema}"')
    return kept


async def _put_back(settings: Settings, kept: str | None) -> None:
    """Whatever the restore has left behind goes."""
    if kept is not None:
        async with books(settings) as connection, connection.transaction():
            await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')
            await connection.execute(f'alter schema "{kept}" rename to "{settings.postgres_schema}"')


async def _run(settings: Settings, name: str, *words: str, is_asking: bool = False) -> str:
    argv = (_program(name), *words) if is_asking else (_program(name), "--no-password", *words)
    outcome = await errand(argv, env=_environment(settings), cwd=Path.cwd(), timeout_s=TIMEOUT_S)
    if outcome.code != 0:
        raise Broken(f"{name} failed, and nothing was changed: {outcome.last_words()}")
    return outcome.text


def _program(name: str) -> str:
    """Where no package is for this machine, its own PostgreSQL has them."""
    try:
        return str(postgres_binary(name))
    except Broken as error:
        if found := shutil.which(name):
            return found
        raise Broken(f"{name} is not here: install PostgreSQL's client programs.") from error


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PGHOST": str(settings.postgres_host),
        "PGPORT": str(settings.postgres_port),
        "PGUSER": settings.postgres_user,
        "PGDATABASE": settings.postgres_db,
        "PGPASSWORD": settings.postgres_password,
        "PGCONNECT_TIMEOUT": "10",
        "LC_ALL": "C",
    }
