"""What became of a command: the values of `executions`, as JSON objects that a person can read.

Events are facts in the past tense, and carry all that the books need to follow them: who pays what, what each side
gets, the fee in the asset received, what is left of the order, and how much of its hold goes back.
"""

import enum
from collections.abc import Sequence

import msgspec

from schemas.commands import COMMAND_TYPES, Command, Side, Status, Tick

EXECUTIONS_VERSION = 1


class Reject(enum.StrEnum):
    """Why the engine said no, in order of precedence: the first that applies is the answer."""

    TOO_LATE = "too_late"
    UNKNOWN_MARKET = "unknown_market"
    ALREADY_OPEN = "already_open"
    INVALID_MARKET = "invalid_market"
    DUPLICATE_ORDER = "duplicate_order"
    MARKET_HALTED = "market_halted"
    MARKET_CANCEL_ONLY = "market_cancel_only"
    MARKET_POST_ONLY = "market_post_only"
    INVALID_ORDER = "invalid_order"
    INVALID_AMOUNT = "invalid_amount"
    NO_PRICE = "no_price"
    INVALID_PRICE = "invalid_price"
    OUTSIDE_BAND = "outside_band"
    TOO_LARGE = "too_large"
    HOLD_MISMATCH = "hold_mismatch"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    PRICE_CHANGED = "price_changed"
    WOULD_TAKE = "would_take"
    UNKNOWN_ORDER = "unknown_order"
    NOT_ABOVE_FILLED = "not_above_filled"
    NOT_SMALLER = "not_smaller"


class Expiry(enum.StrEnum):
    """Why an order, or the rest of it, expired."""

    WOULD_NOT_FILL = "would_not_fill"
    SELF_TRADE = "self_trade"
    UNFILLED = "unfilled"
    BELOW_ONE_LOT = "below_one_lot"


class Rested(msgspec.Struct, frozen=True, gc=False, tag="rested"):
    """The order, or what did not trade of it, waits in the book; its hold stays."""

    order_id: int
    user_id: int
    side: Side
    price_ticks: int
    lots: int


class Traded(msgspec.Struct, frozen=True, gc=False, tag="traded"):
    """Two orders met. The buyer pays `quote_atoms` and gets `base_atoms`, the seller the other way, each less the fee.

    A maker or taker with 0 lots left is filled. A taker by quote amount has no lots left to speak of (null): `Filled`
    or `Expired` follows. `taker_released_atoms` is what a buyer had held for a worse price.
    """

    trade_seq: int
    price_ticks: int
    lots: int
    base_atoms: int
    quote_atoms: int
    taker_side: Side
    maker_order_id: int
    maker_user_id: int
    maker_fee_atoms: int
    maker_left_lots: int
    taker_order_id: int
    taker_user_id: int
    taker_fee_atoms: int
    taker_left_lots: int | None
    taker_released_atoms: int


class Filled(msgspec.Struct, frozen=True, gc=False, tag="filled"):
    """A market buy by quote amount has spent all that buys a whole lot; the rest of its hold goes back."""

    order_id: int
    user_id: int
    released_atoms: int


class Canceled(msgspec.Struct, frozen=True, gc=False, tag="canceled"):
    """A resting order left the book because its user wished so."""

    order_id: int
    user_id: int
    side: Side
    price_ticks: int
    lots: int
    released_atoms: int


class AllCanceled(msgspec.Struct, frozen=True, gc=False, tag="all_canceled"):
    """All resting orders of a user left the book; each was told before."""

    user_id: int
    orders: int


class Reduced(msgspec.Struct, frozen=True, gc=False, tag="reduced"):
    """A resting order became smaller in its place: `lots` went, `left_lots` rest, `total_lots` is its new size."""

    order_id: int
    user_id: int
    side: Side
    price_ticks: int
    lots: int
    left_lots: int
    total_lots: int
    released_atoms: int


class Expired(msgspec.Struct, frozen=True, gc=False, tag="expired"):
    """The exchange's rules ended an order. `was_resting` tells a maker, whose lots left the book, from a taker."""

    order_id: int
    user_id: int
    side: Side
    price_ticks: int
    lots: int | None
    released_atoms: int
    reason: Expiry
    was_resting: bool


class Rejected(msgspec.Struct, frozen=True, gc=False, tag="rejected"):
    """An order never entered; its whole hold goes back. It concerns only an order that is still pending."""

    order_id: int
    user_id: int
    released_atoms: int
    reason: Reject


class Declined(msgspec.Struct, frozen=True, gc=False, tag="declined"):
    """A command that is not an order was refused; nothing changed."""

    command_id: int
    order_id: int | None
    reason: Reject


class HouseFilled(msgspec.Struct, frozen=True, gc=False, tag="house_filled"):
    """The house sold at its listed price, without a fee; what was held for a higher price goes back."""

    trade_seq: int
    order_id: int
    user_id: int
    price_ticks: int
    lots: int
    base_atoms: int
    quote_atoms: int
    released_atoms: int


class MarketOpened(msgspec.Struct, frozen=True, gc=False, tag="market_opened"):
    """A market began, with these terms. A lot is worth `lot_base_atoms`, a tick times a lot `tick_lot_quote_atoms`."""

    market: str
    base: str
    quote: str
    base_scale: int
    quote_scale: int
    tick_size: str
    lot_size: str
    lot_base_atoms: int
    tick_lot_quote_atoms: int
    status: Status
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int
    rules_version: int


class MarketChanged(msgspec.Struct, frozen=True, gc=False, tag="market_changed"):
    """The terms that may change, as they are from here on."""

    status: Status
    maker_fee_bps: int
    taker_fee_bps: int
    band_bps: int
    min_notional_atoms: int


class RulesChanged(msgspec.Struct, frozen=True, gc=False, tag="rules_changed"):
    """From here on the market follows this version of the rules."""

    rules_version: int


class PriceListed(msgspec.Struct, frozen=True, gc=False, tag="price_listed"):
    """From here on the house sells at this price."""

    price_ticks: int


class Ticked(msgspec.Struct, frozen=True, gc=False, tag="ticked"):
    """The market saw the time."""

    now_ms: int


class Ignored(msgspec.Struct, frozen=True, gc=False, tag="ignored"):
    """A repeat of a command that was decided before; nothing happened."""

    command_id: int
    number: int


class Parked(msgspec.Struct, frozen=True, gc=False, tag="parked"):
    """A command whose number lies too far ahead; it is still undecided, and the record is to be put aside."""

    command_id: int
    number: int


Event = (
    Rested | Traded | Filled | Canceled | AllCanceled | Reduced | Expired | Rejected | Declined | HouseFilled
    | MarketOpened | MarketChanged | RulesChanged | PriceListed | Ticked | Ignored | Parked
)  # fmt: skip


class Execution(msgspec.Struct, frozen=True, gc=False):
    """One record: its place in the market and in the journal, the command that it answers, and the events.

    `command` is the command's type, `reply` where its sender waits; a record that answers no command has none.
    """

    market: str
    seq: int
    partition: int
    offset: int
    time_ms: int
    part: int
    last: bool
    command: str | None
    command_id: int | None
    reply: str
    events: Sequence[Event]


class ChainedExecution(Execution, frozen=True, gc=False):
    """A record as readers find it: its writer put the chain behind."""

    prev_chain: str
    chain: str


_encoder = msgspec.json.Encoder()
_events_decoder: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[Event])
_decoder: msgspec.json.Decoder[ChainedExecution] = msgspec.json.Decoder(ChainedExecution)


def encode_execution(
    place: tuple[str, int, int, int, int, int, bool], command: Command | None, events: Sequence[Event]
) -> bytes:
    """The bytes of a record before it is chained. `place` is the first seven fields; the same gives the same bytes."""
    market, seq, partition, offset, time_ms, part, last = place
    kind: str | None
    command_id: int | None
    if command is None:
        kind, command_id, reply = None, None, ""
    elif type(command) is Tick:
        kind, command_id, reply = "tick", None, ""
    else:
        kind, command_id, reply = COMMAND_TYPES[type(command)], command.command_id, command.reply
    return _encoder.encode(
        Execution(market, seq, partition, offset, time_ms, part, last, kind, command_id, reply, events)
    )


def decode_execution(value: bytes) -> ChainedExecution:
    """A record for its readers, who pass over fields that they do not know. Raises `msgspec.DecodeError`."""
    return _decoder.decode(value)


def encode_events(events: Sequence[Event]) -> bytes:
    """Events alone, as a JSON array."""
    return _encoder.encode(events)


def decode_events(value: bytes) -> list[Event]:
    """The way back."""
    return _events_decoder.decode(value)
