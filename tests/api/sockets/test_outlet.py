"""The way out: together, in order, the same bytes for all; and who does not read is left behind."""

import asyncio

import pytest

from api.sockets.outlet import MOST_WAITING, Outlet, Outlets


class Pipe:
    """A transport whose other end reads when it is told to."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unread = 0
        self.is_read = True
        self.aborted = self.closing = False

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.unread += 0 if self.is_read else len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True


class Reader:
    """One connection of the test."""

    def __init__(self) -> None:
        self.pipe = Pipe()
        self.was_slow = 0
        self.outlet = Outlet(self.pipe, self.slow)

    def slow(self) -> None:
        self.was_slow += 1

    async def has(self, data: bytes) -> None:
        while b"".join(self.pipe.written) != data:
            await asyncio.sleep(0.001)


@pytest.fixture
async def outlets():
    outlets = Outlets()
    task = asyncio.create_task(outlets.run())
    async with asyncio.timeout(30):
        yield outlets
    assert not task.done(), task.exception()
    task.cancel()


async def test_frames_go_out_in_order_and_those_of_a_moment_together(outlets: Outlets):
    one, two = Reader(), Reader()
    outlets.send([one.outlet, two.outlet], [b"a", b"b"])
    outlets.send([one.outlet], [b"c"])
    outlets.send([one.outlet], [])
    await one.has(b"abc")
    await two.has(b"ab")
    assert (one.pipe.written, two.pipe.written) == ([b"abc"], [b"ab"])
    outlets.send([one.outlet], [b"d"])
    await one.has(b"abcd")


async def test_many_are_served_in_turns_that_others_may_use(outlets: Outlets):
    readers = [Reader() for _ in range(1000)]
    outlets.send([reader.outlet for reader in readers], [b"x"])
    turns = 0
    while not readers[-1].pipe.written:
        turns += 1
        await asyncio.sleep(0)
    assert turns > 5
    assert all(reader.pipe.written == [b"x"] for reader in readers)


async def test_who_does_not_read_is_left_behind_and_nobody_waits_for_him(outlets: Outlets):
    fast, slow = Reader(), Reader()
    slow.pipe.is_read = False
    frame, told = b"x" * 10_000, 0
    while not slow.was_slow:
        outlets.send([slow.outlet, fast.outlet], [frame])
        told += 1
        while len(fast.pipe.written) < told:
            await asyncio.sleep(0)
    assert slow.pipe.unread <= MOST_WAITING + 2 * len(frame)
    outlets.send([slow.outlet, fast.outlet], [b"more"])
    await fast.has(frame * told + b"more")
    assert (slow.was_slow, slow.outlet.is_open, slow.outlet.waiting) == (1, False, [])


async def test_a_snapshot_larger_than_the_bound_makes_nobody_slow():
    reader = Reader()
    reader.pipe.is_read = False
    reader.outlet.waiting = [b"x" * (3 * MOST_WAITING)]
    assert reader.outlet.flush() == 1
    reader.outlet.waiting = [b"delta"]
    assert (reader.outlet.flush(), reader.was_slow) == (1, 0)
    reader.pipe.unread += MOST_WAITING
    reader.outlet.waiting = [b"delta"]
    assert (reader.outlet.flush(), reader.was_slow) == (0, 1)


async def test_nothing_is_written_to_a_connection_that_closes():
    reader = Reader()
    reader.outlet.waiting = [b"x"]
    reader.pipe.closing = True
    assert (reader.outlet.flush(), reader.pipe.written, reader.outlet.waiting) == (0, [], [])
    reader.outlet.cut()
    assert (reader.pipe.aborted, reader.outlet.is_open) == (True, False)
