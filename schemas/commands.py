"""What may be asked of a market: the values of `orders.commands`, as JSON objects that a person can read.

A command is an order given, not a fact. The engine takes these very classes, so nothing is written twice. Decoding
checks types only; whether the numbers make sense is for the engine to say, because it must answer and never stop. Who
gave a command and who placed an order for another are said for the books alone, which can be made again from here.
"""

from typing import Annotated, Final, Literal, final, get_args

import msgspec

COMMANDS_VERSION = 1
RULES_VERSIONS: Final = frozenset({1})
"""The versions of a market's rules that this release has; the journal keeps which one a market follows."""

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

Side = Literal["buy", "sell"]
Kind = Literal["limit", "market"]
TimeInForce = Literal["gtc", "ioc", "fok"]
SelfTrade = Literal["expire_taker", "expire_maker", "expire_both"]
Status = Literal["open", "post_only", "cancel_only", "halted"]


class Hold(msgspec.Struct, frozen=True, gc=False):
    """The money set aside for an order before it was journaled."""

    asset: str
    atoms: Whole


class Given(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Of every command but a tick: its market, its number there, and the instance of the API that waits for it."""

    market: str
    command_id: Id
    number: Id
    reply: str = ""


class Ordered(Given, frozen=True, gc=False, kw_only=True):
    """Of every new order: whose it is, what was set aside for it, and what the books need to know it again."""

    order_id: Id
    user_id: Id
    hold: Hold
    placed_by: Id | None = None
    client_order_id: str = ""
    body_digest: str = ""


class PlaceOrder(Ordered, frozen=True, gc=False, tag="place_order", kw_only=True):
    """Buy or sell in the book. `lots`, or for a market buy `quote_atoms`; a market order's price is a protection."""

    side: Side
    kind: Kind
    lots: Whole | None = None
    quote_atoms: Whole | None = None
    price_ticks: Whole | None = None
    time_in_force: TimeInForce = "gtc"
    post_only: bool = False
    self_trade: SelfTrade = "expire_taker"


class BuyFromHouse(Ordered, frozen=True, gc=False, tag="buy_from_house", kw_only=True):
    """A purchase at the house's listed price; `price_ticks` is the price that the buyer was shown."""

    lots: Whole
    price_ticks: Whole


class CancelOrder(Given, frozen=True, gc=False, tag="cancel_order", kw_only=True):
    """Take one resting order of this user out of the book."""

    order_id: Id
    user_id: Id


class CancelAll(Given, frozen=True, gc=False, tag="cancel_all", kw_only=True):
    """Take all resting orders of this user out of the book."""

    user_id: Id


class ReduceOrder(Given, frozen=True, gc=False, tag="reduce_order", kw_only=True):
    """Make a resting order smaller in its place: `lots` is the new total, what has traded included.

    `user_id` is the order's owner, `placed_by` whoever asks for him. With the key under which it was asked for and
    the digest of that body, if it was under one.
    """

    order_id: Id
    user_id: Id
    lots: Whole
    placed_by: Id | None = None
    key: str | None = None
    body_digest: str | None = None


class OpenMarket(Given, frozen=True, gc=False, tag="open_market", kw_only=True):
    """Create a market. Scales, tick and lot (decimal text) are fixed for life."""

    base: str
    quote: str
    base_scale: Whole
    quote_scale: Whole
    tick_size: str
    lot_size: str
    status: Status = "open"
    maker_fee_bps: Whole = 0
    taker_fee_bps: Whole = 0
    band_bps: Whole = 0
    min_notional_atoms: Whole = 0
    rules_version: Whole = 1
    user_id: Id | None = None


class ChangeMarket(Given, frozen=True, gc=False, tag="change_market", kw_only=True):
    """Change what may change in a market; what is absent or null stays as it is. A band of 0 is no band."""

    status: Status | None = None
    maker_fee_bps: Whole | None = None
    taker_fee_bps: Whole | None = None
    band_bps: Whole | None = None
    min_notional_atoms: Whole | None = None
    user_id: Id | None = None


class ChangeRules(Given, frozen=True, gc=False, tag="change_rules", kw_only=True):
    """From here on the market follows another version of the rules."""

    rules_version: Whole
    user_id: Id | None = None


class ListPrice(Given, frozen=True, gc=False, tag="list_price", kw_only=True):
    """The price at which the house sells from here on."""

    price_ticks: Whole
    user_id: Id | None = None


@final
class Tick(msgspec.Struct, frozen=True, gc=False, tag="tick", kw_only=True):
    """Let the market see what time it is; doubles are harmless, so it has no number."""

    market: str


OrderCommand = PlaceOrder | BuyFromHouse
Numbered = (
    PlaceOrder | BuyFromHouse | CancelOrder | CancelAll | ReduceOrder
    | OpenMarket | ChangeMarket | ChangeRules | ListPrice
)  # fmt: skip
Command = Numbered | Tick
COMMAND_TYPES: dict[type[Command], str] = {kind: str(kind.__struct_config__.tag) for kind in get_args(Command)}


@final
class Undecodable(msgspec.Struct, frozen=True):
    """A record that is not a command, and why: a value, because the reader parks it and goes on."""

    reason: str


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode_command(command: Command) -> bytes:
    """The bytes of one record on `orders.commands`."""
    return _encoder.encode(command)


def decode_command(value: bytes | None, version: int = COMMANDS_VERSION) -> Command | Undecodable:
    """Whatever bytes come, a command or the reason why they are none."""
    if version != COMMANDS_VERSION:
        return Undecodable(f"schema version {version} is not known, only {COMMANDS_VERSION}")
    if value is None:
        return Undecodable("the record has no value")
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Undecodable(str(error))
