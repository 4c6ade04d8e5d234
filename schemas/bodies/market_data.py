"""The public view of a market: order book, trades, ticker and candles."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.bodies.fields import Answer, DecimalText, Moment, Query

MAX_DEPTH = 1000
MAX_SEQ = (1 << 63) - 1
Price = DecimalText
Amount = DecimalText


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
