"""The fast reader gives what the plain reader gives, on a real broker."""

import dataclasses
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from runtime import kafka
from runtime.journal.bulk import Bulk, _Stretch
from runtime.journal.errors import Broken, Unwell
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.topics import COMMANDS

COUNT = 700
TP = TopicPartition("topic", 1)


async def filled(settings: Settings) -> str:
    """Batches of many sizes, keys and values missing, headers."""
    await kafka.ensure_topics(settings, [COMMANDS])
    topic = settings.topic(COMMANDS.name)
    async with kafka.running(kafka.producer(settings, name="test")) as producer:
        for number in range(COUNT):
            value = None if number % 50 == 49 else b"%d" % number * (number % 97)
            headers = [("v", b"1")] if number % 3 else []
            await producer.send(topic, value, b"M" if number % 2 else None, 1, headers=headers)
            if number % 60 == 0:
                await producer.flush()
        await producer.flush()
    return topic


async def read(source: Reader | Bulk, topic: str, start: int, stop: int) -> list[tuple[Any, ...]]:
    return [
        (one.offset, one.timestamp, one.timestamp_type, one.key, one.value, tuple(one.headers))
        async for records in source.read(topic, 1, start, stop)
        for one in records
    ]


async def test_it_reads_what_the_plain_reader_reads(space: Settings) -> None:
    topic = await filled(space)
    try:
        for start, stop in ((0, COUNT), (0, 1), (3, 4), (59, 63), (123, 601), (COUNT - 1, COUNT), (5, 5)):
            found = await read(Bulk(space, "test"), topic, start, stop)
            assert [record[0] for record in found] == list(range(start, stop))
            assert found == await read(Reader(space, "test"), topic, start, stop)
        with pytest.raises(Broken, match=f"does not hold offset {COUNT + 5}"):
            await read(Bulk(space, "test"), topic, COUNT + 5, COUNT + 9)
    finally:
        await kafka.delete_topics(space, [topic])


async def test_a_broker_that_is_away_is_no_fault_of_ours(space: Settings) -> None:
    away = dataclasses.replace(space, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(Unwell, match="cannot be read"):
        await read(Bulk(away, "test"), "nothing", 0, 1)


def test_a_batch_whose_checksum_does_not_hold_is_not_read() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 16)
    for offset in range(3):
        builder.append(offset, 1000, b"M", b"value", [])
    batch = bytearray(builder.build())
    stretch = _Stretch(None, TP, 0, 3)
    assert [record.offset for record in stretch._unpacked(bytes(batch))] == [0, 1, 2]
    batch[-2] ^= 1
    with pytest.raises(CorruptRecordException):
        _Stretch(None, TP, 0, 3)._unpacked(bytes(batch))
