"""What the desk reads of the books, and the one table that it writes: attempts, each before the exchange is asked."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import asyncpg

from agents.settlement.connectors.connector import Request
from ledger.queries import query
from runtime.postgres import Pool
from schemas.batches import Fill, decode_fill, encode_fill
from schemas.money import market_units


class Due(NamedTuple):
    """A batch that has to be bought, asked about, or told."""

    market: str
    partition: int
    request: Request
    attempts: int
    fill: Fill | None


class Intent(NamedTuple):
    expires_ms: int
    attempts: int


class DeskStore:
    """All of it, each call one statement."""

    def __init__(self, connections: Callable[[], Pool]) -> None:
        self._connections = connections

    async def due(self, most: int, margin_ms: int, but: Sequence[str]) -> list[Due]:
        """What is to be done now, oldest first, but for these batches."""
        return [_due(row) for row in await self._connections().fetch(query("desk.due"), most, margin_ms, but)]

    async def waiting(self) -> int:
        """How many batches are closed and not settled."""
        return int(await self._connections().fetchval(query("desk.waiting")))

    async def intend(self, batch_id: str, exchange: str, window_ms: int, margin_ms: int) -> Intent | None:
        row = await self._connections().fetchrow(query("desk.intend"), batch_id, exchange, window_ms, margin_ms)
        return None if row is None else Intent(row["expires_ms"], row["attempts"])

    async def decide(self, fill: Fill) -> Fill:
        """The word that stays: this one, unless there was one before it."""
        stays = await self._connections().fetchval(query("desk.decide"), fill.batch_id, encode_fill(fill).decode())
        return decode_fill(stays.encode())

    async def complain(self, batch_id: str, error: str) -> None:
        await self._connections().execute(query("desk.complain"), batch_id, error)

    async def told(self, batch_id: str) -> None:
        await self._connections().execute(query("desk.told"), batch_id)


def _due(row: asyncpg.Record) -> Due:
    """The price is what a unit was worth on average when it was bought of the house, so it is the same at each try."""
    units = market_units(str(row["tick_size"]), str(row["lot_size"]), row["base_scale"], row["quote_scale"])
    price_ticks = -(-row["notional_atoms"] // (row["lots"] * units.tick_lot_quote_atoms))
    request = Request(
        row["id"], row["base"], row["quote"], row["base_scale"], row["quote_scale"], units.base_atoms(row["lots"]),
        units.price_text(price_ticks),
    )  # fmt: skip
    fill = None if row["verdict"] is None else decode_fill(row["verdict"].encode())
    return Due(row["market"], row["partition"], request, row["attempts"], fill)
