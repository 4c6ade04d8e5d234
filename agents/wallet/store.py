"""The wallet agent's store: a run of one topic and its watermarks enter PostgreSQL in one transaction, or none does.

What was decided is announced after the commit. Its announcement may be lost; the books say the same.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncpg import exceptions

from ledger import watermarks
from ledger.batch_rules import TooEarly
from ledger.batches import gather_run, settle_fill_run
from ledger.settle import market_assets, settle_run
from ledger.settlement import Assets, Decided, Mismatch
from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from runtime.postgres import UNWELL, Connection, Pool, transaction
from schemas.topics import BATCHES, EXECUTIONS, FILLS

CONSUMER = "wallet"


class BooksStore:
    """What the wallet's sink writes to."""

    def __init__(self, connections: Callable[[], Pool], announce: Callable[[Sequence[Decided]], None]) -> None:
        self._connections = connections
        self._announce = announce
        self._assets: dict[str, Assets] = {}

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        try:
            async with self._connections().acquire() as connection:
                return await watermarks.read(connection, CONSUMER, topic, partition)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL does not say how far the books are: {error!r}") from error

    async def apply(self, run: Run[Any]) -> None:
        try:
            async with transaction(self._connections()) as connection:
                await watermarks.hold(connection, CONSUMER, run.topic, run.partition, run.before)
                await self._learn(connection, run)
                decided = await self._write(connection, run)
                await watermarks.move(connection, CONSUMER, run.topic, run.partition, run.after)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL did not take a run: {error!r}") from error
        except TooEarly as error:
            raise NotYet(str(error)) from error
        except (Mismatch, exceptions.IntegrityConstraintViolationError) as error:
            raise Broken(f"{run.topic} contradicts the books: {error}") from error
        self._announce(decided)

    async def _write(self, connection: Connection, run: Run[Any]) -> Sequence[Decided]:
        """Batches and fills decide no command."""
        values = [told.value for told in run.records]
        if run.topic == EXECUTIONS.name:
            return (await settle_run(connection, values, self._assets)).decided
        if run.topic == BATCHES.name:
            await gather_run(connection, values, self._assets, (CONSUMER, EXECUTIONS.name))
        else:
            assert run.topic == FILLS.name, f"nothing here knows what {run.topic} does to the books"
            await settle_fill_run(connection, values, self._assets)
        return ()

    async def _learn(self, connection: Connection, run: Run[Any]) -> None:
        unknown = sorted({told.market for told in run.records} - self._assets.keys())
        if unknown:
            self._assets |= await market_assets(connection, unknown)
