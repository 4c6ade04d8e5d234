"""Decides when which view goes out: at once when it is quiet, a few times a second under load, again when it is lost.

Deltas go out at most every 20 ms, whole books less often and never for more than a small part of the time. What is
said is `telling.py`'s, how it gets there `store.py`'s.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from agents.marketdata import telling
from agents.marketdata.store import Message, Value, ViewStore
from agents.marketdata.view import View
from runtime.redis import UNWELL
from schemas.views import (
    HEAD_BYTES,
    CandleView,
    Ticker,
    book_key,
    candles_channel,
    depth_channel,
    encode_view,
    seq_of,
    ticker_key,
    trades_channel,
)

DELTA_SECONDS = 0.02
BOOK_SECONDS = 0.2
BOOK_SHARE = 0.05
HEAL_SECONDS = 0.5
AGAIN_SECONDS = 0.2
MOST_CANDLES = 10_000
PATIENCE = 6
"""So many looks at a newer view in Redis than ours, and it is from another history: ours takes its place."""
log = logging.getLogger(__name__)


@dataclasses.dataclass(slots=True)
class Shown:
    """What is out of one view."""

    view: View
    book_seq: int = -1
    book_due: float = 0.0
    book_head: bytes = b""
    ticker: Ticker | None = None
    ticker_head: bytes = b""
    ahead: int = 0

    def forget(self) -> None:
        """Redis may have nothing of it."""
        self.book_seq, self.book_due, self.ticker = -1, 0.0, None


class Publisher:
    """One task per process. `views` are those of the partitions that this process has and keeps up with, by market."""

    def __init__(self, store: ViewStore, views: Callable[[], Mapping[str, View]]) -> None:
        self._store = store
        self._views = views
        self._shown: dict[str, Shown] = {}
        self._touched: set[str] = set()
        self._candles: dict[tuple[str, str], CandleView] = {}
        self._wake = asyncio.Event()
        self._healed = 0.0
        self._is_away = False

    def touch(self, market: str) -> None:
        """This market has seen an execution."""
        self._touched.add(market)
        self._wake.set()

    def tell_candles(self, candles: Sequence[CandleView]) -> None:
        """These candles have changed; what is not yet told of the same candle need not be told any more."""
        if len(self._candles) > MOST_CANDLES:
            self._candles.clear()
        self._candles |= {(candles_channel(one.market, one.interval), one.open_time): one for one in candles}
        self._wake.set()

    async def run(self) -> None:
        """For ever. Redis may come and go."""
        while True:
            try:
                await self._pass()
                if self._is_away:
                    self._is_away = False
                    log.info("the views are in Redis again")
                await asyncio.sleep(DELTA_SECONDS)
            except UNWELL as error:
                if not self._is_away:
                    self._is_away = True
                    log.warning("the views do not reach Redis: %r", error)
                self._forget_all()
                await asyncio.sleep(AGAIN_SECONDS)

    def _forget_all(self) -> None:
        for shown in self._shown.values():
            shown.forget()
        self._touched.update(self._shown)
        self._wake.set()

    async def _pass(self) -> None:
        """Waits until something is to be said, and says it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAL_SECONDS if not self._touched else BOOK_SECONDS / 4):
                await self._wake.wait()
        self._wake.clear()
        views = self._views()
        await self._tell(views, self._touched)
        if self._now() - self._healed >= HEAL_SECONDS:
            self._healed = self._now()
            await self._heal(views)

    async def _tell(self, views: Mapping[str, View], markets: set[str]) -> None:
        values: list[Value] = []
        messages: list[Message] = []
        later: set[str] = set()
        for market in markets:
            view = views.get(market)
            if view is None or view.units is None:
                continue  # not ours, not yet caught up (the next look at all of them finds it), or never opened
            if not view.whole:
                later.add(market)
                continue
            shown = self._of(view)
            if view.told_seq != view.seq:
                messages.append(Message(depth_channel(market), encode_view(telling.delta(view))))
            if view.untold:
                messages.append(Message(trades_channel(market), encode_view(telling.trades(view))))
            if shown.book_seq != view.seq:
                if self._now() >= shown.book_due:
                    self._show(shown, values, messages)
                else:
                    later.add(market)
        self._touched = later
        messages += [Message(channel, encode_view(candle)) for (channel, _), candle in self._candles.items()]
        self._candles.clear()
        if values or messages:
            await self._store.write(values, messages)

    def _of(self, view: View) -> Shown:
        shown = self._shown.get(view.market)
        if shown is None or shown.view is not view:
            shown = self._shown[view.market] = Shown(view)
        return shown

    def _show(self, shown: Shown, values: list[Value], messages: list[Message]) -> None:
        """The whole book, and the ticker if it says something new."""
        began = time.perf_counter()
        view, force = shown.view, shown.ahead >= PATIENCE
        data = encode_view(telling.book(view))
        values.append(Value(book_key(view.market), view.seq, data, force))
        shown.book_seq, shown.book_head, shown.ahead = view.seq, data[:HEAD_BYTES], 0
        self._show_ticker(shown, values, messages, force=force)
        shown.book_due = self._now() + max(BOOK_SECONDS, (time.perf_counter() - began) / BOOK_SHARE)

    def _show_ticker(self, shown: Shown, values: list[Value], messages: list[Message], *, force: bool = False) -> None:
        ticker = telling.ticker(shown.view)
        before, shown.ticker = shown.ticker, ticker
        if before is not None and msgspec.structs.replace(before, seq=ticker.seq) == ticker and not force:
            shown.ticker = before
            return
        data = encode_view(ticker)
        shown.ticker_head = data[:HEAD_BYTES]
        values.append(Value(ticker_key(ticker.market), ticker.seq, data, force))
        messages.append(Message(ticker_key(ticker.market), data))

    async def _heal(self, views: Mapping[str, View]) -> None:
        """Looks at every view whether it is there as it was written; forgets those that are not ours any more."""
        self._shown = {market: shown for market, shown in self._shown.items() if views.get(market) is shown.view}
        all_shown = [self._of(view) for view in views.values() if view.units is not None]
        await self._let_minutes_go(all_shown)
        keys = [key(shown.view.market) for shown in all_shown for key in (book_key, ticker_key)]
        heads = iter(await self._store.heads(keys))
        for shown, (book_head, ticker_head) in zip(all_shown, zip(heads, heads, strict=True), strict=True):
            if shown.book_seq == shown.view.seq and (book_head, ticker_head) == (shown.book_head, shown.ticker_head):
                shown.ahead = 0
                continue
            if seq_of(book_head) > shown.view.seq:
                shown.ahead += 1
                if shown.ahead < PATIENCE:
                    continue
                log.error("Redis has %s at %d, ahead of the journal: replaced", shown.view.market, seq_of(book_head))
            if shown.book_seq == shown.view.seq:
                shown.forget()
            self.touch(shown.view.market)

    async def _let_minutes_go(self, all_shown: list[Shown]) -> None:
        """In a market where nothing happens, the last 24 hours go on all the same."""
        now_ms = time.time_ns() // 1_000_000
        values: list[Value] = []
        messages: list[Message] = []
        for shown in all_shown:
            if shown.ticker is not None and shown.view.window.roll(now_ms):
                self._show_ticker(shown, values, messages)
        if values:
            await self._store.write(values, messages)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
