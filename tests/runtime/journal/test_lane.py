import asyncio
from collections.abc import Sequence

import pytest

from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.lane import QUEUED_RUNS, Lane, fresh, is_whole
from tests.runtime.journal.records import Fake, FakeSource


class Notes:
    """A follower that writes down what it was given."""

    def __init__(self, following: int = 0) -> None:
        self.following = following
        self.taken: list[int] = []
        self.opened = 0
        self.trouble: list[Exception] = []
        self.finished = False
        self.closed = False

    async def open(self, begin: int, end: int) -> int:
        self.opened += 1
        return self.following

    async def take(self, run: Sequence[Fake]) -> None:
        if self.trouble:
            raise self.trouble.pop(0)
        self.taken += [record.offset for record in run]
        self.following = run[-1].offset + 1

    async def tick(self) -> None: ...

    async def finish(self) -> None:
        self.finished = True

    async def close(self) -> None:
        self.closed = True

    def at(self) -> str:
        return f"market M, offset {self.following}"


def records(*offsets: int) -> list[Fake]:
    return [Fake(offset) for offset in offsets]


class Bench:
    """A lane over a partition in memory, which ends at `end` when the lane asks."""

    def __init__(self, notes: Notes, end: int, source: FakeSource | None = None) -> None:
        self.notes = notes
        self.source = source or FakeSource(records(*range(100_000)))
        self.halts: list[str] = []

        async def bounds() -> tuple[int, int]:
            return 0, end

        def halt(reason: str, _error: BaseException | None = None) -> None:
            self.halts.append(reason)

        self.lane = Lane("t", 3, notes, self.source, bounds, halt)

    async def __aenter__(self) -> "Bench":
        self.lane.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lane.drop()

    async def taken(self, count: int) -> list[int]:
        async with asyncio.timeout(5):
            while len(self.notes.taken) < count and not self.halts:
                await asyncio.sleep(0)
        return self.notes.taken

    async def ready(self) -> None:
        async with asyncio.timeout(5):
            while not self.lane.ready:
                await asyncio.sleep(0)


async def test_it_opens_with_what_kafka_holds_and_goes_on_with_the_stream():
    async with Bench(Notes(3), end=6) as bench:
        await bench.ready()
        assert bench.notes.taken == [3, 4, 5]
        await bench.lane.offer(records(6, 7))
        assert await bench.taken(5) == [3, 4, 5, 6, 7]
        assert bench.source.reads == [(3, 6)]


async def test_what_the_stream_repeats_is_skipped():
    async with Bench(Notes(6), end=6) as bench:
        await bench.ready()
        for run in (records(2, 3), records(4, 5, 6, 7), records(6, 7), records(8)):
            await bench.lane.offer(run)
        assert await bench.taken(3) == [6, 7, 8]
        assert bench.source.reads == []


async def test_what_the_stream_lost_is_read_plainly():
    async with Bench(Notes(6), end=6) as bench:
        await bench.ready()
        for run in (records(6), records(9, 10), records(11), records(12, 14)):
            await bench.lane.offer(run)
        assert await bench.taken(9) == list(range(6, 15))
        assert bench.source.reads == [(7, 11), (12, 15)]


async def test_what_the_stream_lost_at_its_very_end_is_read_after_a_nudge():
    async with Bench(Notes(6), end=6) as bench:
        await bench.ready()
        bench.lane.nudge(9)
        assert await bench.taken(3) == [6, 7, 8]


async def test_an_offset_that_kafka_itself_does_not_hold_is_no_record():
    source = FakeSource(records(0, 1, 4, 5))
    async with Bench(Notes(0), end=6, source=source) as bench:
        await bench.ready()
        assert bench.notes.taken == [0, 1, 4, 5]


async def test_runs_that_come_while_it_opens_are_left_to_the_reader():
    notes = Notes(0)
    bench = Bench(notes, end=3)
    await bench.lane.offer(records(3, 4, 5))
    async with bench:
        await bench.ready()
        assert notes.taken == [0, 1, 2, 3, 4, 5]


async def test_after_trouble_it_opens_again_from_what_the_store_says():
    notes = Notes(0)
    async with Bench(notes, end=0) as bench:
        await bench.ready()
        notes.trouble = [Unwell("the database is away")]
        await bench.lane.offer(records(0, 1))
        await bench.lane.offer(records(2))
        assert await bench.taken(3) == [0, 1, 2]
        assert notes.opened == 2


async def test_one_that_waits_for_another_topic_takes_the_same_run_again_and_holds_up_nobody():
    notes = Notes(0)
    async with Bench(notes, end=0) as bench:
        await bench.ready()
        notes.trouble = [NotYet("execution 7 must come first")] * 3
        for offset in range(2 * QUEUED_RUNS):
            await asyncio.wait_for(bench.lane.offer(records(offset)), 5)
        assert await bench.taken(2 * QUEUED_RUNS) == list(range(2 * QUEUED_RUNS))
        assert notes.opened == 1


@pytest.mark.parametrize("error", [Broken("the chain parts"), ZeroDivisionError("a bug")])
async def test_anything_else_halts_and_names_topic_partition_market_and_offset(error):
    notes = Notes(0)
    async with Bench(notes, end=0) as bench:
        await bench.ready()
        notes.trouble = [error]
        await bench.lane.offer(records(0))
        await bench.taken(1)
        assert bench.halts == [f"t/3, market M, offset 0: {error}"]


async def test_a_graceful_stop_finishes_and_a_drop_does_not():
    for stop, finished in (("stop", True), ("drop", False)):
        bench = Bench(Notes(0), end=2)
        async with bench:
            await bench.ready()
            await getattr(bench.lane, stop)()
        assert (bench.notes.finished, bench.notes.closed, bench.notes.taken) == (finished, True, [0, 1])


async def test_a_drop_ends_a_lane_whose_cancellation_was_swallowed():
    class Swallows(FakeSource):
        async def read(self, topic, partition, start, stop):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                yield records(0)

    bench = Bench(Notes(0), end=1, source=Swallows([]))
    bench.lane.start()
    await asyncio.sleep(0.01)
    await bench.lane.drop()
    assert bench.lane._task.done()
    assert not bench.notes.finished


def test_runs_are_cut_at_the_next_offset():
    run = records(4, 5, 6)
    assert [fresh(run, following) for following in (3, 4, 5, 7)] == [run, run, records(5, 6), ()]
    assert (is_whole(run), is_whole(records(4, 6))) == (True, False)
