"""Asks a broker the only question that proves it ready: write this record, and give it back to me.

Each attempt opens its own clients and closes them: nothing is left behind when the broker is restarted or we are.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from runtime.embedded.program import NotReady

TIMEOUT_S = 10.0  # a machine under load is slow, not broken
RETENTION = {"retention.ms": "3600000", "segment.bytes": "1048576"}


class BrokerProbe:
    """A produce and a consume on a topic of its own, which is made at the first attempt."""

    def __init__(self, address: str, topic: str) -> None:
        self._address = address
        self._partition = TopicPartition(topic, 0)
        self._topic_made = False

    async def attempt(self) -> None:
        """One record there and back; raises NotReady."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._connects()
                await self._there_and_back()
        except TimeoutError:
            raise NotReady(f"kafka on {self._address} did not give a record back in {TIMEOUT_S:.0f} s.") from None
        except (KafkaError, OSError) as error:
            raise NotReady(f"kafka on {self._address} does not serve yet ({error!r}).") from error

    async def _connects(self) -> None:
        """Before the clients are asked: they log each refused connection as an error."""
        host, _, port = self._address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()

    async def _there_and_back(self) -> None:
        if not self._topic_made:
            await self._make_topic()
        text = uuid.uuid4().bytes
        async with _running(self._producer()) as producer:
            sent = await producer.send_and_wait(self._partition.topic, text, partition=0)
        async with _running(self._consumer()) as consumer:
            consumer.assign([self._partition])
            consumer.seek(self._partition, sent.offset)
            if (await consumer.getone()).value != text:
                raise NotReady(f"kafka on {self._address} gave another record back than was written.")

    async def _make_topic(self) -> None:
        async with _running(AIOKafkaAdminClient(bootstrap_servers=self._address)) as admin:
            answer = await admin.create_topics([NewTopic(self._partition.topic, 1, 1, topic_configs=RETENTION)])
        for _, code, *_ in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)
        self._topic_made = True

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=self._address, acks="all", request_timeout_ms=2000)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(bootstrap_servers=self._address, enable_auto_commit=False, request_timeout_ms=2000)


@asynccontextmanager
async def _running(client: Any) -> AsyncIterator[Any]:
    """Started, and closed whatever happens, also when the start itself failed half-way."""
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    try:
        await client.start()
        yield client
    finally:
        await stop()
