"""A bar for PostgreSQL's own programs, which say nothing: the server tells how many rows they have copied by now.

It is for the eyes only: whatever goes wrong with it, the work goes on.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from ledger.connection import books
from ledger.queries import query
from ops.progress import Progress
from runtime.settings import Settings

LOOK_S = 0.2
T = TypeVar("T")


async def watched(settings: Settings, work: Awaitable[T], *, schema: str | None = None) -> T:
    """The work's own outcome. With a schema, its rows are what there is to copy."""
    with Progress("rows", 0) as bar:
        if not bar.is_shown:
            return await work
        looking = asyncio.create_task(look(settings, bar, schema))
        try:
            return await work
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


async def look(settings: Settings, bar: Progress, schema: str | None) -> None:
    """Until it is cancelled. Of each table the most that was seen counts."""
    copied: dict[int, int] = {}
    async with books(settings) as connection:
        if schema is not None:
            bar.total = await connection.fetchval(query("replay.rows_about"), schema)
        while True:
            for row in await connection.fetch(query("replay.copying")):
                copied[row["relid"]] = row["tuples_processed"]
            bar.to(sum(copied.values()))
            await asyncio.sleep(LOOK_S)
