"""The API's pen for the journal: commands in, Kafka's word out; a producer that failed once is never used again.

An error means that nobody knows whether the record is in the journal. The command's row is, and the relay sends it
again until it is decided.
"""

import asyncio
import logging
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from ledger.commands import JournalRecord
from runtime import kafka
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.commands import COMMANDS_VERSION, encode_command
from schemas.topics import COMMANDS

log = logging.getLogger("api")
ACK_TIMEOUT_S = 3.0
AGAIN_S = 0.5
HEADERS = [("v", str(COMMANDS_VERSION).encode())]


class JournalAway(Exception):  # noqa: N818  # the world unwell, not a fault
    """There is no producer: nothing was sent."""


class JournalSilent(Exception):  # noqa: N818  # the world unwell, not a fault
    """Kafka did not say that it has the records: they are there, or will be sent again."""


class Journal:
    """Appends in the order of the calls, per partition."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(COMMANDS.name)
        self._producer: AIOKafkaProducer | None = None
        self._failed = asyncio.Event()

    @property
    def is_there(self) -> bool:
        return self._producer is not None

    async def ready(self) -> str | None:
        """A part of `/ready`."""
        return None if self.is_there else "There is no producer for the journal yet."

    async def append(self, records: Sequence[JournalRecord]) -> None:
        """Returns when Kafka has them all, in this order within each partition."""
        producer = self._producer
        if producer is None:
            raise JournalAway
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                acks = [
                    await producer.send(
                        self._topic,
                        encode_command(record.command),
                        key=record.command.market.encode(),
                        partition=record.partition,
                        headers=HEADERS,
                    )
                    for record in records
                ]
                await asyncio.gather(*acks)
        except kafka.UNWELL as error:
            self._give_up(producer, error)
            raise JournalSilent from error
        metrics.COMMANDS_SENT.inc(len(records))
        metrics.APPEND_SECONDS.observe(time.perf_counter() - began)

    def _give_up(self, producer: AIOKafkaProducer, error: Exception) -> None:
        """The first failure of a producer ends it; the others of the same one change nothing."""
        if self._producer is producer:
            log.warning("the journal is silent (%s); taking a new producer", type(error).__name__)
            self._producer = None
            self._failed.set()

    async def keep(self) -> None:
        """Always has a producer, or is on the way to one."""
        while True:
            producer = kafka.producer(self._settings, name="api")
            try:
                async with kafka.running(producer):
                    self._failed.clear()
                    self._producer = producer
                    await self._failed.wait()
            except kafka.UNWELL as error:
                log.info("Kafka is away (%s)", type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            finally:
                self._producer = None
