"""What the desk reads of the books, and the one table that it writes: attempts, each before the exchange is asked."""

from collections.abc import Callable
from typing import NamedTuple

import asyncpg

from agents.settlement.connectors.connector import Request
from ledger.queries import query
from runtime.postgres import Pool
from schemas.batches import Fill, decode_fill, encode_fill
from schemas.money import market_units, money_text


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

    async def due(self, most: int) -> list[Due]:
        return [_due(row) for row in await self._connections().fetch(query("desk.due"), most)]

    async def intend(self, batch_id: str, exchange: str, window_ms: int) -> Intent | None:
        row = await self._connections().fetchrow(query("desk.intend"), batch_id, exchange, window_ms)
        return None if row is None else Intent(row["expires_ms"], row["attempts"])

    async def decide(self, fill: Fill) -> None:
        await self._connections().execute(query("desk.decide"), fill.batch_id, encode_fill(fill).decode())

    async def complain(self, batch_id: str, error: str) -> None:
        await self._connections().execute(query("desk.complain"), batch_id, error)

    async def told(self, batch_id: str) -> None:
        await self._connections().execute(query("desk.told"), batch_id)


def _due(row: asyncpg.Record) -> Due:
    units = market_units(str(row["tick_size"]), str(row["lot_size"]), row["base_scale"], row["quote_scale"])
    request = Request(
        row["id"], row["base"], row["quote"], row["base_scale"], row["quote_scale"], row["base_atoms"],
        units.price_text(row["house_price_ticks"]), 0,
    )  # fmt: skip
    fill = None if row["verdict"] is None else decode_fill(row["verdict"].encode())
    return Due(row["market"], row["partition"], request, row["attempts"], fill)


def shown(row: asyncpg.Record) -> dict[str, object]:
    """A batch for an operator."""
    base, quote = row["base_scale"], row["quote_scale"]
    charged = row["charged_atoms"]
    charged = None if charged is None else f"{money_text(charged, quote)} {row['charged_asset']}"
    return {
        "id": row["id"], "crypto": row["crypto"], "market": row["market"],
        "amount": money_text(row["base_atoms"], base), "notional": money_text(row["notional_atoms"], quote),
        "topped_up": money_text(row["topped_up_atoms"], quote), "state": row["state"], "orders": row["orders"],
        "attempts": row["attempts"], "exchange_order_id": row["exchange_order_id"], "charged": charged,
        "last_error": row["last_error"], "resolved_by": row["resolved_by"], "created_at": row["created_at"],
        "closed_at": row["closed_at"], "settled_at": row["settled_at"],
    }  # fmt: skip
