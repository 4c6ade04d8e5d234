"""What clients read of the books: rows as values, one query each, nothing decided."""

import dataclasses
import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from ledger.accounts import HOME_CURRENCY
from ledger.connection import Connection
from ledger.queries import query

NEWEST = (1 << 63) - 1
"""An id that comes before the first of every list."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wallet:
    asset: str
    available: int
    held: int
    pending: int


@dataclasses.dataclass(frozen=True, slots=True)
class Transaction:
    id: int
    type: str
    asset: str
    amount: int
    order_id: int | None
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Currency:
    code: str
    name: str
    scale: int


@dataclasses.dataclass(frozen=True, slots=True)
class Market:
    id: int
    symbol: str
    base: str
    quote: str
    partition: int
    is_house: bool
    base_scale: int
    quote_scale: int
    tick_size: Decimal
    lot_size: Decimal
    status: str
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int
    house_price_ticks: int | None
    version: int


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    id: int
    kind: str
    state: str
    outcome: str | None
    order_id: int | None
    journal_partition: int | None
    journal_offset: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Customer:
    id: int
    name: str
    available: int
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class OrderStats:
    day: datetime.date
    is_purchase: bool
    asset: str
    count: int
    volume: int


@dataclasses.dataclass(frozen=True, slots=True)
class TradeStats:
    day: datetime.date
    asset: str
    count: int
    volume: int


async def wallets(connection: Connection, user_ids: Sequence[int]) -> dict[int, list[Wallet]]:
    """Per user who has any."""
    found: dict[int, list[Wallet]] = {}
    for user_id, *row in await connection.fetch(query("reads.wallets"), user_ids):
        found.setdefault(user_id, []).append(Wallet(*row))
    return found


async def transactions(connection: Connection, user_id: int, before: int, limit: int) -> list[Transaction]:
    return [Transaction(**row) for row in await connection.fetch(query("reads.transactions"), user_id, before, limit)]


async def transaction(connection: Connection, user_id: int, transaction_id: int) -> Transaction | None:
    row = await connection.fetchrow(query("reads.transaction"), user_id, transaction_id)
    return None if row is None else Transaction(**row)


class ListingVersion(NamedTuple):
    """Which state the lists of currencies and markets are in: every change of them raises the first number.

    The second, when the newest of them was made, tells apart states that another history had counted to as well.
    """

    version: int
    newest_us: int


async def listing_version(connection: Connection) -> ListingVersion:
    (row,) = await connection.fetch(query("reads.listing_version"))
    return ListingVersion(**row)


async def currencies(connection: Connection) -> list[Currency]:
    return [Currency(**row) for row in await connection.fetch(query("reads.currencies"))]


async def markets(connection: Connection) -> list[Market]:
    return [Market(**row) for row in await connection.fetch(query("reads.markets"))]


async def command(connection: Connection, user_id: int, command_id: int) -> Command | None:
    row = await connection.fetchrow(query("reads.command"), command_id, user_id)
    return None if row is None else Command(**row)


async def customers(connection: Connection, before: int, limit: int) -> list[Customer]:
    return [Customer(**row) for row in await connection.fetch(query("reads.customers"), HOME_CURRENCY, before, limit)]


async def customer(connection: Connection, customer_id: int) -> Customer | None:
    row = await connection.fetchrow(query("reads.customer"), HOME_CURRENCY, customer_id)
    return None if row is None else Customer(**row)


async def order_stats(connection: Connection, user_id: int) -> list[OrderStats]:
    return [OrderStats(**row) for row in await connection.fetch(query("reads.order_stats"), user_id)]


async def trade_stats(connection: Connection, user_id: int) -> list[TradeStats]:
    return [TradeStats(**row) for row in await connection.fetch(query("reads.trade_stats"), user_id)]
