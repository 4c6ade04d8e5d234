"""What market data says over Redis, between its agent and whoever reads: keys, channels and JSON values.

Keys hold a whole view, replaced at once: `book:M`, `ticker:M`. Channels carry what changed: `depth:M`, `trades:M`,
`ticker:M`, `candles:M:1m`. All of it may vanish and comes back; numbers are decimal text. docs/MARKETDATA.md tells how
a reader joins them.
"""

import re
from collections.abc import Sequence

import msgspec

from schemas.candles import NAMES, Candle
from schemas.money import MarketUnits
from schemas.times import from_epoch_ms, text

Level = tuple[str, str]
"""Price and amount."""
HEAD_BYTES = 160
"""So many bytes of a book's value tell which one it is: market, seq, time and checksum stand first."""
_SEQ = re.compile(rb'\{"market":"[^"]*","seq":([0-9]+),')
_CHECKSUM = re.compile(rb'"checksum":([0-9]+),')


class Book(msgspec.Struct, frozen=True):
    """All levels after the market's execution `seq`, best first; `at` is that execution's time."""

    market: str
    seq: int
    at: str
    checksum: int
    bids: Sequence[Level]
    asks: Sequence[Level]


class Delta(msgspec.Struct, frozen=True):
    """What the executions from `first_seq` to `last_seq` made of the book: amounts as they are now, "0" for none.

    It may be applied to any book whose seq is at least `first_seq - 1` and below `last_seq`.
    """

    market: str
    first_seq: int
    last_seq: int
    at: str
    checksum: int
    bids: Sequence[Level]
    asks: Sequence[Level]


class PublicTrade(msgspec.Struct, frozen=True):
    """A trade as the public feed tells it; `trade_seq` is gapless per market and drops repeats."""

    trade_id: str
    trade_seq: int
    seq: int
    kind: str
    price: str
    amount: str
    taker_side: str
    at: str


class Ticker(msgspec.Struct, frozen=True):
    """The last 24 hours of trades in the book, and the best prices now; what there is none of is null."""

    market: str
    seq: int
    last: str | None
    open: str | None
    high: str | None
    low: str | None
    volume: str
    quote_volume: str
    change_percent: str | None
    bid: str | None
    ask: str | None


class CandleView(msgspec.Struct, frozen=True):
    """One candle as it is now; `trades` rises with every change of it."""

    market: str
    interval: str
    open_time: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    trades: int


LISTINGS = "listings"
"""The key of the copy of currencies, markets and house prices."""


def candle_view(candle: Candle, units: MarketUnits) -> CandleView:
    """The candle in the words that others read."""
    return CandleView(
        market=candle.market,
        interval=NAMES[candle.interval_s],
        open_time=text(from_epoch_ms(candle.open_ms)),
        open=units.price_text(candle.open_ticks),
        high=units.price_text(candle.high_ticks),
        low=units.price_text(candle.low_ticks),
        close=units.price_text(candle.close_ticks),
        volume=units.lots_text(candle.lots),
        trades=candle.trades,
    )


def book_key(market: str) -> str:
    return f"book:{market}"


def depth_channel(market: str) -> str:
    return f"depth:{market}"


def trades_channel(market: str) -> str:
    return f"trades:{market}"


def ticker_key(market: str) -> str:
    """The key of the value and the name of the channel."""
    return f"ticker:{market}"


def candles_channel(market: str, interval: str) -> str:
    return f"candles:{market}:{interval}"


_encoder = msgspec.json.Encoder()
_book_decoder = msgspec.json.Decoder(Book)
_delta_decoder = msgspec.json.Decoder(Delta)
_trades_decoder: msgspec.json.Decoder[list[PublicTrade]] = msgspec.json.Decoder(list[PublicTrade])
_ticker_decoder = msgspec.json.Decoder(Ticker)
_candle_decoder = msgspec.json.Decoder(CandleView)


def encode_view(view: Book | Delta | Ticker | CandleView | PublicTrade | Sequence[PublicTrade]) -> bytes:
    return _encoder.encode(view)


def decode_book(value: bytes) -> Book:
    """Raises `msgspec.DecodeError`, as the others do."""
    return _book_decoder.decode(value)


def decode_delta(value: bytes) -> Delta:
    return _delta_decoder.decode(value)


def decode_trades(value: bytes) -> list[PublicTrade]:
    return _trades_decoder.decode(value)


def decode_candle(value: bytes) -> CandleView:
    return _candle_decoder.decode(value)


def decode_ticker(value: bytes) -> Ticker:
    return _ticker_decoder.decode(value)


def seq_of(head: bytes) -> int:
    """The seq that stands in the first bytes of a book's value; -1 when this is no book."""
    match = _SEQ.match(head)
    return int(match[1]) if match else -1


def checksum_of(head: bytes) -> int:
    """The checksum that stands there, too; -1 when this is no book."""
    match = _CHECKSUM.search(head)
    return int(match[1]) if match else -1
