"""What operators read of batches: their way to the outside exchange, and the house's account of each."""

import dataclasses
import datetime

from ledger.connection import Connection
from ledger.queries import query


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a batch stands in the list of all, newest first."""

    created_at: datetime.datetime
    id: str


@dataclasses.dataclass(frozen=True, slots=True)
class SeenBatch:
    """A batch. `paid_atoms` and `delivered_atoms` are those of its completed purchases."""

    id: str
    market: str
    base: str
    quote: str
    base_scale: int
    quote_scale: int
    base_atoms: int
    notional_atoms: int
    topped_up_atoms: int
    state: str
    attempts: int
    last_error: str | None
    resolved_by: str | None
    exchange_order_id: str | None
    filled_atoms: int | None
    charged_asset: str | None
    charged_atoms: int | None
    created_at: datetime.datetime
    closed_at: datetime.datetime | None
    settled_at: datetime.datetime | None
    orders: list[int]
    paid_atoms: int
    delivered_atoms: int

    @property
    def place(self) -> Place:
        return Place(self.created_at, self.id)


async def batches(connection: Connection, before: Place | None, limit: int) -> list[SeenBatch]:
    """Newest first."""
    at, batch_id = (None, None) if before is None else (before.created_at, before.id)
    return [SeenBatch(*row) for row in await connection.fetch(query("desk.batches"), None, at, batch_id, limit)]


async def batch(connection: Connection, batch_id: str) -> SeenBatch | None:
    rows = await connection.fetch(query("desk.batches"), batch_id, None, None, 1)
    return SeenBatch(*rows[0]) if rows else None
