"""What the simple channels pass on, the ticker's and the candles': whole values, of which an older one is never told.

Feeds wait for nothing: they hear messages, which may be lost or come again, and are shown now and then what is true.
Their answers are whole frames, for all who listen or, from `greet`, for one who comes.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from api.sockets import frames
from schemas.views import CandleView, decode_candle, decode_ticker, encode_view

Frames = Sequence[bytes]
NOTHING: Frames = ()
PATIENCE = 5
"""So many looks at something older than what was told, with nothing new meanwhile, and it is of another history."""
CANDLES = 3
"""So many candles may still be told again: a run of trades may end one and begin others."""


class Feed(Protocol):
    """One channel's stream."""

    @property
    def is_ready(self) -> bool:
        """Whether it knows enough to greet; until then those who come wait."""
        ...

    def hear(self, message: bytes) -> Frames:
        """A message of the market data agent."""
        ...

    def greet(self, since_seq: int | None) -> Frames:
        """What one is told who joins now; from then on he hears what all hear."""
        ...


class TickerFeed:
    """The newest ticker, whole; there is one in Redis to look at."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._value = b""
        self._seq = -1
        self._older = 0

    @property
    def is_ready(self) -> bool:
        return bool(self._value)

    def hear(self, message: bytes) -> Frames:
        seq = _seq_of_ticker(message)
        if seq is None or seq < self._seq or message == self._value:
            return NOTHING
        return self._tell(seq, message)

    def look(self, value: bytes | None) -> Frames:
        """The value that is in Redis. One that stays older is of a journal that was set up anew."""
        seq = None if value is None else _seq_of_ticker(value)
        if value is None or seq is None or value == self._value:
            return NOTHING
        self._older = self._older + 1 if seq < self._seq else 0
        return NOTHING if 0 < self._older < PATIENCE else self._tell(seq, value)

    def greet(self, since_seq: int | None) -> Frames:  # noqa: ARG002  # the newest is all there is
        return (frames.data(self._channel, "snapshot", self._value),)

    def _tell(self, seq: int, value: bytes) -> Frames:
        self._seq, self._value, self._older = seq, value, 0
        return (frames.data(self._channel, "event", value),)


class CandleFeed:
    """The candle that is being made, whole after each change; the books have it to look at."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._trades: dict[str, int] = {}
        self._newest = b""
        self.is_ready = False

    def hear(self, message: bytes) -> Frames:
        try:
            candle = decode_candle(message)
        except msgspec.DecodeError:
            return NOTHING
        return self._tell(candle, message)

    def look(self, candles: Sequence[CandleView]) -> Frames:
        """The newest candles of the books, oldest first."""
        self.is_ready = True
        return [frame for candle in candles for frame in self._tell(candle, encode_view(candle))]

    def greet(self, since_seq: int | None) -> Frames:  # noqa: ARG002  # as above
        return (frames.data(self._channel, "snapshot", self._newest),) if self._newest else NOTHING

    def _tell(self, candle: CandleView, value: bytes) -> Frames:
        """Times are written so that their text sorts as they do; `trades` rises with every change."""
        known = self._trades
        if candle.trades <= known.get(candle.open_time, 0) or (known and candle.open_time < min(known)):
            return NOTHING
        known[candle.open_time] = candle.trades
        if candle.open_time == max(known):
            self._newest = value
        if len(known) > CANDLES:
            del known[min(known)]
        return (frames.data(self._channel, "event", value),)


def _seq_of_ticker(value: bytes) -> int | None:
    """A value that nobody of ours has written has none."""
    try:
        return decode_ticker(value).seq
    except msgspec.DecodeError:
        return None
