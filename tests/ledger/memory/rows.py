"""The rows of the books, column by column as in `ledger/schema.sql`, and what its constraints say of each.

Times are milliseconds, and those that a server's clock writes are left out: they say nothing about money. A test
compares the names of all columns and constraints with the database's own.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ledger.settlement import DONE

MOST = (1 << 63) - 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: int
    username: str | None
    name: str | None
    password_hash: str | None
    is_admin: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Currency:
    code: str
    name: str
    scale: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
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
    lot_base_atoms: int
    tick_lot_quote_atoms: int
    status: str = "opening"
    maker_fee_bps: int = 0
    taker_fee_bps: int = 0
    band_bps: int = 0
    min_notional_atoms: int = 0
    house_price_ticks: int | None = None
    version: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    user_id: int
    asset: str
    available: int = 0
    held: int = 0
    pending: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SystemAccount:
    account: str
    market: str
    asset: str
    balance: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    id: int
    kind: str
    requested_by: int | None = None
    idempotency_key: str | None = None
    market: str | None = None
    seq: int | None = None
    trade_seq: int | None = None
    batch_id: str | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    id: int
    transfer_id: int
    account: str
    user_id: int | None
    market: str | None
    asset: str
    amount: int
    order_id: int | None
    type: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    user_id: int
    key: str
    digest: str
    subject: str
    subject_id: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    signature: bytes
    user_id: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A row of the outbox."""

    id: int
    user_id: int
    kind: str
    entry: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    id: int
    user_id: int
    market: str
    kind: str
    side: str
    time_in_force: str | None
    post_only: bool
    self_trade: str | None
    lots: int | None
    quote_atoms: int | None
    price_ticks: int
    hold_asset: str
    hold_atoms: int
    held_remaining: int
    state: str = "pending"
    reason: str | None = None
    filled_lots: int = 0
    filled_quote_atoms: int = 0
    seq: int | None = None
    is_aggregated: bool = False
    batch_id: str | None = None
    batch_line: int | None = None
    command_id: int
    placed_by: int | None
    client_order_id: str
    body_digest: str

    @property
    def is_done(self) -> bool:
        return self.state in DONE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    id: int
    market: str
    number: int
    kind: str
    user_id: int | None
    order_id: int | None
    arguments: Mapping[str, Any]
    state: str = "pending"
    outcome: str | None = None
    journal_partition: int | None = None
    journal_offset: int | None = None
    sends: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    id: int
    market: str
    trade_seq: int
    seq: int
    kind: str
    price_ticks: int
    lots: int
    quote_atoms: int
    taker_side: str
    taker_order_id: int
    taker_user_id: int
    taker_fee_atoms: int
    maker_order_id: int | None
    maker_user_id: int | None
    maker_fee_atoms: int
    at: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    id: str
    market: str
    number: int
    lots: int
    notional_atoms: int
    topped_up_atoms: int
    state: str
    filled_atoms: int | None
    charged_asset: str | None
    charged_atoms: int | None
    exchange_order_id: str | None
    created_at: int
    closed_at: int | None
    settled_at: int | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    consumer: str
    topic: str
    partition: int
    market: str
    seq: int
    source_offset: int
    chain: str
    next_offset: int


ROWS: Mapping[str, type[Any]] = {
    "users": User, "currencies": Currency, "markets": Market, "wallets": Wallet, "system_accounts": SystemAccount,
    "transfers": Transfer, "postings": Posting, "idempotency_keys": Key, "request_signatures": Signature,
    "outbox": Told, "orders": Order, "commands": Command, "trades": Trade, "batches": Batch, "watermarks": Watermark,
}  # fmt: skip

BORDER_KINDS = {"deposit", "withdrawal", "adjustment"}
TRANSFER_KINDS = {*BORDER_KINDS, "trade", "purchase", "delivery", "refund", "top_up", "exchange"}
POSTING_TYPES = {*BORDER_KINDS, "purchase", "refund", "trade", "fee"}
ACCOUNTS = {"deposits", "withdrawals", "adjustments", "fees", "house", "exchange_payable", "inventory"}
BOOK_STATES = {"open", "partially_filled", "filled", "canceled", "expired"}
PURCHASE_STATES = {"aggregated", "sent", "completed", "refunded"}
COMMAND_KINDS = {
    "place_order", "buy_from_house", "cancel_order", "cancel_all", "reduce_order", "open_market", "change_market",
    "change_rules", "list_price",
}  # fmt: skip
MARKET_STATES = {"opening", "open", "post_only", "cancel_only", "halted", "rejected"}


def _order_state(row: Order) -> bool:
    return row.state in {"pending", "rejected"} | (PURCHASE_STATES if row.kind == "purchase" else BOOK_STATES)


def _order_size(row: Order) -> bool:
    """Lots or an amount of the quote, not both."""
    sizes = [size for size in (row.lots, row.quote_atoms) if size is not None]
    return len(sizes) == 1 and sizes[0] > 0


def _trade_maker(row: Trade) -> bool:
    known = [maker is not None for maker in (row.maker_order_id, row.maker_user_id)]
    return all(known) if row.kind == "book" else not any(known)


Check = Callable[[Any], bool]
CHECKS: Mapping[str, Mapping[str, Check]] = {
    "users": {
        "users_username_form": lambda r: r.username is None or bool(re.fullmatch(r"[a-z0-9_.-]{3,32}", r.username)),
        "users_are_called_something": lambda r: r.username is not None or r.name is not None,
    },
    "currencies": {
        "currencies_code_form": lambda r: bool(re.fullmatch(r"[A-Z0-9]{1,16}", r.code)),
        "currencies_scale": lambda r: 0 <= r.scale <= 8,
    },
    "markets": {
        "markets_symbol_is_the_pair": lambda r: r.symbol == f"{r.base}-{r.quote}",
        "markets_two_assets": lambda r: r.base != r.quote,
        "markets_partition": lambda r: r.partition >= 0,
        "markets_lot_is_whole_atoms": lambda r: 0 < r.lot_base_atoms == r.lot_size * 10**r.base_scale,
        "markets_value_is_whole_atoms": lambda r: (
            0 < r.tick_lot_quote_atoms == r.tick_size * r.lot_size * 10**r.quote_scale
        ),
        "markets_status": lambda r: r.status in MARKET_STATES,
        "markets_fees": lambda r: 0 <= r.maker_fee_bps <= 10_000 and 0 <= r.taker_fee_bps <= 10_000,
        "markets_band": lambda r: r.band_bps >= 0,
        "markets_min_notional": lambda r: r.min_notional_atoms >= 0,
        "markets_house_price": lambda r: r.house_price_ticks is None or r.house_price_ticks > 0,
    },
    "wallets": {
        "wallets_available": lambda r: r.available >= 0,
        "wallets_held": lambda r: r.held >= 0,
        "wallets_pending": lambda r: r.pending >= 0,
    },
    "system_accounts": {"system_accounts_account": lambda r: r.account in ACCOUNTS},
    "transfers": {"transfers_kind": lambda r: r.kind in TRANSFER_KINDS},
    "postings": {
        "postings_amount": lambda r: r.amount != 0,
        "postings_owner": lambda r: (r.account in {"wallet", "pending"}) == (r.user_id is not None),
        "postings_type": lambda r: r.type in POSTING_TYPES if r.account == "wallet" else r.type is None,
    },
    "idempotency_keys": {
        "idempotency_keys_form": lambda r: bool(re.fullmatch(r"[A-Za-z0-9._:/-]{1,64}", r.key)),
        "idempotency_keys_subject": lambda r: r.subject in {"order", "transfer", "user", "command"},
    },
    "request_signatures": {},
    "outbox": {"outbox_kind": lambda r: r.kind in {"account", "admin", "currency", *BORDER_KINDS}},
    "orders": {
        "orders_kind": lambda r: r.kind in {"limit", "market", "purchase"},
        "orders_side": lambda r: r.side in {"buy", "sell"},
        "orders_time_in_force": lambda r: r.time_in_force in {None, "gtc", "ioc", "fok"},
        "orders_self_trade": lambda r: r.self_trade in {None, "expire_taker", "expire_maker", "expire_both"},
        "orders_state": _order_state,
        "orders_size": _order_size,
        "orders_filled": lambda r: 0 <= r.filled_lots <= (r.lots or MOST) and r.filled_quote_atoms >= 0,
        "orders_spent": lambda r: r.quote_atoms is None or r.filled_quote_atoms <= r.quote_atoms,
        "orders_hold": lambda r: 0 <= r.held_remaining <= r.hold_atoms,
        "orders_done_hold_nothing": lambda r: r.held_remaining == 0 or not r.is_done,
    },
    "commands": {
        "commands_kind": lambda r: r.kind in COMMAND_KINDS,
        "commands_number": lambda r: r.number > 0,
        "commands_state": lambda r: r.state in {"pending", "decided"},
        "commands_decided": lambda r: (r.state == "decided") == (r.outcome is not None),
        "commands_place": lambda r: (r.journal_partition is None) == (r.journal_offset is None),
    },
    "trades": {
        "trades_kind": lambda r: r.kind in {"book", "house"},
        "trades_maker": _trade_maker,
        "trades_amounts": lambda r: (
            min(r.price_ticks, r.lots, r.quote_atoms) > 0 and min(r.taker_fee_atoms, r.maker_fee_atoms) >= 0
        ),
        "trades_taker_side": lambda r: r.taker_side in {"buy", "sell"},
    },
    "batches": {
        "batches_state": lambda r: r.state in {"open", "closed", "filled", "failed"},
        "batches_amounts": lambda r: min(r.lots, r.notional_atoms, r.topped_up_atoms) >= 0,
    },
    "watermarks": {},
}
