"""Leaves a mark in each of the three servers, or looks for it: `mark.py write|read WORD`, run inside a clone.

Proves that data is kept with the servers' own clients alone, whatever the exchange itself keeps there.
"""

import asyncio
import sys

import asyncpg
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from runtime.embedded.home import resolve
from runtime.settings import Settings, load

TOPIC = "proof"
PARTITION = TopicPartition(TOPIC, 0)


async def postgres(settings: Settings, write: str | None) -> set[str]:
    connection = await asyncpg.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password,
        database=settings.postgres_db,
    )
    try:
        await connection.execute("create table if not exists proof (word text)")
        if write is not None:
            await connection.execute("insert into proof values ($1)", write)
        return {row["word"] for row in await connection.fetch("select word from proof")}
    finally:
        await connection.close()


async def valkey(settings: Settings, write: str | None) -> set[str]:
    client = redis.asyncio.Redis(
        host=str(settings.redis_host), port=settings.redis_port, password=settings.redis_password, decode_responses=True
    )
    async with client:
        if write is not None:
            await client.sadd(TOPIC, write)
            await client.waitaof(1, 0, 5000)  # on the disk before it counts: the file is flushed once a second
        return {str(word) for word in await client.smembers(TOPIC)}


async def kafka(settings: Settings, write: str | None) -> set[str]:
    if write is not None:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
        finally:
            await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(TOPIC, write.encode(), partition=0)
        finally:
            await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
    await consumer.start()
    try:
        consumer.assign([PARTITION])
        await consumer.seek_to_beginning(PARTITION)
        count = (await consumer.end_offsets([PARTITION]))[PARTITION]
        return {(await consumer.getone()).value.decode() for _ in range(count)}
    finally:
        await consumer.stop()


async def main(verb: str, word: str) -> int:
    settings = resolve(load())
    write = word if verb == "write" else None
    for server in (postgres, valkey, kafka):
        async with asyncio.timeout(20):
            found = await server(settings, write)
        if word not in found:
            print(f"{server.__name__} does not have {word}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
