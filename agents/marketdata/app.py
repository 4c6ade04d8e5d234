"""Decides when which view goes out: at once when it is quiet, a few times a second under load, again when it is lost.

Deltas go out at most every 10 ms, whole books less often and never for more than a small part of the time. What is
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
from runtime.telemetry import metrics
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

DELTA_SECONDS = 0.01
BOOK_SECONDS = 0.2
BOOK_SHARE = 0.05
REST = 2
"""A pass is followed by a pause of this many times its work, so that showing never stands in the journal's way."""
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
    ticker_ends_ms: int | None = None
    ahead: int = 0

    def forget(self) -> None:
        """Redis may have nothing of it."""
        self.book_seq, self.book_due, self.ticker = -1, 0.0, None


class Publisher:
    """One task per process. `views` are those of the partitions that this process has and keeps up with, by market."""

    def __init__(
        self,
        store: ViewStore,
        views: Callable[[], Mapping[str, View]],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._views = views
        self._clock_ms = clock_ms
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

    def unready(self) -> str | None:
        """Why nobody sees what this process knows; None when they do."""
        return "the views do not reach Redis" if self._is_away else None

    async def run(self) -> None:
        """For ever. Redis may come and go."""
        while True:
            try:
                again_at = await self._pass()
                if self._is_away:
                    self._is_away = False
                    log.info("the views are in Redis again")
                await asyncio.sleep(again_at - self._now())
            except UNWELL as error:
                if not self._is_away:
                    self._is_away = True
                    log.warning("the views do not reach Redis: %r", error)
                self._healed = 0.0  # what did not arrive is found missing
                await asyncio.sleep(AGAIN_SECONDS)

    async def _pass(self) -> float:
        """Waits until something is to be said, and says it; when the next one may begin."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAL_SECONDS if not self._touched else BOOK_SECONDS / 4):
                await self._wake.wait()
        self._wake.clear()
        began, worked = self._now(), time.thread_time()
        views = self._views()
        seen_ms = [views[market].time_ms for market in self._touched if market in views]
        values, messages = self._collect(views, self._touched)
        worked = time.thread_time() - worked
        if values or messages:
            await self._store.write(values, messages)
            metrics.VIEW_PASS_SECONDS.observe(worked)
            if messages and seen_ms:
                metrics.VIEW_DELAY_SECONDS.observe(max(0, self._clock_ms() - max(seen_ms)) / 1000)
        if self._now() - self._healed >= HEAL_SECONDS:
            self._healed = self._now()
            await self._heal(views)
        return began + max(DELTA_SECONDS, worked * (1 + REST))

    def _collect(self, views: Mapping[str, View], markets: set[str]) -> tuple[list[Value], list[Message]]:
        """What is to be said of these markets now; the rest of them stays touched."""
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
        return values, messages

    def _of(self, view: View) -> Shown:
        shown = self._shown.get(view.market)
        if shown is None or shown.view is not view:
            shown = self._shown[view.market] = Shown(view)
        return shown

    def _show(self, shown: Shown, values: list[Value], messages: list[Message]) -> None:
        """The whole book, and the ticker if it says something new."""
        began = time.thread_time()
        view, force = shown.view, shown.ahead >= PATIENCE
        data = encode_view(telling.book(view))
        values.append(Value(book_key(view.market), view.seq, data, force))
        shown.book_seq, shown.book_head = view.seq, data[:HEAD_BYTES]
        shown.ahead = 0 if force else shown.ahead
        self._show_ticker(shown, values, messages, force=force)
        shown.book_due = self._now() + max(BOOK_SECONDS, (time.thread_time() - began) / BOOK_SHARE)

    def _show_ticker(self, shown: Shown, values: list[Value], messages: list[Message], *, force: bool = False) -> None:
        now_ms = self._now_ms(shown.view)
        ticker = telling.ticker(shown.view, now_ms)
        shown.ticker_ends_ms = shown.view.window.ends_ms(now_ms)
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
            if (book_head, ticker_head) == (shown.book_head, shown.ticker_head):
                shown.ahead = 0
            elif not self._is_ahead(shown, seq_of(book_head)):
                metrics.VIEWS_HEALED.inc(shown.book_seq >= 0)  # what was never written is not lost
                shown.forget()
            if shown.book_seq != shown.view.seq:
                self.touch(shown.view.market)

    @staticmethod
    def _is_ahead(shown: Shown, seq: int) -> bool:
        """Whether Redis has a newer view, whose owner should take the partition from us; not for long."""
        if seq <= shown.view.seq:
            return False
        shown.ahead += 1
        if shown.ahead < PATIENCE:
            return True
        log.error("Redis has %s at %d, which the journal has not reached: replaced", shown.view.market, seq)
        return False

    async def _let_minutes_go(self, all_shown: list[Shown]) -> None:
        """In a market where nothing happens, the last 24 hours go on all the same."""
        values: list[Value] = []
        messages: list[Message] = []
        for shown in all_shown:
            ends_ms = shown.ticker_ends_ms
            if ends_ms is not None and self._now_ms(shown.view) >= ends_ms and shown.view.whole:
                self._show_ticker(shown, values, messages)
        if values:
            await self._store.write(values, messages)

    def _now_ms(self, view: View) -> int:
        """The day's time, but never before the market's own: this process's clock may be wrong."""
        return max(view.time_ms, self._clock_ms())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
