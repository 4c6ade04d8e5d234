"""The public trade: the values of `trades`, for anybody, in any language. Never changed once written, no user ids.

At least once, in order: whoever keeps the highest `trade_seq` per market drops the repeats with one comparison.
"""

from typing import Literal

import msgspec

TRADES_VERSION = 1


class Trade(msgspec.Struct, frozen=True, gc=False):
    """Two orders met in the book, or the house sold (`kind`). Numbers are exact decimals, as text."""

    market: str
    trade_seq: int
    trade_id: str
    price: str
    amount: str
    quote_amount: str
    taker_side: Literal["buy", "sell"]
    kind: Literal["book", "house"]
    time_ms: int
    partition: int
    offset: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Trade)


def encode_trade(trade: Trade) -> bytes:
    """The bytes of a record before it is chained."""
    return _encoder.encode(trade)


def decode_trade(value: bytes) -> Trade:
    """A record for its readers. Raises `msgspec.DecodeError`."""
    return _decoder.decode(value)
