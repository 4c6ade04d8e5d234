"""What a run of executions does to the books, as a value: made by the rules, written in one transaction."""

import dataclasses
from collections import defaultdict
from typing import NamedTuple

from ledger.postings import Posting
from schemas.commands import Side
from schemas.results import Result

DONE = frozenset({"filled", "canceled", "rejected", "expired", "completed", "refunded"})


class Mismatch(Exception):  # noqa: N818  -- of the broken family
    """An event cannot have happened to the order that the books know."""


@dataclasses.dataclass(frozen=True, slots=True)
class Assets:
    """What a market trades."""

    base: str
    quote: str


@dataclasses.dataclass(slots=True)
class Order:
    """The part of an order's row that executions change."""

    order_id: int
    user_id: int
    side: Side
    state: str
    lots: int | None
    filled_lots: int
    filled_quote_atoms: int
    held_remaining: int
    reason: str | None = None
    seq: int | None = None
    at_ms: int = 0


@dataclasses.dataclass(slots=True)
class Wallet:
    """How much a wallet's three amounts change."""

    available: int = 0
    held: int = 0
    pending: int = 0


class Trade(NamedTuple):
    """A row of `trades`, and the legs of its transfer."""

    market: str
    seq: int
    trade_seq: int
    kind: str
    price_ticks: int
    lots: int
    quote_atoms: int
    taker_side: Side
    taker_order_id: int
    taker_user_id: int
    taker_fee_atoms: int
    maker_order_id: int | None
    maker_user_id: int | None
    maker_fee_atoms: int
    at_ms: int
    legs: tuple[Posting, ...]


class Decided(NamedTuple):
    """A command that has its outcome, where it lies in the journal, and who waits for it."""

    result: Result
    reply: str
    partition: int
    offset: int
    at_ms: int


@dataclasses.dataclass(slots=True)
class Terms:
    """What of a market's row changes; None stays."""

    seq: int
    status: str | None = None
    maker_fee_bps: int | None = None
    taker_fee_bps: int | None = None
    band_bps: int | None = None
    min_notional_atoms: int | None = None
    house_price_ticks: int | None = None


@dataclasses.dataclass(slots=True)
class Settlement:
    """Everything that one transaction writes."""

    wallets: dict[tuple[int, str], Wallet] = dataclasses.field(default_factory=lambda: defaultdict(Wallet))
    system: dict[tuple[str, str, str], int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    orders: dict[int, Order] = dataclasses.field(default_factory=dict)
    trades: list[Trade] = dataclasses.field(default_factory=list)
    decided: list[Decided] = dataclasses.field(default_factory=list)
    markets: dict[str, Terms] = dataclasses.field(default_factory=dict)
