"""Reads a stretch of a partition as fast as this machine can, for whoever goes through a whole history.

It speaks the fetch protocol itself, one connection, one request ahead: the usual consumer takes three times as long for
a record. Batches come whole, in order, and with their checksums proved.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CorruptRecordException, KafkaError, NoError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from runtime import kafka
from runtime.journal.errors import Broken, Unwell
from runtime.journal.machine import Record
from runtime.settings import Settings

FETCH_BYTES = 4 << 20
FETCH_WAIT_MS = 250
PATIENCE = 20
"""So many empty answers in a row, where records must be, and the world is unwell."""


class Bulk:
    """A source of records, as the plain reader is; what it gives has no `partition`, which whoever asks knows."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = f"{name}-bulk"

    async def read(self, topic: str, partition: int, start: int, stop: int) -> AsyncIterator[Sequence[Record]]:
        """All records of [start, stop), in order; close the iterator when you leave early."""
        if start >= stop:
            return
        client = AIOKafkaClient(
            bootstrap_servers=self._settings.brokers,
            client_id=self._settings.group(self._name),
            request_timeout_ms=kafka.REQUEST_TIMEOUT_MS,
        )
        stretch = _Stretch(client, TopicPartition(topic, partition), start, stop)
        try:
            async with asyncio.timeout(kafka.START_TIMEOUT_S):
                await client.bootstrap()
                await client.set_topics([topic])
            async for records in stretch.read():
                yield records
        except OffsetOutOfRangeError as error:
            raise Broken(f"{topic}/{partition}: Kafka does not hold offset {start} any more") from error
        except (KafkaError, TimeoutError) as error:
            raise Unwell(f"{topic}/{partition} cannot be read: {error!r}") from error
        finally:
            await stretch.close()
            await client.close()


class _Stretch:
    """One reading."""

    def __init__(self, client: Any, tp: TopicPartition, start: int, stop: int) -> None:
        self._client = client
        self._tp = tp
        self._position = start
        self._stop = stop
        self._asked: asyncio.Task[bytes] | None = None

    async def read(self) -> AsyncIterator[Sequence[Record]]:
        """The next answer is on its way while its owner works on this one."""
        empty = 0
        self._ask()
        while self._position < self._stop:
            assert self._asked is not None
            before = self._position
            records = self._unpacked(await self._asked)
            empty = empty + 1 if self._position == before else 0
            if empty > PATIENCE:
                raise Unwell(f"{self._tp.topic}/{self._tp.partition}: no record from {before} on, though there must be")
            self._ask()
            if records:
                yield records

    async def close(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.gather(self._asked, return_exceptions=True)

    def _ask(self) -> None:
        self._asked = asyncio.create_task(self._fetch()) if self._position < self._stop else None

    async def _fetch(self) -> bytes:
        leader = self._client.cluster.leader_for_partition(self._tp)
        topics = [(self._tp.topic, [(self._tp.partition, self._position, FETCH_BYTES)])]
        request = FetchRequest(FETCH_WAIT_MS, 1, FETCH_BYTES, 0, topics, rack_id="")
        response = await self._client.send(leader, request)
        _, error_code, _, *_, batches = response.topics[0][1][0]
        if (error := for_code(error_code)) is not NoError:
            raise error(f"fetching {self._tp} at {self._position}")
        return bytes(batches)

    def _unpacked(self, data: bytes) -> list[Record]:
        """The records of the whole batches among these bytes, from the position on, and below the stop."""
        first = self._position
        found: list[Record] = []
        batches: Any = MemoryRecords(data)
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"{self._tp}: a batch near {self._position} is damaged")
            if not batch.is_control_batch:
                found += batch
            self._position = batch.next_offset
        if found and (found[0].offset < first or found[-1].offset >= self._stop):
            return [record for record in found if first <= record.offset < self._stop]
        return found
