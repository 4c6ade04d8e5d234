"""New currencies and markets: a market is a row that waits, and a command that opens it in the journal."""

import dataclasses
from decimal import Decimal

from ledger.commands import CommandRow, add_command
from ledger.connection import Connection
from ledger.queries import query
from schemas.money import MarketUnits


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewMarket:
    """What an admin decides of a market. Its units are exact, or they could not have been made."""

    base: str
    quote: str
    units: MarketUnits
    maker_fee_bps: int = 0
    taker_fee_bps: int = 0
    band_bps: int = 0
    min_notional_atoms: int = 0

    @property
    def symbol(self) -> str:
        return f"{self.base}-{self.quote}"


async def add_currency(connection: Connection, code: str, name: str, scale: int) -> bool:
    """False when there is one of this code."""
    return await connection.fetchval(query("listings.add_currency"), code, name, scale) is not None


async def add_market(
    connection: Connection, market: NewMarket, *, partitions: int, user_id: int | None = None
) -> CommandRow | None:
    """In a transaction of the caller: the row and the command that opens it. None when there is such a market."""
    units = market.units
    await connection.execute(query("listings.one_at_a_time"))
    symbol = await connection.fetchval(
        query("listings.add_market"),
        market.base,
        market.quote,
        partitions,
        units.base_scale,
        units.quote_scale,
        Decimal(str(units.tick)),
        Decimal(str(units.lot)),
        units.lot_base_atoms,
        units.tick_lot_quote_atoms,
        market.maker_fee_bps,
        market.taker_fee_bps,
        market.band_bps,
        market.min_notional_atoms,
    )
    if symbol is None:
        return None
    return await add_command(connection, symbol, "open_market", _opening(market), user_id=user_id)


def _opening(market: NewMarket) -> dict[str, object]:
    """The fields of `OpenMarket`."""
    return {
        "base": market.base,
        "quote": market.quote,
        "base_scale": market.units.base_scale,
        "quote_scale": market.units.quote_scale,
        "tick_size": str(market.units.tick),
        "lot_size": str(market.units.lot),
        "status": "open",
        "maker_fee_bps": market.maker_fee_bps,
        "taker_fee_bps": market.taker_fee_bps,
        "band_bps": market.band_bps,
        "min_notional_atoms": market.min_notional_atoms,
    }


async def list_price(
    connection: Connection, symbol: str, price_ticks: int, *, user_id: int | None = None
) -> CommandRow:
    """Asks the journal for a new house price; the row of the market follows when it is decided."""
    return await add_command(connection, symbol, "list_price", {"price_ticks": price_ticks}, user_id=user_id)


async def partition_of(connection: Connection, symbol: str) -> int | None:
    """The partition that has all records of a market; None when there is no such market."""
    found: int | None = await connection.fetchval(query("listings.partition"), symbol)
    return found


async def status_of(connection: Connection, symbol: str) -> str | None:
    """As the last execution left it."""
    found: str | None = await connection.fetchval(query("listings.status"), symbol)
    return found
