"""Rows of the books as the topics tell them: what each says, and which columns it says it in.

A row's number of its own (a posting's id, a market's) is not among them: the tables give those.
"""

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ledger.batch_rules import Batch, Transfer
from ledger.postings import Posting, adjustment, deposit, withdrawal
from ledger.settlement import Decided, Order, Terms, Trade
from schemas.commands import COMMAND_TYPES, BuyFromHouse, Numbered, OpenMarket, PlaceOrder, ReduceOrder, Side
from schemas.entries import AccountOpened, CurrencyAdded, Deposited, Moved, Withdrawn
from schemas.money import MoneyError, market_units
from schemas.times import from_epoch_ms

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = dict[str, list[Row]]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "currencies": ("code", "name", "scale", "created_at"),
    "users": ("id", "username", "name", "is_admin", "created_at"),
    "transfers": (
        "id", "kind", "requested_by", "idempotency_key", "market", "seq", "trade_seq", "batch_id", "note", "created_at",
    ),
    "postings": ("transfer_id", *Posting._fields),
    "idempotency_keys": ("user_id", "key", "digest", "subject", "subject_id"),
    "orders": (
        "id", "user_id", "placed_by", "market", "kind", "side", "time_in_force", "post_only", "self_trade", "lots",
        "quote_atoms", "price_ticks", "hold_asset", "hold_atoms", "held_remaining", "state", "reason", "filled_lots",
        "filled_quote_atoms", "seq", "is_aggregated", "batch_id", "batch_line", "command_id", "client_order_id",
        "body_digest", "created_at", "updated_at",
    ),
    "commands": (
        "id", "market", "number", "kind", "user_id", "order_id", "arguments", "state", "outcome", "journal_partition",
        "journal_offset", "created_at", "decided_at",
    ),
    "trades": ("id", *Trade._fields[:-2], "at"),
    "batches": (
        "id", "market", "number", "lots", "notional_atoms", "topped_up_atoms", "state", "filled_atoms", "charged_asset",
        "charged_atoms", "exchange_order_id", "created_at", "closed_at", "settled_at",
    ),
}  # fmt: skip
"""The tables whose rows are only added, in an order in which those that others refer to come first. A leg goes in as it
is, and so does a trade, but for its moment and its legs: they are most of all rows."""
PLACES = (PlaceOrder, BuyFromHouse)
"""The commands whose order says the rest."""
SAID_ELSEWHERE = frozenset({"market", "command_id", "number", "user_id", "order_id", "reply"})
"""Fields of a command that have columns of their own, or, as who waits for it now, none."""
LEGS = {Deposited: deposit, Withdrawn: withdrawal}


class Asked(NamedTuple):
    """A command, and where and when it came into the journal."""

    command: Numbered
    partition: int
    offset: int
    at_ms: int


class Gathered(NamedTuple):
    """Where a purchase is on its way to the outside exchange."""

    is_aggregated: bool
    batch_id: str
    line: int


class MarketRow(NamedTuple):
    """What of a market is fixed for life, and the terms with which it was asked for."""

    symbol: str
    base: str
    quote: str
    partition: int
    base_scale: int
    quote_scale: int
    tick_size: Decimal
    lot_size: Decimal
    lot_base_atoms: int
    tick_lot_quote_atoms: int
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int
    command_id: int = 0
    """Which asked for it: the first market of a currency is where the house sells. 0 for one of the tables."""


moment = lru_cache(maxsize=64)(from_epoch_ms)
"""Many rows have the time of one record."""


def at_us(microseconds: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(microseconds=microseconds)


def user(entry: AccountOpened) -> Row:
    return (entry.user_id, entry.username, entry.name, entry.is_admin, at_us(entry.at_us))


def currency(entry: CurrencyAdded) -> Row:
    return (entry.code, entry.name, entry.scale, at_us(entry.at_us))


def customer_key(entry: AccountOpened) -> Sequence[Row]:
    """The key by which an admin asked for a customer, if there was one."""
    if entry.idempotency_key is None or entry.requested_by is None:
        return ()
    return ((entry.requested_by, entry.idempotency_key, entry.digest, "user", entry.user_id),)


def transfer_key(entry: Moved) -> Sequence[Row]:
    if entry.idempotency_key is None:
        return ()
    return ((entry.requested_by, entry.idempotency_key, entry.digest, "transfer", entry.transfer_id),)


def order_key(command: PlaceOrder | BuyFromHouse) -> Row:
    """In the name space of whoever placed the order."""
    owner = command.user_id if command.placed_by is None else command.placed_by
    return (owner, command.client_order_id, command.body_digest, "order", command.order_id)


def change_key(command: ReduceOrder, key: str) -> Row:
    """In the name space of whoever asked for the change."""
    owner = command.user_id if command.placed_by is None else command.placed_by
    return (owner, key, command.body_digest, "command", command.command_id)


def border_legs(entry: Moved) -> tuple[Posting, ...]:
    """The legs of a deposit, a withdrawal or an adjustment; the entry says what the wallet gained."""
    if isinstance(entry, Withdrawn):
        return withdrawal(entry.user_id, entry.asset, -entry.amount_atoms)
    if isinstance(entry, Deposited):
        return deposit(entry.user_id, entry.asset, entry.amount_atoms)
    return adjustment(entry.user_id, entry.asset, entry.amount_atoms)


def border_transfer(entry: Moved) -> Row:
    kind = "deposit" if isinstance(entry, Deposited) else "withdrawal" if isinstance(entry, Withdrawn) else "adjustment"
    return (
        entry.transfer_id, kind, entry.requested_by, entry.idempotency_key, None, None, None, None, entry.note,
        at_us(entry.at_us),
    )  # fmt: skip


def posting(transfer_id: int, leg: Posting) -> Row:
    return (transfer_id, *leg)


def pending_order(asked: Asked, command: PlaceOrder | BuyFromHouse) -> Order:
    """The part of a new order that executions change."""
    side: Side = "buy" if isinstance(command, BuyFromHouse) else command.side
    order_id, held = command.order_id, command.hold.atoms
    return Order(order_id, command.user_id, side, "pending", command.lots, 0, 0, held, at_ms=asked.at_ms)


def order(asked: Asked, order: Order, gathered: Gathered | None) -> Row:
    """A whole row of `orders`."""
    command = asked.command
    asked_for: Row
    if type(command) is PlaceOrder:
        asked_for = (
            command.kind, command.side, command.time_in_force, command.post_only, command.self_trade, order.lots,
            command.quote_atoms,
        )  # fmt: skip
    else:
        assert type(command) is BuyFromHouse, "nothing else places an order"
        asked_for = ("purchase", "buy", None, False, None, order.lots, None)
    return (
        command.order_id, command.user_id, command.placed_by, command.market, *asked_for, command.price_ticks,
        command.hold.asset, command.hold.atoms, order.held_remaining, order.state, order.reason, order.filled_lots,
        order.filled_quote_atoms, order.seq, *(gathered or (False, None, None)), command.command_id,
        command.client_order_id, command.body_digest, moment(asked.at_ms), moment(order.at_ms),
    )  # fmt: skip


def command(asked: Asked, decided: Decided | None) -> Row:
    """A whole row of `commands`."""
    said = asked.command
    owner, order_id = said.user_id, getattr(said, "order_id", None)
    row = (said.command_id, said.market, said.number, COMMAND_TYPES[type(said)], owner, order_id, arguments(said))
    if decided is None:
        return (*row, "pending", None, None, None, moment(asked.at_ms), None)
    outcome, at = decided.result.outcome, moment(decided.at_ms)
    return (*row, "decided", outcome, decided.partition, decided.offset, moment(asked.at_ms), at)


def arguments(said: Numbered) -> str:
    """What neither the other columns nor the order's row say, as JSON."""
    if type(said) in PLACES:
        return "{}"
    fields = {name: value for name, value in msgspec.structs.asdict(said).items() if name not in SAID_ELSEWHERE}
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None}).decode()


def decision(decided: Decided) -> Row:
    """What is set in the row of a command that is there already."""
    return (decided.result.command_id, decided.result.outcome, decided.partition, decided.offset, moment(decided.at_ms))


def change(order: Order, gathered: Gathered | None) -> Row:
    """What is set in the row of an order that is there already."""
    return (
        order.order_id, order.state, order.reason, order.lots, order.filled_lots, order.filled_quote_atoms,
        order.held_remaining, order.seq, moment(order.at_ms), *(gathered or (False, None, None)),
    )  # fmt: skip


def terms(symbol: str, one: Terms) -> Row:
    return (
        symbol, one.seq, one.status, one.maker_fee_bps, one.taker_fee_bps, one.band_bps, one.min_notional_atoms,
        one.house_price_ticks,
    )  # fmt: skip


def batch(one: Batch) -> Row:
    created, closed, settled = (
        None if ms is None else moment(ms) for ms in (one.created_ms, one.closed_ms, one.settled_ms)
    )
    return (
        one.batch_id, one.market, one.number, one.lots, one.notional_atoms, one.topped_up_atoms, one.state,
        one.filled_atoms, one.charged_asset, one.charged_atoms, one.exchange_order_id, created, closed, settled,
    )  # fmt: skip


def trade(transfer_id: int, one: Trade) -> Row:
    return (transfer_id, *one[:-2], moment(one.at_ms))


def trade_transfer(transfer_id: int, one: Trade) -> Row:
    kind = "purchase" if one.kind == "house" else "trade"
    return (transfer_id, kind, None, None, one.market, one.seq, one.trade_seq, None, None, moment(one.at_ms))


def batch_transfer(transfer_id: int, one: Transfer) -> Row:
    return (transfer_id, one.kind, None, None, one.market, None, None, one.batch_id, None, moment(one.at_ms))


def market(command: OpenMarket, partition: int) -> MarketRow | None:
    """The row that waits for its opening; None for terms that no market can have."""
    try:
        units = market_units(command.tick_size, command.lot_size, command.base_scale, command.quote_scale)
    except MoneyError:
        return None
    return MarketRow(
        command.market, command.base, command.quote, partition, command.base_scale, command.quote_scale,
        Decimal(command.tick_size), Decimal(command.lot_size), units.lot_base_atoms, units.tick_lot_quote_atoms,
        command.maker_fee_bps, command.taker_fee_bps, command.band_bps, command.min_notional_atoms,
        command.command_id,
    )  # fmt: skip


def later_terms(before: Terms | None, after: Terms) -> Terms:
    """What is set last stays."""
    if before is None:
        return after
    names = ("status", "maker_fee_bps", "taker_fee_bps", "band_bps", "min_notional_atoms", "house_price_ticks")
    merged = {name: getattr(before if getattr(after, name) is None else after, name) for name in names}
    return Terms(after.seq, **merged)
