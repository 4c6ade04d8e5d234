"""Purchases on their way to the outside exchange: the values of `exchange.batches` and `exchange.fills`.

A batch record names the execution that it follows; whoever applies it waits until his books have reached that one.
A fill is what the exchange itself said of a batch, and nothing else settles one.
"""

from collections.abc import Sequence

import msgspec

BATCHES_VERSION = 1
FILLS_VERSION = 1


class Line(msgspec.Struct, frozen=True, gc=False):
    """One purchase of a batch: what it bought of the house, and what it paid."""

    order_id: int
    user_id: int
    lots: int
    base_atoms: int
    quote_atoms: int


class Joined(msgspec.Struct, frozen=True, gc=False, tag="joined"):
    """A small purchase waits in the market's window; `line` is its place in the list, from 1."""

    batch_id: str
    number: int
    line: int
    order: Line


class Closed(msgspec.Struct, frozen=True, gc=False, tag="closed"):
    """A batch is to be bought. Lots and notional are those of the whole of it; the house's own part of them, which
    brings a window to the threshold, is `topped_up_lots`, worth `topped_up_atoms`."""

    batch_id: str
    number: int
    lots: int
    notional_atoms: int
    topped_up_lots: int
    topped_up_atoms: int
    opened_ms: int
    orders: Sequence[Line]


class Dissolved(msgspec.Struct, frozen=True, gc=False, tag="dissolved"):
    """A window grew too old and is not bought: every purchase in it is refunded."""

    batch_id: str
    number: int
    orders: Sequence[Line]


BatchEvent = Joined | Closed | Dissolved


class BatchRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of `exchange.batches`: its place in the market's sequence, the record of `executions` that it answers
    (`partition`, `offset`) and that one's own sequence number (`follows`)."""

    market: str
    seq: int
    partition: int
    offset: int
    time_ms: int
    part: int
    last: bool
    follows: int
    events: Sequence[BatchEvent]


class Filled(msgspec.Struct, frozen=True, gc=False, tag="filled"):
    """The exchange bought `base_atoms`, perhaps less than it was asked for, and charged for them."""

    market: str
    batch_id: str
    exchange: str
    exchange_order_id: str
    base_atoms: int
    charged_asset: str
    charged_atoms: int
    time_ms: int


class Failed(msgspec.Struct, frozen=True, gc=False, tag="failed"):
    """The exchange said that it bought nothing for this batch and never will."""

    market: str
    batch_id: str
    exchange: str
    reason: str
    time_ms: int


Fill = Filled | Failed

_encoder = msgspec.json.Encoder()
_record_decoder: msgspec.json.Decoder[BatchRecord] = msgspec.json.Decoder(BatchRecord)
_fill_decoder: msgspec.json.Decoder[Fill] = msgspec.json.Decoder(Fill)


def encode_batch_record(
    place: tuple[str, int, int, int, int, int, bool], follows: int, events: Sequence[BatchEvent]
) -> bytes:
    """The bytes of a record before it is chained. `place` is its first seven fields."""
    return _encoder.encode(BatchRecord(*place, follows, events))


def decode_batch_record(value: bytes) -> BatchRecord:
    """A record for its readers. Raises `msgspec.DecodeError`."""
    return _record_decoder.decode(value)


def encode_fill(fill: Fill) -> bytes:
    return _encoder.encode(fill)


def decode_fill(value: bytes) -> Fill:
    """The way back. Raises `msgspec.DecodeError`."""
    return _fill_decoder.decode(value)
