"""One market's book for all who follow it: a snapshot at any moment, and deltas that join it without hole or repeat.

The feed is itself a client of the deltas. It has the book that its clients have, proves it by the checksum of every
delta, and begins anew from the book in Redis when it sees a hole, a wrong sum, or another history.
"""

import logging
from collections import deque

import msgspec

from api.sockets import frames
from api.sockets.feeds import NOTHING, PATIENCE, Frames
from api.sockets.levels import Levels
from runtime.telemetry import metrics
from schemas.views import Book, Delta, checksum_of, decode_book, decode_delta, encode_view, seq_of

MOST_EARLY = 1_000
KEPT = 1_000
KEPT_BYTES = 1 << 20
log = logging.getLogger("api")


class BookFeed:
    """`wants_book` asks for the whole book in Redis, to be given to `see`."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.wants_book = True
        self.restarts = 0
        self._levels: Levels | None = None
        self._last = Book("", 0, "", 0, (), ())
        """Everything of the last delta or snapshot but its levels."""
        self._early: deque[Delta] = deque(maxlen=MOST_EARLY)
        self._kept: deque[tuple[Delta, bytes]] = deque()
        self._kept_bytes = 0
        self._snapshot = b""
        self._seq_at_look = self._odd_looks = 0

    @property
    def seq(self) -> int:
        return self._last.seq

    @property
    def is_ready(self) -> bool:
        return self._levels is not None

    def hear(self, message: bytes) -> Frames:
        try:
            delta = decode_delta(message)
        except msgspec.DecodeError:
            return NOTHING
        if self._levels is None:
            self._early.append(delta)
            return NOTHING
        return self._take(self._levels, delta, message)

    def look(self, head: bytes) -> None:
        """The first bytes of the book in Redis. What stays different from ours, with no delta meanwhile, is right."""
        is_still = self.seq == self._seq_at_look
        self._seq_at_look = self.seq
        if self._levels is None or (seq := seq_of(head)) < 0:
            return
        is_same = (seq, checksum_of(head)) == (self.seq, self._last.checksum)
        self._odd_looks = self._odd_looks + 1 if is_still and not is_same else 0
        if self._odd_looks >= (2 if seq >= self.seq else PATIENCE):
            self._begin_anew(f"Redis has it at {seq}, and no delta comes")

    def see(self, value: bytes | None) -> Frames:
        """The whole book in Redis; a snapshot for all when the deltas that are waiting join it."""
        try:
            book = None if value is None else decode_book(value)
        except msgspec.DecodeError:
            book = None
        if book is None or not self._joins(book):
            return NOTHING
        levels = Levels(book.bids, book.asks)
        if levels.checksum() != book.checksum:
            log.error("%s: the book in Redis contradicts its own checksum", self.channel)
            return NOTHING
        self.wants_book, self._odd_looks = False, 0
        self._levels, self._last = levels, msgspec.structs.replace(book, bids=(), asks=())
        early, self._early = self._early, deque(maxlen=MOST_EARLY)
        while early and self.is_ready:
            self._take(levels, early.popleft(), b"")
        self._early.extend(early)
        return (self._whole(),) if self.is_ready else NOTHING

    def greet(self, since_seq: int | None) -> Frames:
        """What was missed since then, when all of it is kept; else the whole book."""
        missed = self._missed(since_seq) if since_seq is not None else None
        return (self._whole(),) if missed is None else missed

    def _joins(self, book: Book) -> bool:
        """Whether no delta is missing between the book and the oldest that waits; older ones do not matter."""
        while self._early and self._early[0].last_seq <= book.seq:
            self._early.popleft()
        return not self._early or self._early[0].first_seq <= book.seq + 1

    def _take(self, levels: Levels, delta: Delta, message: bytes) -> Frames:
        if delta.last_seq <= self.seq:
            return NOTHING
        if delta.first_seq > self.seq + 1:
            self._begin_anew(f"{self.seq + 1} to {delta.first_seq - 1} are missing")
            self._early.append(delta)
            return NOTHING
        if delta.first_seq <= self.seq or not message:
            delta, message = _from(delta, self.seq + 1)
        levels.apply(delta.bids, delta.asks)
        if levels.checksum() != delta.checksum:
            log.error("%s: the book after %d has another checksum", self.channel, delta.last_seq)
            self._begin_anew("the checksum is another one")
            return NOTHING
        self._last = Book(delta.market, delta.last_seq, delta.at, delta.checksum, (), ())
        self._snapshot = b""
        self._keep(delta, message)
        return (frames.data(self.channel, "delta", message),)

    def _begin_anew(self, why: str) -> None:
        log.info("%s is read anew: %s", self.channel, why)
        self._levels, self.wants_book = None, True
        self.restarts += 1
        metrics.SOCKET_RESTARTS.inc()
        self._kept.clear()
        self._kept_bytes = self._odd_looks = 0
        self._snapshot = b""

    def _whole(self) -> bytes:
        """Encoded once, however many come at this moment."""
        if not self._snapshot:
            assert self._levels is not None, "there is a book"
            book = msgspec.structs.replace(self._last, bids=list(self._levels.bids), asks=list(self._levels.asks))
            self._snapshot = frames.data(self.channel, "snapshot", encode_view(book))
        return self._snapshot

    def _keep(self, delta: Delta, message: bytes) -> None:
        self._kept.append((delta, message))
        self._kept_bytes += len(message)
        while len(self._kept) > KEPT or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft()[1])

    def _missed(self, since_seq: int) -> Frames | None:
        """The deltas after this seq, the first one cut to begin right there; None when they are not all kept."""
        if since_seq == self.seq:
            return NOTHING
        missed = [kept for kept in self._kept if kept[0].last_seq > since_seq]
        if not missed or missed[0][0].first_seq > since_seq + 1:
            return None
        first = missed[0] if missed[0][0].first_seq == since_seq + 1 else _from(missed[0][0], since_seq + 1)
        return [frames.data(self.channel, "delta", message) for _, message in (first, *missed[1:])]


def _from(delta: Delta, first_seq: int) -> tuple[Delta, bytes]:
    """The same delta from a later execution on: its amounts are absolute, so it holds from there as well."""
    cut = msgspec.structs.replace(delta, first_seq=max(first_seq, delta.first_seq))
    return cut, encode_view(cut)
