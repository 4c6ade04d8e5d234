"""Reads orders by id for many calls at once: one query for all that ask while the last one runs."""

from collections.abc import Sequence

from api.batching import Batches
from api.database import Database
from ledger import orders
from ledger.orders import Seen

LANES = 2


class OrderReader:
    """What it answers was committed when it was asked, or later."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches: Batches[int, Seen | None] = Batches(self._read, name="order reader", at_once=LANES)

    async def find(self, order_id: int) -> Seen | None:
        return await self._batches.ask(order_id)

    async def get(self, order_id: int) -> Seen:
        """An order that is known to be there."""
        seen = await self.find(order_id)
        assert seen is not None, f"order {order_id} was placed, and orders are never removed"
        return seen

    async def _read(self, order_ids: Sequence[int]) -> Sequence[Seen | None]:
        async with self._database.connection() as connection:
            found = await orders.seen(connection, sorted(set(order_ids)))
        return [found.get(order_id) for order_id in order_ids]
