"""Publishes the outbox to `ledger.entries`, in order, key = user: a row goes only after Kafka has its entry.

Any number of processes try; one at a time does it. Whoever dies in between has said an entry twice, never none. Locks
of rows are not held over the network, and a user's rows are in the order of his commits, since his wallet was locked.
"""

import asyncio
import logging
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from ledger.connection import Connection
from ledger.queries import query
from runtime import kafka, postgres
from runtime.crashpoints import crashpoint
from runtime.settings import Settings
from schemas.entries import ENTRIES_VERSION, encode_entry, entry_of
from schemas.topics import LEDGER_ENTRIES

log = logging.getLogger(__name__)

AT_ONCE = 500
EVERY_S = 0.25
AGAIN_S = 1.0
ACK_TIMEOUT_S = 10.0
HEADERS = [("v", str(ENTRIES_VERSION).encode())]
AWAY: tuple[type[Exception], ...] = (*kafka.UNWELL, *postgres.UNWELL, asyncpg.InterfaceError)


class Outbox:
    """One per process that writes to it."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self._settings = settings
        self._topic = settings.topic(LEDGER_ENTRIES.name)
        self._pool = pool

    async def for_ever(self) -> None:
        """Takes a new producer after every failure, since the outcome of the old one's records is unknown."""
        while True:
            try:
                async with kafka.running(kafka.producer(self._settings, name="outbox")) as producer:
                    await self._keep_publishing(producer)
            except AWAY as error:
                log.info("the outbox waits (%s)", type(error).__name__)
            await asyncio.sleep(AGAIN_S)

    async def _keep_publishing(self, producer: AIOKafkaProducer) -> None:
        while True:
            if await self.once(producer) < AT_ONCE:
                await asyncio.sleep(EVERY_S)

    async def once(self, producer: AIOKafkaProducer) -> int:
        """Publishes the oldest entries and returns how many; none, while another process does it."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval(query("outbox.lock")):
                return 0
            try:
                return await self._publish(connection, producer)
            finally:
                await _unlock(connection)

    async def _publish(self, connection: Connection, producer: AIOKafkaProducer) -> int:
        rows = await connection.fetch(query("outbox.oldest"), AT_ONCE)
        if not rows:
            return 0
        async with asyncio.timeout(ACK_TIMEOUT_S):
            await asyncio.gather(*[await self._send(producer, row) for row in rows])
        crashpoint("outbox.after_produce")
        await connection.execute(query("outbox.forget"), [row["id"] for row in rows])
        return len(rows)

    async def _send(self, producer: AIOKafkaProducer, row: asyncpg.Record) -> "asyncio.Future[Any]":
        value = encode_entry(entry_of(row["kind"], row["id"], row["entry"]))
        key = str(row["user_id"]).encode()
        future: asyncio.Future[Any] = await producer.send(self._topic, value, key=key, headers=HEADERS)
        return future


async def _unlock(connection: Connection) -> None:
    """The lock is the session's, so a connection that cannot give it back must not live on."""
    try:
        await connection.execute(query("outbox.unlock"))
    except BaseException:
        connection.terminate()
        raise
