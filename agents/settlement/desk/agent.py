"""The process of the desk: its connections to the books, to Kafka and to the exchange. What it does is in `desk.py`."""

import asyncio

import aiokafka
from aiokafka.errors import KafkaError

from agents.settlement.connectors.connector import Connector
from agents.settlement.desk.desk import WINDOW_MS, Desk
from agents.settlement.desk.patience import Breaker
from agents.settlement.desk.store import DeskStore, Due
from runtime import kafka, postgres
from runtime.journal.halt import halt
from runtime.settings import Settings
from schemas.batches import Fill, encode_fill
from schemas.topics import FILLS

VERSION_HEADERS = [("v", b"1")]


class DeskWorker:
    """One desk and all that it needs."""

    def __init__(
        self, settings: Settings, connector: Connector, window_ms: int = WINDOW_MS, breaker: Breaker | None = None
    ) -> None:
        self._settings = settings
        self._connector = connector
        self._pool: postgres.Pool
        self._producer: aiokafka.AIOKafkaProducer
        store = DeskStore(lambda: self._pool)
        self._desk = Desk(store, connector, self._tell, _broken, window_ms, breaker or Breaker())
        self._task: asyncio.Task[None] | None = None

    def unready(self) -> str | None:
        return self._desk.reason

    async def start(self) -> None:
        self._pool = await postgres.pool(self._settings, max_size=4, application="desk")
        self._producer = kafka.producer(self._settings, name="desk")
        await self._producer.start()
        self._task = asyncio.create_task(self._desk.work(), name="desk")
        self._task.add_done_callback(self._desk.ended)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._desk.stop()
        await self._producer.stop()
        await self._connector.close()
        await self._pool.close()

    async def _tell(self, due: Due, fill: Fill) -> None:
        topic, key = self._settings.topic(FILLS.name), due.market.encode()
        await self._producer.send_and_wait(topic, encode_fill(fill), key, due.partition, headers=VERSION_HEADERS)


def _broken(task: asyncio.Task[None], error: BaseException) -> None:
    kind = "Kafka did not take a fill" if isinstance(error, KafkaError) else "the desk failed"
    halt(f"{kind}: {task.get_name()}: {error!r}", error)
