"""Keeps one partition of a state machine alive: applies runs, sends what they led to, and writes checkpoint rounds.

The order of a round: outputs acknowledged, slots acknowledged, manifest acknowledged, offset committed. Each step
waits for the one before it, so a crash between any two leaves a state that the next start can take up.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from faust.types import TP

from runtime.crashpoints import crashpoint
from runtime.journal.checkpoint import Round, restore
from runtime.journal.errors import Broken
from runtime.journal.group import Group
from runtime.journal.machine import Program, Record
from runtime.journal.outlet import Acks, KafkaOutlet, Outlet
from runtime.journal.partition import Partition
from runtime.journal.reader import Reader
from runtime.journal.rounds import Budget, Rhythm
from runtime.telemetry import metrics

RELEASE = "0.1.0"
log = logging.getLogger(__name__)


class Keeper:
    """The follower of one journal partition."""

    def __init__(
        self,
        program: Program[Any, Any],
        tp: TP,
        group: Group,
        kafka: KafkaOutlet,
        reader: Reader,
        outlets: Mapping[str, Outlet],
        budget: Budget,
        rhythm: Rhythm,
        halt: Callable[..., NoReturn],
    ) -> None:
        self._program = program
        self._tp = tp
        self._group = group
        self._kafka = kafka
        self._reader = reader
        self._outlets = outlets
        self._budget = budget
        self._rhythm = rhythm
        self._halt = halt
        self._acks = Acks()
        self._round: asyncio.Task[None] | None = None
        self._generation = group.generation
        self._closed = False
        self.partition: Partition[Any, Any] = Partition(program, tp.partition)

    def at(self) -> str:
        market, offset = self.partition.at
        return f"market {market}, offset {offset}"

    async def open(self, begin: int, end: int) -> int:
        name = f"{self._tp.topic}/{self._tp.partition}"
        entries = self._group.entries(self._tp.partition)
        restored = restore(self._program, self._tp.partition, entries)
        for warning in restored.warnings:
            log.error("%s: %s", name, warning)
        self.partition, self._written, self._next_round = restored.partition, restored.written, restored.next_round
        self._rhythm.started(self._now())
        gc.freeze()  # what was restored lives long: a full collection would hold the loop to look at all of it
        if restored.found:
            _check_bounds(name, self.partition.next_offset, begin, end)
            log.info("%s: restored %d markets at %d", name, len(self.partition.markets), self.partition.next_offset)
            return self.partition.next_offset
        if begin > 0:
            raise Broken(f"there is no usable snapshot, and Kafka begins at {begin}: restore the journal's first part")
        if entries or await self._reader.committed(self._tp.topic, self._tp.partition) > 0:
            metrics.ALARMS.labels(self._tp.topic).inc()
            log.error("ALARM: %s: no snapshot is usable; re-executing from the journal's start, %d records", name, end)
        elif end:
            log.warning("%s: no snapshot; executing from the journal's start, %d records", name, end)
        return 0

    async def take(self, run: Sequence[Record]) -> None:
        parked = self.partition.parked
        sent = self.partition.run(run)
        if self.partition.parked > parked:
            self._tell_parked(self.partition.parked - parked, run[-1].offset)
        crashpoint("journal.before_produce")
        number = self._tp.partition
        for outgoing in sent:
            outlet = self._outlets.get(outgoing.topic, self._kafka)
            self._acks.add(await outlet.send(number, outgoing))
        self._acks.sweep()
        self._rhythm.pending += len(run)
        await self.tick()

    def _tell_parked(self, count: int, offset: int) -> None:
        metrics.PARKED.labels(self._tp.topic).inc(count)
        log.error("ALARM: %s/%d: %d records parked, up to offset %d", *self._tp, count, offset)

    async def tick(self) -> None:
        """A round, if one is due, none is under way, and the process can afford it."""
        now = self._now()
        self._acks.sweep()
        if not self._rhythm.due(now) or (self._round is not None and not self._round.done()):
            return
        if self._group.owns(self._generation) and self._budget.grant(id(self), now):
            self._start_round()

    async def finish(self) -> None:
        if self._round is not None:
            await self._round
        if self._rhythm.pending and self._group.owns(self._generation):
            await self._start_round()

    async def close(self) -> None:
        self._closed = True
        self._budget.leave(id(self))
        if self._round is not None and not self._round.done():
            self._round.cancel()

    def _start_round(self) -> asyncio.Task[None]:
        began = time.perf_counter()
        round_ = Round(self._next_round, RELEASE, self.partition, self._written)
        cost = time.perf_counter() - began
        self._next_round += 1
        self._rhythm.started(self._now())
        self._round = asyncio.create_task(self._write(round_, cost), name=f"round {round_.number} of {self._tp}")
        self._round.add_done_callback(self._round_ended)
        return self._round

    def _round_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._halt(f"{self._tp.topic}/{self._tp.partition}, {self.at()}: the round failed: {error!r}", error)

    async def _write(self, round_: Round, cost: float) -> None:
        await self._acks.settled()
        crashpoint("journal.after_outputs")
        if not self._may_write():
            return
        number, topic = self._tp.partition, self._group.changelog
        entries = dict(round_.pieces())
        await self._kafka.write(topic, number, entries)
        crashpoint("journal.after_slots")
        if not self._may_write():
            return
        key, value = round_.manifest_entry()
        entries[key] = value
        offset = await self._kafka.write(topic, number, {key: value})
        crashpoint("journal.after_manifest")
        self._group.wrote(number, entries, offset)
        size = sum(map(len, entries.values()))
        self._budget.spent(self._now(), cost, size)
        metrics.ROUND_SECONDS.labels(self._tp.topic).observe(cost)
        metrics.ROUND_BYTES.labels(self._tp.topic).inc(size)
        metrics.SNAPSHOT_TIME.labels(*self._tp).set_to_current_time()
        metrics.SNAPSHOT_NEXT.labels(*self._tp).set(round_.next_offset)
        if self._may_write():
            await self._group.commit(self._tp, round_.next_offset)

    def _may_write(self) -> bool:
        return not self._closed and self._group.owns(self._generation)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _check_bounds(name: str, following: int, begin: int, end: int) -> None:
    if following > end:
        raise Broken(f"the snapshot is at {following}, but {name} ends at {end}: Kafka has lost records of the journal")
    if following < begin:
        raise Broken(f"the snapshot is at {following}, but {name} begins at {begin}: records were deleted")
