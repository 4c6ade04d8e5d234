"""Gathers the orders that come at once into batches, so that a hundred holds cost one transaction.

An order that finds a free lane goes at once; those that come while all lanes are busy go together when one is free. So
at rest nothing waits, and the more there is to do, the larger the batches. A batch that raises fails all who wait for
it, at once; only an order that the books cannot take fails alone, because its batch is halved until it is.
"""

import asyncio
import dataclasses
import time
from collections import deque

import asyncpg

from ledger.hold_rules import NewOrder, Placed, Refused
from ledger.holds import place
from runtime.telemetry import metrics

LANES = 2
LARGEST = 256
UNFIT: tuple[type[Exception], ...] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    LookupError,
)
"""What one order can do to a batch: a number out of range, a constraint, a market that is not there."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    order: NewOrder
    answer: "asyncio.Future[Placed | Refused]"


class HoldBatcher:
    """One per process. `pool` must have a connection for each lane."""

    def __init__(self, pool: asyncpg.Pool, *, max_open_orders: int, lanes: int = LANES, largest: int = LARGEST) -> None:
        self._pool = pool
        self._max_open_orders = max_open_orders
        self._largest = largest
        self._free_lanes = lanes
        self._queue: deque[_Waiting] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def place(self, order: NewOrder) -> Placed | Refused:
        """The order's answer, after its hold is on the disk. Whatever is raised may have placed it or not."""
        waiting = _Waiting(order, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._free_lanes:
            self._free_lanes -= 1
            lane = asyncio.create_task(self._lane(), name="holds")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await waiting.answer

    async def close(self) -> None:
        """Returns when what was asked for before is answered."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _lane(self) -> None:
        """Batch after batch, until nobody waits."""
        try:
            while self._queue:
                await asyncio.sleep(0)  # whoever is ready to ask in this turn of the loop comes along
                if batch := self._next_batch():
                    await self._answer(batch)
        finally:
            self._free_lanes += 1

    def _next_batch(self) -> list[_Waiting]:
        """Who hung up before his turn is left out: nothing of his order was done."""
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._largest:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        began = time.perf_counter()
        try:
            async with self._pool.acquire() as connection:
                answers = await place(connection, [waiting.order for waiting in batch], self._max_open_orders)
        except UNFIT as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._answer(batch[:middle])
            await self._answer(batch[middle:])
        except BaseException as error:
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise
        else:
            metrics.HOLD_BATCH.observe(len(batch))
            metrics.HOLD_SECONDS.observe(time.perf_counter() - began)
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
