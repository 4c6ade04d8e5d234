"""The wallet agent's store: a run of executions and its watermarks enter PostgreSQL in one transaction, or none does.

What was decided is announced after the commit. Its announcement may be lost; the books say the same.
"""

from collections.abc import Callable, Mapping, Sequence

import asyncpg
from asyncpg import exceptions

from ledger.queries import query
from ledger.settle import market_assets, settle_run
from ledger.settle_rules import Assets, Decided, Mismatch
from runtime.journal.chain import ORIGIN
from runtime.journal.errors import Broken, Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from runtime.postgres import UNWELL, Connection, Pool, transaction
from schemas.executions import ChainedExecution

CONSUMER = "wallet"


class BooksStore:
    """What the wallet's sink writes to."""

    def __init__(self, connections: Callable[[], Pool], announce: Callable[[Sequence[Decided]], None]) -> None:
        self._connections = connections
        self._announce = announce
        self._assets: dict[str, Assets] = {}

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        try:
            rows = await self._connections().fetch(query("settle.watermarks"), CONSUMER, topic, partition)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL does not say how far the books are: {error!r}") from error
        return {row["market"]: _mark(row) for row in rows}

    async def apply(self, run: Run[ChainedExecution]) -> None:
        executions = [told.value for told in run.records]
        try:
            async with transaction(self._connections()) as connection:
                await _lock_watermarks(connection, run)
                await self._learn(connection, run)
                settlement = await settle_run(connection, executions, self._assets)
                await _set_watermarks(connection, run)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL did not take a run: {error!r}") from error
        except (Mismatch, exceptions.IntegrityConstraintViolationError) as error:
            raise Broken(f"the executions contradict the books: {error}") from error
        self._announce(settlement.decided)

    async def _learn(self, connection: Connection, run: Run[ChainedExecution]) -> None:
        unknown = [market for market in run.after if market not in self._assets]
        if unknown:
            self._assets |= await market_assets(connection, unknown)


def _mark(row: asyncpg.Record) -> Mark:
    return Mark(row["seq"], row["source_offset"], row["chain"], row["next_offset"] - 1)


async def _lock_watermarks(connection: Connection, run: Run[ChainedExecution]) -> None:
    """Held to the end of the transaction, so that of two workers with the same run one finds it applied."""
    markets = sorted(run.before)
    place = (CONSUMER, run.topic, run.partition, markets)
    rows = await connection.fetch(query("settle.lock_watermarks"), *place)
    if len(rows) < len(markets):
        await connection.execute(query("settle.add_watermarks"), *place, ORIGIN)
        rows = await connection.fetch(query("settle.lock_watermarks"), *place)
    found = {row["market"]: _mark(row) for row in rows}
    if found != run.before:
        raise Unwell("another worker has moved the watermark")


async def _set_watermarks(connection: Connection, run: Run[ChainedExecution]) -> None:
    rows = [
        (market, mark.seq, mark.source_offset, mark.chain, mark.position + 1)
        for market, mark in sorted(run.after.items())
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(query("settle.set_watermarks"), CONSUMER, run.topic, run.partition, *columns)
