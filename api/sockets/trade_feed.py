"""One market's trades for all who follow them, by number and without a gap: what was not heard is read from the books.

The books get a trade a moment later than the feed does; so a gap waits for them, and what came behind it waits as well.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from api.sockets import frames
from api.sockets.feeds import NOTHING, Frames
from schemas.errors import RESUME_TOO_OLD, Refusal
from schemas.views import PublicTrade, decode_trades, encode_view

KEPT = 500
MOST_EARLY = 10_000


class TradeFeed:
    """It begins with the newest trades of the books. `wants_after` asks for those after a number, for `see`."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self._last: int | None = None
        self._last_at_look: int | None = None
        self._is_behind = False
        self._early: dict[int, PublicTrade] = {}
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)

    @property
    def is_ready(self) -> bool:
        return self._last is not None

    @property
    def wants_after(self) -> int | None:
        return self._last if self._early or self._is_behind else None

    def begin(self, trades: Sequence[PublicTrade]) -> Frames:
        """The newest trades of the books, oldest first: from the one after them on, each is told."""
        self._last = trades[-1].trade_seq if trades else 0
        self._kept.extend((trade.trade_seq, self._frame(trade)) for trade in trades)
        return self._take(())

    def hear(self, message: bytes) -> Frames:
        try:
            return self._take(decode_trades(message))
        except msgspec.DecodeError:
            return NOTHING

    def look(self, newest: int) -> None:
        """The number of the newest trade in the books; one that stays ahead of ours was not heard."""
        self._is_behind = self._last is not None and newest > self._last == self._last_at_look
        self._last_at_look = self._last

    def see(self, trades: Sequence[PublicTrade]) -> Frames:
        """Trades of the books, oldest first; maybe not all of them yet."""
        self._is_behind = False
        return self._take(trades)

    def greet(self, since_seq: int | None) -> Frames:
        """Without `since_seq` nothing: what was is to be had over HTTP."""
        assert self._last is not None, "who comes earlier waits"
        if since_seq is None or since_seq >= self._last:
            return NOTHING
        if not self._kept or self._kept[0][0] > since_seq + 1:
            message = f"The trades of {self.channel} after {since_seq} are not kept here; read them over HTTP."
            return (frames.error(Refusal(RESUME_TOO_OLD, message), None, [self.channel]),)
        return [frame for number, frame in self._kept if number > since_seq]

    def _take(self, trades: Sequence[PublicTrade]) -> Frames:
        if len(self._early) > MOST_EARLY:
            self._early.clear()  # the books have them
        self._early |= {trade.trade_seq: trade for trade in trades if trade.trade_seq > (self._last or 0)}
        told = []
        while self._last is not None and (trade := self._early.pop(self._last + 1, None)) is not None:
            self._last = trade.trade_seq
            self._kept.append((self._last, self._frame(trade)))
            told.append(self._kept[-1][1])
        return told

    def _frame(self, trade: PublicTrade) -> bytes:
        return frames.data(self.channel, "event", encode_view(trade))
