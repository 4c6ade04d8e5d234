import asyncio
import io

import asyncpg

from ledger.connection import books
from ops.copying import look
from ops.progress import Progress
from runtime.settings import Settings

WITHIN_S = 60


class Seen(Progress):
    """What a bar is told."""

    def __init__(self) -> None:
        super().__init__("rows", 0, stream=io.StringIO())
        self.told = asyncio.Event()
        self.wanted = 1

    def to(self, done: int) -> None:
        super().to(done)
        if done >= self.wanted:
            self.told.set()


async def restoring(settings: Settings) -> asyncpg.Connection:
    """A connection that calls itself as PostgreSQL's program does."""
    return await asyncpg.connect(
        host=settings.postgres_host, port=settings.postgres_port, database=settings.postgres_db,
        user=settings.postgres_user, password=settings.postgres_password or None,
        server_settings={"application_name": "pg_restore", "search_path": settings.postgres_schema},
    )  # fmt: skip


async def test_the_bar_follows_the_rows_that_are_copied(database: Settings) -> None:
    async with books(database) as connection:
        await connection.execute("create table copied as select generate_series(1, 3000) as id; analyze copied")
    seen, enough = Seen(), asyncio.Event()
    seen.wanted = 500

    async def rows():
        yield b"1\n" * 5_000
        await enough.wait()

    copier = await restoring(database)
    copying = asyncio.create_task(copier.copy_to_table("copied", source=rows()))
    looking = asyncio.create_task(look(database, seen, database.postgres_schema))
    try:
        await asyncio.wait_for(seen.told.wait(), WITHIN_S)
    finally:
        enough.set()
        await copying
        looking.cancel()
        await copier.close()
    assert seen.total >= 3_000
    assert 500 <= seen.done <= 5_000
