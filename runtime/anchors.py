"""What the servers do bare, with nothing of ours on top: the anchors that every other figure is compared with."""

import asyncio
import functools

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from runtime import kafka, postgres, redis
from runtime.bench import Bench, Measuring
from runtime.settings import Settings
from schemas.topics import COMMANDS

RECORDS = 20_000
VALUE = b"x" * 120
ROUND_TRIPS = 300
ROWS = list(range(1000))
WARMING = 15_000


async def measure(measuring: Measuring) -> None:
    """Kafka with the journal's own durability, PostgreSQL, Redis."""
    await _kafka(measuring)
    await _postgres(measuring)
    await _redis(measuring)


async def _kafka(measuring: Measuring) -> None:
    settings = measuring.settings
    await kafka.ensure_topics(settings, (COMMANDS,))
    topic = settings.topic(COMMANDS.name)
    try:
        async with (
            kafka.running(kafka.producer(settings, name="bench")) as producer,
            kafka.running(kafka.consumer(settings, name="bench")) as consumer,
        ):
            await measuring.rate("kafka produce", RECORDS, lambda: _produce(producer, topic), unit="records/s")
            await measuring.rate("kafka consume", RECORDS, lambda: _consume(consumer, topic), unit="records/s")
            await measuring.latency(
                "kafka one record", ROUND_TRIPS, lambda: producer.send_and_wait(topic, VALUE, partition=0)
            )
    finally:
        await kafka.delete_topics(settings, [topic])


async def warm_up(settings: Settings) -> None:
    """A broker that has just started compiles its code as it goes: the first ten thousand records take twice as long
    as those of a broker that has worked for a minute, and that is the one to measure."""
    await kafka.ensure_topics(settings, (COMMANDS,))
    topic = settings.topic(COMMANDS.name)
    partition = TopicPartition(topic, 0)
    try:
        async with (
            kafka.running(kafka.producer(settings, name="bench")) as producer,
            kafka.running(kafka.consumer(settings, name="bench")) as consumer,
        ):
            consumer.assign([partition])
            consumer.seek(partition, 0)
            for _ in range(WARMING):
                await producer.send_and_wait(topic, VALUE, partition=0)
                await consumer.getmany(partition, timeout_ms=1000)
    finally:
        await kafka.delete_topics(settings, [topic])


async def _produce(producer: AIOKafkaProducer, topic: str) -> None:
    await asyncio.gather(*[await producer.send(topic, VALUE, partition=0) for _ in range(RECORDS)])


async def _consume(consumer: AIOKafkaConsumer, topic: str) -> None:
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    seen = 0
    while seen < RECORDS:
        seen += sum(map(len, (await consumer.getmany(partition, timeout_ms=1000)).values()))


async def _postgres(measuring: Measuring) -> None:
    schema = measuring.settings.postgres_schema
    pool = await postgres.pool(measuring.settings, max_size=1, application="bench")
    try:
        async with pool.acquire() as connection:
            await connection.execute(f'CREATE SCHEMA "{schema}"; CREATE TABLE anchor (id bigint)')
            await measuring.latency("postgres round trip", ROUND_TRIPS, lambda: connection.fetchval("SELECT 1"))
            one = functools.partial(connection.execute, "INSERT INTO anchor VALUES (1)")
            await measuring.latency("postgres commit", ROUND_TRIPS, one)
            many = functools.partial(connection.execute, "INSERT INTO anchor SELECT * FROM unnest($1::bigint[])", ROWS)
            await measuring.rate("postgres insert", len(ROWS), many, unit="rows/s")
            await connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
    finally:
        await pool.close()


async def _redis(measuring: Measuring) -> None:
    async with redis.client(measuring.settings) as client:
        await measuring.latency("redis round trip", ROUND_TRIPS, client.ping)


BENCH = Bench("anchors", "Kafka, PostgreSQL and Redis bare, with nothing of ours on top", measure)
