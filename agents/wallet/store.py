"""The wallet agent's store: a run of one topic and its watermarks enter PostgreSQL in one transaction, or none does.

What was decided is announced after the commit. Its announcement may be lost; the books say the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncpg import exceptions

from ledger import watermarks
from ledger.batch_rules import Purchase, TooEarly
from ledger.batches import gather_run, settle_fill_run
from ledger.settle import market_assets, settle_run
from ledger.settlement import Assets, Decided, Mismatch, Order
from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from runtime.postgres import UNWELL, Connection, Pool, connection, transaction
from schemas.topics import BATCHES, EXECUTIONS, FILLS

CONSUMER = "wallet"
Touched = tuple[int, int | None]
"""A user, and his order, if it is one."""


class BooksStore:
    """What the wallet's sink writes to."""

    def __init__(
        self,
        connections: Callable[[], Pool],
        announce: Callable[[Sequence[Decided]], None],
        touch: Callable[[Iterable[Touched]], None],
    ) -> None:
        self._connections = connections
        self._announce = announce
        self._touch = touch
        self._assets: dict[str, Assets] = {}

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        try:
            async with connection(self._connections()) as one:
                return await watermarks.read(one, CONSUMER, topic, partition)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL does not say how far the books are: {error!r}") from error

    async def apply(self, run: Run[Any]) -> None:
        try:
            decided, touched = await self._write(run)
        except UNWELL as error:
            raise Unwell(f"PostgreSQL did not take a run: {error!r}") from error
        except TooEarly as error:
            raise NotYet(str(error)) from error
        except (Mismatch, exceptions.IntegrityConstraintViolationError) as error:
            raise Broken(f"{run.topic} contradicts the books: {error}") from error
        self._announce(decided)
        self._touch(touched)

    async def _write(self, run: Run[Any]) -> tuple[Sequence[Decided], Iterable[Touched]]:
        """What was decided, and whose orders and wallets have changed; batches and fills decide no command."""
        values = [told.value for told in run.records]
        step = watermarks.Step(CONSUMER, run.topic, run.partition, run.before, run.after)
        if run.topic == EXECUTIONS.name:
            async with connection(self._connections()) as one:
                await self._learn(one, run)
                done = await settle_run(one, step, values, self._assets)
            return done.decided, _touched(done.orders.values(), done.wallets)
        async with transaction(self._connections()) as one:
            await watermarks.hold(one, *step.place, run.before)
            await self._learn(one, run)
            if run.topic == BATCHES.name:
                outcome = await gather_run(one, values, self._assets, (CONSUMER, EXECUTIONS.name))
            else:
                assert run.topic == FILLS.name, f"nothing here knows what {run.topic} does to the books"
                outcome = await settle_fill_run(one, values, self._assets)
            await watermarks.move(one, *step.place, run.after)
        return (), _touched(outcome.purchases.values(), outcome.wallets)

    async def _learn(self, one: Connection, run: Run[Any]) -> None:
        unknown = sorted({told.market for told in run.records} - self._assets.keys())
        if unknown:
            self._assets |= await market_assets(one, unknown)


def _touched(orders: Iterable[Order | Purchase], wallets: Iterable[tuple[int, str]]) -> Iterator[Touched]:
    yield from ((order.user_id, order.order_id) for order in orders)
    yield from ((user_id, None) for user_id, _asset in wallets)
