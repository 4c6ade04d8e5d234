"""Holds for many orders at once, with an honest word when the books are away."""

import asyncpg

from api.database import Pool
from ledger.hold_batch import HoldBatcher
from ledger.hold_rules import NewOrder, Placed, Refused
from schemas.errors import unavailable

NOT_BEGUN = (ConnectionRefusedError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
"""What PostgreSQL's absence looks like before a transaction has begun."""


class Holding:
    """The ledger's batcher, as a call uses it."""

    def __init__(self, pool: Pool, max_open_orders: int) -> None:
        self._batcher = HoldBatcher(pool, max_open_orders=max_open_orders)

    async def place(self, order: NewOrder) -> Placed | Refused:
        try:
            return await self._batcher.place(order)
        except NOT_BEGUN:
            raise unavailable("PostgreSQL") from None

    async def close(self) -> None:
        await self._batcher.close()
