"""The public trade: the values of `trades`, for anybody, in any language. Never changed once written, no user ids.

At least once, in order: whoever keeps the highest `trade_seq` per market drops the repeats with one comparison.
"""

import json
from typing import Annotated, Literal

import msgspec

TRADES_VERSION = 1
DECIMAL = r"^[0-9]+(\.[0-9]+)?$"
CHAIN = "^[0-9a-f]{32}$"
Chain = Annotated[str, msgspec.Meta(pattern=CHAIN)]


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


class PublishedTrade(Trade, frozen=True, gc=False):
    """A record as its readers find it: `chain` is made of `prev_chain` and the bytes before it (docs/JOURNAL.md)."""

    prev_chain: Chain
    chain: Chain


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Trade)


def encode_trade(trade: Trade) -> bytes:
    """The bytes of a record before it is chained."""
    return _encoder.encode(trade)


def decode_trade(value: bytes) -> Trade:
    """A record for its readers. Raises `msgspec.DecodeError`."""
    return _decoder.decode(value)


def contract() -> str:
    """The JSON Schema of a record's value, as a file. A later version may add fields: readers pass over those."""
    record = msgspec.json.schema(PublishedTrade)["$defs"][PublishedTrade.__name__]
    for name in ("price", "amount", "quote_amount"):
        record["properties"][name]["pattern"] = DECIMAL
    for name in ("trade_seq", "time_ms", "partition", "offset"):
        record["properties"][name]["minimum"] = 1 if name == "trade_seq" else 0
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A record of the topic trades, version {TRADES_VERSION} (header v)",
        "type": "object",
        "description": " ".join((Trade.__doc__ or "").split()),
    }
    fields = {"properties": record["properties"], "required": record["required"], "additionalProperties": True}
    return json.dumps({**head, **fields}, indent=2) + "\n"
