"""When what goes out, with a store in memory: at once, together, again after a loss."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from agents.marketdata import telling
from agents.marketdata.app import BOOK_SECONDS, Publisher
from agents.marketdata.store import Message, Value
from agents.marketdata.view import View
from agents.marketdata.window import WINDOW_MS
from runtime.telemetry import metrics
from schemas.executions import decode_execution
from schemas.views import (
    HEAD_BYTES,
    CandleView,
    book_key,
    decode_book,
    decode_delta,
    decode_ticker,
    depth_channel,
    encode_view,
    ticker_key,
    trades_channel,
)
from tests.agents.marketdata.market import SYMBOL, Exchange, Reader


class MemoryStore:
    """Keeps values and messages; fails while it is away. Like the real one, it keeps the newer of two values."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.messages: list[Message] = []
        self.writes: list[str] = []
        self.is_away = False

    async def write(self, values: Sequence[Value], messages: Sequence[Message]) -> None:
        await self._answer()
        for value in values:
            before = self.values.get(value.key)
            if before is None or before.seq <= value.seq or value.force:
                self.values[value.key] = value
        self.messages += messages
        self.writes += [value.key for value in values]

    async def heads(self, keys: Sequence[str]) -> list[bytes]:
        await self._answer()
        return [self.values[key].data[:HEAD_BYTES] if key in self.values else b"" for key in keys]

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionRefusedError("Redis is away")

    def on(self, channel: str) -> list[bytes]:
        return [message.data for message in self.messages if message.channel == channel]


class Floor:
    """A publisher at work, and one market of the process."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.view = View(SYMBOL)
        self.views = {SYMBOL: self.view}
        self.store = MemoryStore()
        self.now_ms = self.exchange.now_ms
        self.publisher = Publisher(self.store, lambda: self.views, lambda: self.now_ms)  # type: ignore[arg-type]  # a twin of the store

    def follow(self) -> None:
        for value in self.exchange.executions[self.view.seq :]:
            self.view.apply(decode_execution(value))
        self.publisher.touch(SYMBOL)

    async def shows(self) -> None:
        """Waits until the value that is out is the whole book of now."""
        while (value := self.store.values.get(book_key(SYMBOL))) is None or value.data != encode_view(
            telling.book(self.view)
        ):
            await asyncio.sleep(0.005)

    def restart(self) -> None:
        """The partition came back to this process: the same state in another view."""
        self.view = View.restore(SYMBOL, self.view.snapshot())
        self.views = {SYMBOL: self.view}


@pytest.fixture
async def floor() -> AsyncIterator[Floor]:
    floor = Floor()
    task = asyncio.create_task(floor.publisher.run())
    async with asyncio.timeout(60):
        yield floor
    assert not task.done(), task.exception()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def sampled(name: str) -> float:
    value = metrics.registry.get_sample_value(name)
    assert value is not None
    return value


async def test_one_change_goes_out_as_book_ticker_delta_and_trade(floor: Floor):
    floor.exchange.place("sell", 100, 5, user_id=2)
    floor.exchange.place("buy", 100, 2)
    floor.follow()
    await floor.shows()
    ticker = decode_ticker(floor.store.values[ticker_key(SYMBOL)].data)
    assert (ticker.last, ticker.volume, ticker.ask) == ("1.00", "0.0002", "1.00")
    (delta,) = map(decode_delta, floor.store.on(depth_channel(SYMBOL)))
    assert (delta.first_seq, delta.last_seq, delta.asks) == (1, 3, [("1.00", "0.0003")])
    assert len(floor.store.on(trades_channel(SYMBOL))) == 1


async def test_each_pass_tells_how_long_it_worked_and_how_old_the_change_was(floor: Floor):
    passes = sampled("tidemark_view_pass_seconds_count")
    delays = sampled("tidemark_view_delay_seconds_count")
    floor.exchange.place("sell", 100, 3)
    floor.follow()
    await floor.shows()
    assert sampled("tidemark_view_pass_seconds_count") > passes
    assert sampled("tidemark_view_delay_seconds_count") > delays


async def test_under_load_books_are_few_and_deltas_leave_no_hole(floor: Floor):
    chance, reader = random.Random(1), Reader(0, {}, {})
    for _ in range(150):
        floor.exchange.anything(chance)
        floor.follow()
        await asyncio.sleep(0.005)
    await floor.shows()
    for data in floor.store.on(depth_channel(SYMBOL)):
        reader.take(decode_delta(data))
    book = decode_book(floor.store.values[book_key(SYMBOL)].data)
    assert (reader.seq, *map(list, reader.levels())) == (book.seq, book.bids, book.asks)
    assert floor.store.writes.count(book_key(SYMBOL)) < len(floor.store.on(depth_channel(SYMBOL))) < 150


async def test_after_an_outage_everything_is_there_again_and_the_hole_shows(floor: Floor):
    floor.follow()
    await floor.shows()
    floor.store.is_away = True
    floor.exchange.place("buy", 100, 2)
    floor.follow()
    await asyncio.sleep(0.1)
    floor.store.values.clear()
    floor.store.is_away = False
    await floor.shows()
    assert ticker_key(SYMBOL) in floor.store.values
    floor.exchange.place("buy", 99, 2)
    floor.follow()
    await floor.shows()
    deltas = [decode_delta(data) for data in floor.store.on(depth_channel(SYMBOL))]
    assert [(delta.first_seq, delta.last_seq) for delta in deltas] == [(1, 1), (3, 3)]


@pytest.mark.parametrize("key", [book_key(SYMBOL), ticker_key(SYMBOL)])
async def test_a_value_that_was_lost_or_changed_is_written_again(floor: Floor, key: str):
    floor.follow()
    await floor.shows()
    whole, healed = dict(floor.store.values), sampled("tidemark_views_healed_total")
    del floor.store.values[key]
    while floor.store.values != whole:
        await asyncio.sleep(0.005)
    floor.store.values[key] = Value(key, 0, b"something else")
    while floor.store.values != whole:
        await asyncio.sleep(0.005)
    assert sampled("tidemark_views_healed_total") == healed + 2


async def test_a_newer_view_is_left_to_its_owner_until_nobody_owns_it(floor: Floor):
    """Its owner takes the partition from us within a moment; if nobody does, it is of another history."""
    newer = Value(book_key(SYMBOL), 9, b'{"market":"BTC-USD","seq":9,"at":""}')
    floor.store.values[newer.key] = newer
    floor.follow()
    while not floor.store.on(depth_channel(SYMBOL)):
        await asyncio.sleep(0.005)
    assert floor.store.values[newer.key] == newer
    await floor.shows()


@pytest.mark.parametrize("key", [book_key(SYMBOL), ticker_key(SYMBOL)])
async def test_what_is_lost_under_load_is_written_again_before_the_load_ends(floor: Floor, key: str):
    floor.follow()
    await floor.shows()
    del floor.store.values[key]
    while key not in floor.store.values:
        floor.exchange.place("buy", 100, 1)
        floor.follow()
        await asyncio.sleep(0.005)


async def test_another_history_is_replaced_under_load_too(floor: Floor):
    other = Value(book_key(SYMBOL), 999_999, b'{"market":"BTC-USD","seq":999999,"at":""}')
    floor.store.values[other.key] = other
    while floor.store.values[other.key] == other:
        floor.exchange.place("buy", 100, 1)
        floor.follow()
        await asyncio.sleep(0.01)


async def test_a_view_that_came_back_is_shown_though_nothing_happens(floor: Floor):
    floor.exchange.place("buy", 100, 2)
    floor.follow()
    await floor.shows()
    floor.store.values.clear()
    floor.restart()
    await floor.shows()


async def test_a_market_that_is_not_ours_or_never_opened_is_not_shown(floor: Floor):
    floor.views = {SYMBOL: View(SYMBOL)}
    floor.follow()
    floor.publisher.touch("ETH-USD")
    candle = CandleView(SYMBOL, "1m", "2026-01-31T12:00:00.000Z", "1.00", "1.00", "1.00", "1.00", "1", 1)
    floor.publisher.tell_candles([candle, candle])
    while not floor.store.messages:
        await asyncio.sleep(0.005)
    assert (floor.store.values, floor.store.messages) == ({}, [Message("candles:BTC-USD:1m", encode_view(candle))])


async def test_in_a_market_where_nothing_happens_a_day_passes_all_the_same(floor: Floor):
    floor.exchange.place("sell", 100, 5, user_id=2)
    floor.exchange.place("buy", 100, 2)
    floor.follow()
    await floor.shows()
    state = floor.view.snapshot()
    floor.now_ms += WINDOW_MS
    while (ticker := decode_ticker(floor.store.values[ticker_key(SYMBOL)].data)).volume != "0":
        await asyncio.sleep(0.005)
    assert (ticker.last, ticker.open, ticker.quote_volume, ticker.ask) == ("1.00", None, "0.00", "1.00")
    assert floor.view.snapshot() == state


async def test_half_an_outcome_is_not_shown(floor: Floor):
    for _ in range(600):
        floor.exchange.place("sell", 100, 1, user_id=2)
    floor.follow()
    await floor.shows()
    before = dict(floor.store.values), len(floor.store.messages)
    floor.exchange.place("buy", 100, 600)
    last = floor.exchange.executions.pop()
    floor.follow()
    await asyncio.sleep(3 * BOOK_SECONDS)
    assert (dict(floor.store.values), len(floor.store.messages)) == before
    floor.exchange.executions.append(last)
    floor.follow()
    await floor.shows()
