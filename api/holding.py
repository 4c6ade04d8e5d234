"""Holds for many orders at once, with an honest word when the books are away."""

import asyncpg

from api.database import LOST, Pool
from ledger.hold_batch import HoldBatcher
from ledger.hold_rules import NewOrder, Placed, Refused
from schemas.errors import UNAVAILABLE, Refusal, unavailable, unknown

MOST_WAITING = 5000
NOT_BEGUN = (ConnectionRefusedError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError)
"""What PostgreSQL's absence looks like before a transaction has begun."""


class Holding:
    """The ledger's batcher, as a call uses it."""

    def __init__(self, pool: Pool, max_open_orders: int) -> None:
        self._waiting = 0
        self._batcher = HoldBatcher(pool, max_open_orders=max_open_orders)

    async def place(self, order: NewOrder) -> Placed | Refused:
        """Refuses when more orders wait than it is sensible to keep waiting."""
        if self._waiting >= MOST_WAITING:
            raise Refusal(UNAVAILABLE, "Too many orders wait at once; nothing was done, try again.", retry_after_s=1)
        self._waiting += 1
        try:
            return await self._batcher.place(order)
        except NOT_BEGUN:
            raise unavailable("PostgreSQL") from None
        except LOST:
            raise unknown() from None
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        await self._batcher.close()
