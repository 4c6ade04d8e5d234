"""A plain reader of a stretch of one partition, outside every consumer group: it decides for itself where it reads.

Openings and holes are read with it, because a seek inside Faust would race with records that are already queued.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from runtime import kafka
from runtime.journal.errors import Broken, Unwell
from runtime.journal.machine import Record
from runtime.settings import Settings

PATIENCE_SECONDS = 5.0
log = logging.getLogger(__name__)


class Reader:
    """Reads from one Kafka; every call has a connection of its own, so a slow stretch holds up nobody else."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = f"{name}-reader"
        self._group = settings.group(name)

    def _consumer(self) -> Any:
        return kafka.consumer(self._settings, name=self._name)

    async def bounds(self, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
        """The first offset and the end of each partition, as the broker says now."""
        tps = {number: TopicPartition(topic, number) for number in partitions}
        consumer = self._consumer()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _started(consumer, topic)
                begins = await consumer.beginning_offsets(list(tps.values()))
                ends = await consumer.end_offsets(list(tps.values()))
        except (KafkaError, TimeoutError) as error:
            raise Unwell(f"the bounds of {topic} cannot be had: {error!r}") from error
        finally:
            await kafka.stop(consumer)
        return {number: (begins[tp], ends[tp]) for number, tp in tps.items()}

    async def since(self, topic: str, partition: int, time_ms: int) -> int | None:
        """The first offset whose record is not older than this, by the broker's clock; None when all are."""
        tp = TopicPartition(topic, partition)
        consumer = self._consumer()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await _started(consumer, topic)
                found = await consumer.offsets_for_times({tp: max(0, time_ms)})
        except (KafkaError, TimeoutError) as error:
            raise Unwell(f"{topic}/{partition} cannot be searched by time: {error!r}") from error
        finally:
            await kafka.stop(consumer)
        return None if found[tp] is None else int(found[tp].offset)

    async def committed(self, topic: str, partition: int) -> int:
        """What the group has committed, or -1; it decides nothing, but it remembers that there was a snapshot."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.brokers, client_id=self._name)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await admin.start()
                offsets = await admin.list_consumer_group_offsets(self._group)
        except (KafkaError, TimeoutError) as error:
            raise Unwell(f"the committed offset of {topic}/{partition} cannot be had: {error!r}") from error
        finally:
            await admin.close()
        found = offsets.get(TopicPartition(topic, partition))
        return found.offset if found is not None else -1

    async def read(
        self, topic: str, partition: int, start: int, stop: int, most: int = 1000
    ) -> AsyncIterator[Sequence[Record]]:
        """All records of [start, stop), in order; close the iterator when you leave early."""
        if start >= stop:
            return
        tp = TopicPartition(topic, partition)
        consumer = self._consumer()
        try:
            await consumer.start()
            consumer.assign([tp])
            consumer.seek(tp, start)
            position, idle = start, 0.0
            while position < stop:
                got = await consumer.getmany(tp, timeout_ms=250, max_records=most)
                records = got.get(tp, [])
                idle = 0.0 if records else idle + 0.25
                if records:
                    yield records if records[-1].offset < stop else [r for r in records if r.offset < stop]
                elif idle > PATIENCE_SECONDS:
                    raise Unwell(f"{topic}/{partition}: no record from {position} on, though there must be")
                position = await consumer.position(tp)
        except OffsetOutOfRangeError as error:
            raise Broken(f"{topic}/{partition}: Kafka does not hold offset {start} any more") from error
        except KafkaError as error:
            raise Unwell(f"{topic}/{partition} cannot be read: {error!r}") from error
        finally:
            await kafka.stop(consumer)


async def _started(consumer: Any, topic: str) -> None:
    """Knowing who leads the topic: a question before that is asked again only after a tenth of a second."""
    await consumer.start()
    await consumer._client.add_topic(topic)
