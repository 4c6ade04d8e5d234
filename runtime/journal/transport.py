"""Faust's Kafka transport, taught to hand over a whole fetched run as one event, to wait less, and to start at once.

All protected members of Faust and aiokafka that the journal touches are here, in `group.py` and in `reader.py`; the
contract test (tests/runtime/journal/test_transport.py) fails when one of them moves.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import faust
import uvloop
from faust.tables.manager import TableManager
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage

RUN_RECORDS = 256
FETCH_WAIT_MS = 100


class QuickThread(AIOKafkaConsumerThread):
    """Faust fixes the fetch wait at 1500 ms, and pays it once in every recovery of a table."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """Straight to the thread's loop: Faust's queue between the loops costs four tasks for each fetch."""
        consumer: Any = self._ensure_consumer()
        active: Any = active_partitions  # None is all of them, whatever the annotation says
        fetching = self._fetch_records(consumer, active, timeout=timeout, max_records=consumer._max_poll_records)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetching, self.thread_loop))


class RunConsumer(Consumer):
    """One event per fetched run of a partition (its value is the list of records), instead of one per record."""

    run_topics: frozenset[str] = frozenset()

    def _new_consumer_thread(self) -> QuickThread:
        return QuickThread(self, loop=self.loop, beacon=self.beacon, thread_loop=uvloop.new_event_loop())

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        waited: Any = await self._wait_next_records(timeout)
        fetched, active = waited
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, records in fetched.items():
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            runs = (
                self._runs(tp, records) if tp.topic in self.run_topics else (self._to_message(tp, r) for r in records)
            )
            for message in runs:
                if not self._flows(generation):
                    return
                yield tp, message

    def _flows(self, generation: int) -> bool:
        return self.flow_active and generation == self.app.consumer_generation_id

    def _runs(self, tp: TP, records: list[Any]) -> Any:
        for start in range(0, len(records), RUN_RECORDS):
            run = records[start : start + RUN_RECORDS]
            first = run[0]
            yield ConsumerMessage(
                tp.topic, tp.partition, first.offset, first.timestamp / 1000, first.timestamp_type,
                [], None, cast("bytes", run), None, 0, 0, tp, generation_id=self.app.consumer_generation_id,
            )  # fmt: skip


class QuickTableManager(TableManager):
    """Faust sleeps a second here, for tables that are declared late; ours never are."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


def install(app: faust.App, topics: frozenset[str]) -> None:
    """Give the app a transport that delivers these topics in runs."""
    consumer = type("JournalConsumer", (RunConsumer,), {"run_topics": topics})
    app.transport = type("JournalTransport", (Transport,), {"Consumer": consumer})(app.conf.broker_consumer, app)
