"""One partition, followed exactly: every record once, in order, whatever the transport loses, repeats or reorders.

A lane opens at assignment: its follower says where it stands, a plain reader feeds it up to the end, and from there the
transport's runs go on. What they repeat is skipped; what they lost is read plainly. `next` decides, no commit does.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NoReturn, Protocol

from runtime.crashpoints import crashpoint
from runtime.journal.errors import NotYet, Unwell
from runtime.journal.machine import Record
from runtime.telemetry import metrics

QUEUED_RUNS = 64
RUN_RECORDS = 256
PROGRESS_SECONDS = 5.0
NOT_YET_SECONDS = (0.002, 0.25)
UNWELL_SECONDS = (0.1, 2.0)
DROP_SECONDS = 1.0
log = logging.getLogger(__name__)


class Follower(Protocol):
    """What a lane feeds."""

    async def open(self, begin: int, end: int) -> int:
        """Be as the store says, and name the offset to go on from; called again after every Unwell."""

    async def take(self, run: Sequence[Record]) -> None:
        """Records that follow one another. May be called again with the same run after NotYet."""

    async def tick(self) -> None:
        """Some time has passed without records."""

    async def finish(self) -> None:
        """The end of a graceful stop."""

    async def close(self) -> None:
        """The partition has gone; write nothing more."""

    def at(self) -> str:
        """Market and offset in hand, for the message of a halt."""


class Source(Protocol):
    """The plain reader."""

    def read(self, topic: str, partition: int, start: int, stop: int) -> AsyncIterator[Sequence[Record]]: ...


def fresh(run: Sequence[Record], following: int) -> Sequence[Record]:
    """The records of a run from this offset on."""
    if run[0].offset >= following:
        return run
    if run[-1].offset < following:
        return ()
    return [record for record in run if record.offset >= following]


def is_whole(run: Sequence[Record]) -> bool:
    """Whether a run has no hole inside."""
    return run[-1].offset - run[0].offset == len(run) - 1


class Gauge:
    """What is measured of every pass over a topic's records. What a start reads again is old, and says nothing."""

    def __init__(self, topic: str) -> None:
        self._records = metrics.RECORDS.labels(topic)
        self._sizes = metrics.RUN_RECORDS.labels(topic)
        self._seconds = metrics.RUN_SECONDS.labels(topic)
        self._delay = metrics.DELAY_SECONDS.labels(topic)

    def took(self, run: Sequence[Record], seconds: float, *, is_new: bool) -> None:
        self._records.inc(len(run))
        if is_new:
            self._sizes.observe(len(run))
            self._seconds.observe(seconds)
            self._delay.observe(max(0.0, time.time() - run[-1].timestamp / 1000))


class Lane:
    """The task that feeds one follower."""

    def __init__(
        self,
        topic: str,
        partition: int,
        follower: Follower,
        source: Source,
        bounds: Callable[[], Awaitable[tuple[int, int]]],
        halt: Callable[..., NoReturn],
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.follower = follower
        self.next = 0
        self.ready = False
        self.waiting = False
        self._source = source
        self._bounds = bounds
        self._halt = halt
        self._queue: deque[Sequence[Record]] = deque()
        self._missed = -1
        self._ticked = False
        self._stopping = False
        self._dropped = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._gauge = Gauge(topic)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"lane {self.topic}/{self.partition}")

    async def offer(self, run: Sequence[Record]) -> None:
        """Take a run from the transport: queue it, wait for room, or (not open, or waiting) leave it to the reader."""
        while self.ready and not self.waiting and len(self._queue) >= QUEUED_RUNS:
            self._room.clear()
            await self._room.wait()
        if self.ready and len(self._queue) < QUEUED_RUNS:
            self._queue.append(run)
        else:
            self._missed = max(self._missed, run[-1].offset)
        self._wake.set()

    def tick(self) -> None:
        self._ticked = True
        self._wake.set()

    def nudge(self, end: int) -> None:
        """Kafka ends here, and nothing moves: have the reader look at what the transport did not bring."""
        self._missed = max(self._missed, end - 1)
        self._wake.set()

    async def stop(self) -> None:
        """Finish the run in hand, write the last round, end."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def drop(self) -> None:
        """End at once and write nothing more: the partition has another owner, or will be opened anew.

        A cancellation alone is not enough: aiokafka swallows one that meets it while it closes.
        """
        self._dropped = self._stopping = True
        self._forget()
        self._wake.set()
        await self.follower.close()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=DROP_SECONDS)

    def _forget(self) -> None:
        self.ready = False
        if self._queue:
            self._missed = max(self._missed, self._queue[-1][-1].offset)
            self._queue.clear()
        self._room.set()

    async def _run(self) -> None:
        """The outermost loop: whatever nobody foresaw ends the process, naming market and offset."""
        pause, longest = UNWELL_SECONDS
        try:
            while not self._stopping:
                try:
                    await self._follow()
                except Unwell as error:
                    pause = min(pause * 2, longest) if not self.ready else UNWELL_SECONDS[0]
                    self._forget()
                    log.warning("%s/%d at %d: %s; again in %.1f s", self.topic, self.partition, self.next, error, pause)
                    await asyncio.sleep(pause)
        except Exception as error:
            self._halt(f"{self.topic}/{self.partition}, {self.follower.at()}: {error}", error)

    async def _follow(self) -> None:
        begin, end = await self._bounds()
        self.next = await self.follower.open(begin, end)
        crashpoint("journal.at_assignment")
        if self.next < end:
            log.info("%s/%d: reading from %d to %d", self.topic, self.partition, self.next, end)
            await self._read_to(end)
        self.ready = not self._stopping
        while not self._stopping:
            await self._step()
        if not self._dropped:
            await self.follower.finish()

    async def _step(self) -> None:
        if not self._queue:
            if self._missed >= self.next:
                await self._read_to(self._missed + 1)
            elif self._ticked:
                self._ticked = False
                await self.follower.tick()
            else:
                self._wake.clear()
                await self._wake.wait()
            return
        run = fresh(self._queue.popleft(), self.next)
        self._room.set()
        if not run:
            return
        if not is_whole(run) or run[0].offset > self.next:
            log.warning("%s/%d: a hole at %d, read plainly", self.topic, self.partition, self.next)
            await self._read_to(run[-1].offset + 1)
        else:
            await self._take(run)

    async def _read_to(self, stop: int) -> None:
        """Feed everything below `stop` from Kafka itself; an offset that Kafka does not hold is not a record."""
        first, loop = self.next, asyncio.get_running_loop()
        said = loop.time()
        async with contextlib.aclosing(self._source.read(self.topic, self.partition, first, stop)) as batches:  # type: ignore[type-var]  # an async generator
            async for records in batches:
                for start in range(0, len(records), RUN_RECORDS):
                    await self._take(records[start : start + RUN_RECORDS])
                    if self._stopping:
                        return
                if loop.time() - said > PROGRESS_SECONDS:
                    said = loop.time()
                    log.info("%s/%d: %d of %d re-read", self.topic, self.partition, self.next - first, stop - first)
        self.next = max(self.next, stop)

    async def _take(self, run: Sequence[Record]) -> None:
        crashpoint("journal.after_consume")
        began = time.perf_counter()
        pause, longest = NOT_YET_SECONDS
        while True:
            try:
                await self.follower.take(run)
                break
            except NotYet as error:
                self._start_waiting(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            if self._stopping:
                return
        self.waiting = False
        self.next = run[-1].offset + 1
        self._gauge.took(run, time.perf_counter() - began, is_new=self.ready)

    def _start_waiting(self, error: NotYet) -> None:
        """While this lane waits, the others must go on: what comes meanwhile is left to the reader."""
        if not self.waiting:
            self.waiting = True
            self._room.set()
            log.info("%s/%d waits at %d: %s", self.topic, self.partition, self.next, error)
