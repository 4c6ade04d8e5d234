"""The public view of a market: order book, trades, ticker and candles."""

import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from schemas.bodies.fields import Answer, DecimalText, Moment, Query, rule
from schemas.bodies.pages import PageQuery
from schemas.times import epoch_ms

MAX_DEPTH = 1000
MAX_SEQ = (1 << 63) - 1
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
Price = DecimalText
Amount = DecimalText


def _time_ms(value: Any) -> int | None:
    """Milliseconds since 1970, from the same as text or from an RFC 3339 time; nothing is no bound."""
    text = str(value)
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 16:
        return min(int(text), LAST_MS)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise rule("must be a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970.")
    return max(0, epoch_ms(moment))


TimeMs = Annotated[
    int | None,
    PlainValidator(_time_ms),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "minimum": 0}]}),
]


class OrderBookQuery(Query):
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)] = 50
    min_seq: Annotated[int, Field(ge=0, le=MAX_SEQ)] = 0


class OrderBook(Answer):
    """Best first; `seq` is the market's execution sequence."""

    market: str
    seq: int
    bids: list[tuple[Price, Amount]]
    asks: list[tuple[Price, Amount]]
    at: Moment


class MarketTrade(Answer):
    trade_id: str
    kind: Literal["book", "house"]
    price: DecimalText
    amount: DecimalText
    taker_side: Literal["buy", "sell"]
    at: Moment


class Ticker(Answer):
    """The last 24 hours of trades in the book; what there is none of is null."""

    last: DecimalText | None
    open: DecimalText | None
    high: DecimalText | None
    low: DecimalText | None
    volume: DecimalText
    quote_volume: DecimalText
    change_percent: DecimalText | None
    bid: DecimalText | None
    ask: DecimalText | None


class CandlesQuery(PageQuery):
    """Candles that opened at `from` or later, and before `to`."""

    interval: Literal["1s", "1m", "5m", "15m", "1h", "4h", "1d"] = "1m"
    from_: Annotated[TimeMs, Field(alias="from")] = None
    to: TimeMs = None


class Candle(Answer):
    open_time: Moment
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    volume: DecimalText
    trades: int
