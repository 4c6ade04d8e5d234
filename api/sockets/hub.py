"""The public channels of this process: one feed per channel, and those who listen to it.

What a subscription loses is found by looking: every feed is shown now and then what is true. So an outage of Redis, a
message that got lost and a restart of the market data agent are one case, and clients see no hole.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from api.database import LOST
from api.sockets.book_feed import BookFeed
from api.sockets.channels import Channel, Kind
from api.sockets.feeds import CandleFeed, Feed, Frames, TickerFeed
from api.sockets.outlet import Outlet, Outlets
from api.sockets.radio import Ear, Radio
from api.sockets.sources import Sources
from api.sockets.trade_feed import KEPT, TradeFeed
from runtime import redis
from schemas.candles import INTERVALS
from schemas.errors import Refusal

TEND_S = 0.02
LOOK_S = 1.0
LINGER_S = 60.0
"""So long a feed stays when nobody listens any more: who was cut off comes back and goes on where he was."""
AGAIN_S = 0.2
AWAY: tuple[type[Exception], ...] = (*redis.UNWELL, *LOST, Refusal)
log = logging.getLogger("api")
F = TypeVar("F", bound=Feed)


@dataclasses.dataclass(slots=True)
class Room:
    """A channel, its feed, who listens, and who waits to be greeted. Nothing is read before it is heard."""

    channel: Channel
    feed: Feed
    listeners: dict[Outlet, None] = dataclasses.field(default_factory=dict)
    waiting: dict[Outlet, int | None] = dataclasses.field(default_factory=dict)
    left_at: float = 0.0
    is_heard: bool = False


class Hub:
    """Public channels are opened when the first one comes, and closed some time after the last one left."""

    def __init__(self, radio: Radio, sources: Sources, outlets: Outlets) -> None:
        self._radio = radio
        self._sources = sources
        self._outlets = outlets
        self._rooms: dict[str, Room] = {}
        self._opened = asyncio.Event()
        self._look_due = 0.0

    def join(self, outlet: Outlet, channel: Channel, since_seq: int | None) -> None:
        room = self._rooms.get(channel.name) or self._open(channel)
        if room.feed.is_ready:
            room.listeners[outlet] = None
            self._outlets.send((outlet,), room.feed.greet(since_seq))
        else:
            room.waiting[outlet] = since_seq
            self._look_due = 0.0

    def leave(self, outlet: Outlet, channel: Channel) -> None:
        room = self._rooms[channel.name]
        room.listeners.pop(outlet, None)
        room.waiting.pop(outlet, None)
        room.left_at = _now()

    def _open(self, channel: Channel) -> Room:
        feeds: dict[Kind, Callable[[str], Feed]] = {
            Kind.ORDERBOOK: BookFeed, Kind.TRADES: TradeFeed, Kind.TICKER: TickerFeed, Kind.CANDLES: CandleFeed,
        }  # fmt: skip
        room = self._rooms[channel.name] = Room(channel, feeds[channel.kind](channel.name))
        self._radio.tune(
            channel.source, Ear(lambda message: self._tell(room, room.feed.hear(message)), lambda: self._began(room))
        )
        self._opened.set()
        return room

    def _close_empty(self) -> None:
        for name, room in list(self._rooms.items()):
            if not room.listeners and not room.waiting and _now() - room.left_at > LINGER_S:
                del self._rooms[name]
                self._radio.leave(room.channel.source)
        if not self._rooms:
            self._opened.clear()

    def _began(self, room: Room) -> None:
        """From here on it is heard; something may have been missed before."""
        room.is_heard = True
        self._look_due = 0.0

    def _tell(self, room: Room, frames: Frames) -> None:
        self._outlets.send(room.listeners, frames)
        if room.waiting and room.feed.is_ready:
            waiting, room.waiting = room.waiting, {}
            for outlet, since_seq in waiting.items():
                room.listeners[outlet] = None
                self._outlets.send((outlet,), room.feed.greet(since_seq))

    async def tend(self) -> None:
        """Reads at once what a feed needs, and shows every feed once in a while what is true."""
        while True:
            await self._opened.wait()
            await self._guarded(self._read_books([room for room in self._of(BookFeed) if room[1].wants_book]))
            await self._guarded(self._read_trades([room for room in self._of(TradeFeed) if _wants(room[1])]))
            if _now() >= self._look_due:
                self._look_due = _now() + LOOK_S
                for look in (self._look_at_books, self._look_at_tickers, self._look_at_trades, self._look_at_candles):
                    await self._guarded(look())
                self._close_empty()
            await asyncio.sleep(TEND_S)

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None]) -> None:
        """A server that is away is asked again soon; the others go on."""
        try:
            await work
        except AWAY as error:
            log.info("sockets: a server behind is away: %s", type(error).__name__)
            await asyncio.sleep(AGAIN_S)

    def _of(self, kind: type[F]) -> list[tuple[Room, F]]:
        return [(room, room.feed) for room in self._rooms.values() if room.is_heard and isinstance(room.feed, kind)]

    async def _read_books(self, rooms: Sequence[tuple[Room, BookFeed]]) -> None:
        if not rooms:
            return
        values = await self._sources.books([room.channel.market for room, _ in rooms])
        for (room, feed), value in zip(rooms, values, strict=True):
            self._tell(room, feed.see(value))

    async def _look_at_books(self) -> None:
        rooms = self._of(BookFeed)
        heads = await self._sources.heads([room.channel.market for room, _ in rooms]) if rooms else ()
        for (_, feed), head in zip(rooms, heads, strict=True):
            feed.look(head)

    async def _read_trades(self, rooms: Sequence[tuple[Room, TradeFeed]]) -> None:
        for room, feed in rooms:
            market, after = room.channel.market, feed.wants_after
            if after is None:
                self._tell(room, feed.begin(await self._sources.last_trades(market, KEPT)))
            else:
                self._tell(room, feed.see(await self._sources.trades_after(market, after, KEPT)))

    async def _look_at_trades(self) -> None:
        rooms = self._of(TradeFeed)
        newest = await self._sources.newest_trades([room.channel.market for room, _ in rooms]) if rooms else {}
        for room, feed in rooms:
            feed.look(newest.get(room.channel.market, 0))

    async def _look_at_tickers(self) -> None:
        rooms = self._of(TickerFeed)
        values = await self._sources.tickers([room.channel.market for room, _ in rooms]) if rooms else ()
        for (room, feed), value in zip(rooms, values, strict=True):
            self._tell(room, feed.look(value))

    async def _look_at_candles(self) -> None:
        rooms = self._of(CandleFeed)
        keys = [(room.channel.market, INTERVALS[room.channel.interval]) for room, _ in rooms]
        newest = await self._sources.newest_candles(keys) if rooms else {}
        for (room, feed), key in zip(rooms, keys, strict=True):
            self._tell(room, feed.look([newest[key]] if key in newest else []))


def _wants(feed: TradeFeed) -> bool:
    return not feed.is_ready or feed.wants_after is not None


def _now() -> float:
    return asyncio.get_running_loop().time()
