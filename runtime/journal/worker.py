"""One process of a journal: a member of the group, a lane per partition, a ticker, a watchdog, a graceful stop."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from aiokafka.errors import KafkaError
from faust.types import TP

from runtime.journal.group import Group, Membership
from runtime.journal.halt import halt as halt_process
from runtime.journal.keeper import Keeper
from runtime.journal.lane import Follower, Lane
from runtime.journal.machine import Program, Record
from runtime.journal.outlet import KafkaOutlet, Outlet
from runtime.journal.reader import Reader
from runtime.journal.rounds import Budget, Rhythm
from runtime.journal.sink import Feed, Sink, Store
from runtime.journal.watchdog import Advice, Standing, Watch
from runtime.settings import Settings
from runtime.telemetry import metrics

TICK_SECONDS = 0.05
WATCH_SECONDS = 1.0
BROKER_SECONDS = 5.0
M = TypeVar("M")
log = logging.getLogger(__name__)


class Worker:
    """Gives every partition that Kafka assigns a lane of its own, and every lane a follower."""

    def __init__(
        self,
        group: Group,
        reader: Reader,
        follow: Callable[[TP], Follower],
        halt: Callable[..., NoReturn] = halt_process,
    ) -> None:
        self._group = group
        self._reader = reader
        self._follow = follow
        self._halt = halt
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: Mapping[TP, int] = {}
        self.lanes: dict[TP, Lane] = {}
        self.joined = False
        group.assigned, group.revoked, group.arrived = self._assigned, self._revoked, self._arrived

    async def start(self) -> None:
        self._group.beat()
        self._tasks = [asyncio.create_task(self._guard(work)) for work in (self._tick, self._watch)]
        await self._group.start()

    async def stop(self) -> None:
        """The runs in hand are finished, the last rounds written, the group left."""
        await asyncio.gather(*(lane.stop() for lane in self.lanes.values()))
        for task in self._tasks:
            task.cancel()
        await self._group.stop()

    def unready(self) -> str | None:
        """Why this worker does not keep up yet, in words; None when it does. A spare worker is ready."""
        if not self.joined:
            return "not yet a member of the group"
        opening = [f"{lane.topic}/{lane.partition} at {lane.next}" for lane in self.lanes.values() if not lane.ready]
        return f"opening {', '.join(opening)}" if opening else None

    async def _assigned(self, tps: set[TP]) -> None:
        await self._revoked()
        self.lanes = {tp: self._lane(tp) for tp in tps}
        for lane in self.lanes.values():
            lane.start()
        self.joined = True
        log.info("assigned %s", ", ".join(sorted(f"{tp.topic}/{tp.partition}" for tp in tps)) or "nothing")

    def _lane(self, tp: TP) -> Lane:
        return Lane(tp.topic, tp.partition, self._follow(tp), self._reader, lambda: self._group.bounds(tp), self._halt)

    async def _revoked(self) -> None:
        lanes, self.lanes = self.lanes, {}
        for gauge in (metrics.LAG, metrics.NEXT_OFFSET, metrics.SNAPSHOT_TIME, metrics.SNAPSHOT_NEXT):
            gauge.clear()
        await asyncio.gather(*(lane.drop() for lane in lanes.values()))

    async def _arrived(self, tp: TP, run: Sequence[Record]) -> None:
        lane = self.lanes.get(tp)
        if lane is not None:
            await lane.offer(run)

    async def _guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The outermost loop of a task beside the lanes."""
        try:
            await work()
        except Exception as error:
            self._halt(f"{work.__name__} failed: {error!r}", error)

    async def _tick(self) -> None:
        while True:
            frozen = self._group.beat()
            if frozen > self._group.session_seconds:
                self._halt(f"this process was frozen for {frozen:.1f} s: its partitions may have another owner by now")
            for lane in self.lanes.values():
                lane.tick()
            await asyncio.sleep(TICK_SECONDS)

    async def _watch(self) -> None:
        watch: Watch[TP] = Watch(asyncio.get_running_loop().time())
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if (crash := self._group.crashed()) is not None:
                self._halt(f"Faust gave up: {crash!r}", crash)
            advice = await self._look(watch)
            if advice.halt is not None:
                self._halt(advice.halt)
            for tp in advice.nudge:
                if tp in self.lanes and self.lanes[tp].ready:
                    log.warning("%s/%d stands still: looking for what was not brought", tp.topic, tp.partition)
                    self.lanes[tp].nudge(self._ends[tp])

    async def _look(self, watch: Watch[TP]) -> Advice[TP]:
        lanes = dict(self.lanes)
        loop = asyncio.get_running_loop()
        if not lanes:
            return watch.look(loop.time(), {})
        try:
            async with asyncio.timeout(BROKER_SECONDS):
                self._ends = ends = await self._group.ends(lanes)
        except (KafkaError, TimeoutError) as error:
            log.warning("watchdog: the broker does not answer: %r", error)
            return watch.silence(loop.time())
        standings = {tp: Standing(lane.next, ends[tp], lane.waiting) for tp, lane in lanes.items() if tp in ends}
        for tp, standing in standings.items():
            metrics.LAG.labels(*tp).set(max(0, standing.end - standing.position))
            metrics.NEXT_OFFSET.labels(*tp).set(standing.position)
        return watch.look(loop.time(), standings)


class MachineWorker:
    """Runs a program: the worker, and the producer that it speaks through."""

    def __init__(
        self,
        settings: Settings,
        program: Program[Any, Any],
        *,
        membership: Membership,
        outlets: Mapping[str, Outlet] | None = None,
        budget: Budget | None = None,
        rhythm: Callable[[], Rhythm] = Rhythm,
        halt: Callable[..., NoReturn] = halt_process,
    ) -> None:
        self._kafka = KafkaOutlet(settings, program.name)
        group = Group(settings, program.name, [program.journal.name], program.table, membership)
        shared = budget or Budget()
        reader = Reader(settings, program.name)

        def follow(tp: TP) -> Keeper:
            return Keeper(program, tp, group, self._kafka, reader, outlets or {}, shared, rhythm(), halt)

        self.worker = Worker(group, reader, follow, halt)

    def unready(self) -> str | None:
        return self.worker.unready()

    def machines(self, kind: type[M]) -> Iterator[tuple[int, str, M]]:
        """Partition, market and machine of what this process has now, where it has reached the end."""
        for lane in self.worker.lanes.values():
            if lane.ready and isinstance(lane.follower, Keeper):
                for market in lane.follower.partition.markets.values():
                    if isinstance(market.machine, kind):
                        yield lane.partition, market.name, market.machine

    async def start(self) -> None:
        await self._kafka.start()
        await self.worker.start()

    async def stop(self) -> None:
        await self.worker.stop()
        await self._kafka.stop()


class SinkWorker:
    """Runs a sink: one worker that follows all its feeds."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        feeds: Sequence[Feed[Any]],
        store: Store,
        *,
        membership: Membership,
        mend: str = "",
        most_weight: int = 1000,
        halt: Callable[..., NoReturn] = halt_process,
    ) -> None:
        by_topic = {settings.topic(feed.topic.name): feed for feed in feeds}
        group = Group(settings, name, [feed.topic.name for feed in feeds], None, membership)

        def follow(tp: TP) -> Sink:
            return Sink(by_topic[tp.topic], tp, store, group, mend=mend, most_weight=most_weight)

        self.worker = Worker(group, Reader(settings, name), follow, halt)

    def unready(self) -> str | None:
        return self.worker.unready()

    async def start(self) -> None:
        await self.worker.start()

    async def stop(self) -> None:
        await self.worker.stop()
