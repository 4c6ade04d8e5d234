"""Orders and fills as rows: what the API reads of them, many with one query."""

import dataclasses
import datetime
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import asyncpg

from ledger.connection import Connection
from ledger.queries import query


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A row of `orders`, without its hold."""

    id: int
    user_id: int
    placed_by: int | None
    market: str
    kind: str
    side: str
    lots: int | None
    quote_atoms: int | None
    price_ticks: int
    state: str
    reason: str | None
    filled_lots: int
    filled_quote_atoms: int
    seq: int | None
    is_done: bool
    is_aggregated: bool
    batch_id: str | None
    command_id: int
    client_order_id: str
    created_at: datetime.datetime
    updated_at: datetime.datetime

    def belongs_to(self, user_id: int) -> bool:
        """Whether this user may see it: it is his, or he placed it for a customer."""
        return user_id in (self.user_id, self.placed_by)


ORDER_COLUMNS = tuple(field.name for field in dataclasses.fields(Order))


@dataclasses.dataclass(frozen=True, slots=True)
class Fill:
    """A trade as one side of it sees it."""

    order_id: int
    market: str
    trade_seq: int
    price_ticks: int
    lots: int
    side: str
    fee_atoms: int
    is_maker: bool
    at: datetime.datetime
    id: int


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """An order with its fills, as of one moment."""

    order: Order
    fills: Sequence[Fill]


@dataclasses.dataclass(frozen=True, slots=True)
class OpenOrder:
    """What a cancel of all needs to know."""

    id: int
    market: str
    state: str
    command_id: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which orders of a list; None lets all through."""

    market: str | None = None
    state: str | None = None
    is_open: bool | None = None


async def seen(connection: Connection, order_ids: Sequence[int]) -> dict[int, Seen]:
    """These orders with their fills."""
    rows = await connection.fetch(query("orders.by_id"), order_ids)
    return {each.order.id: each for each in _grouped(rows)}


async def page(connection: Connection, user_id: int, before: int, limit: int, which: Filter) -> list[Seen]:
    """A user's orders, newest first."""
    rows = await connection.fetch(
        query("orders.page"), user_id, before, limit, which.market, which.state, which.is_open
    )
    return list(_grouped(rows))


def _grouped(rows: Iterable[asyncpg.Record]) -> Iterator[Seen]:
    """A row per fill, or one for an order without; an order's rows stand together."""
    for _, together in itertools.groupby(rows, key=lambda row: row["id"]):
        group = list(together)
        order = Order(**{name: group[0][name] for name in ORDER_COLUMNS})
        yield Seen(order, [_fill(row) for row in group if row["fill_id"] is not None])


def _fill(row: asyncpg.Record) -> Fill:
    return Fill(
        order_id=row["id"],
        market=row["market"],
        trade_seq=row["trade_seq"],
        price_ticks=row["fill_price_ticks"],
        lots=row["fill_lots"],
        side=row["side"],
        fee_atoms=row["fee_atoms"],
        is_maker=row["is_maker"],
        at=row["at"],
        id=row["fill_id"],
    )


async def by_client_id(connection: Connection, user_id: int, client_order_id: str) -> int | None:
    order_id: int | None = await connection.fetchval(query("orders.by_client_id"), user_id, client_order_id)
    return order_id


async def open_orders(connection: Connection, user_id: int, market: str | None) -> list[OpenOrder]:
    return [OpenOrder(**row) for row in await connection.fetch(query("orders.open"), user_id, market)]


@dataclasses.dataclass(frozen=True, slots=True)
class Live:
    """Where an order stands that is not done."""

    id: int
    user_id: int
    state: str
    seq: int | None


async def live(connection: Connection, user_ids: Sequence[int]) -> list[Live]:
    """All orders of these users that are not done, purchases too."""
    return [Live(**row) for row in await connection.fetch(query("orders.live"), user_ids)]


async def newest(connection: Connection, user_id: int) -> int:
    """The id of a user's last order; 0 when he has none."""
    found: int = await connection.fetchval(query("orders.newest"), user_id)
    return found


async def placed_since(connection: Connection, since: Mapping[int, int]) -> list[tuple[int, int]]:
    """User and id of the orders that each of these users has placed after one of his."""
    rows = await connection.fetch(query("orders.placed_since"), list(since), list(since.values()))
    return [(row["user_id"], row["id"]) for row in rows]


async def fills_page(
    connection: Connection, user_id: int, before: int, limit: int, market: str | None, order_id: int | None
) -> list[Fill]:
    rows = await connection.fetch(query("orders.fills_page"), user_id, before, limit, market, order_id)
    return [Fill(**row) for row in rows]


async def decided(connection: Connection, command_ids: Sequence[int]) -> list[int]:
    """Which of these commands have an outcome."""
    return [row["id"] for row in await connection.fetch(query("orders.decided"), command_ids)]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a command, and where in the journal it stands."""

    outcome: str
    journal_partition: int
    journal_offset: int


async def verdict(connection: Connection, command_id: int) -> Verdict | None:
    """None while nobody has decided it."""
    row = await connection.fetchrow(query("orders.outcome"), command_id)
    return None if row is None else Verdict(**row)


async def last_price_ticks(connection: Connection, market: str) -> int | None:
    """At what price the book traded last."""
    ticks: int | None = await connection.fetchval(query("orders.last_price"), market)
    return ticks
