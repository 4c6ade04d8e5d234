"""The desk: looks for closed batches in the books, buys each once, and says on `exchange.fills` what the exchange said.

The intent is written before the exchange is asked. Whoever finds one without a word waits for its expiry, asks by id,
and only then sends again. Only the exchange's word decides; unknown stays unknown, with an alarm.
"""

import asyncio
import logging
import random
import time

import aiokafka
from aiokafka.errors import KafkaError

from agents.settlement.connectors.connector import Bought, Connector, Unknown, Verdict
from agents.settlement.desk.patience import Breaker, pause_ms
from agents.settlement.desk.store import DeskStore, Due
from runtime import kafka, postgres
from runtime.crashpoints import crashpoint
from runtime.journal.halt import halt
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.batches import Failed, Fill, Filled, encode_fill
from schemas.topics import FILLS

LOOK_SECONDS = 0.2
IN_FLIGHT = 16
WINDOW_MS = 15_000
"""How long an exchange may take to execute a request; after that it refuses it."""
ASKS = 3
ALARM_ATTEMPTS = 3
VERSION_HEADERS = [("v", b"1")]
log = logging.getLogger(__name__)


class Desk:
    """One desk; several do no harm."""

    def __init__(self, settings: Settings, connector: Connector, window_ms: int = WINDOW_MS) -> None:
        self._settings = settings
        self._connector = connector
        self._window_ms = window_ms
        self._pool: postgres.Pool
        self._producer: aiokafka.AIOKafkaProducer
        self._store = DeskStore(lambda: self._pool)
        self._breaker = Breaker()
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._later: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._reason: str | None = "not started"

    def unready(self) -> str | None:
        return self._reason

    async def start(self) -> None:
        self._pool = await postgres.pool(self._settings, max_size=4, application="desk")
        self._producer = kafka.producer(self._settings, name="desk")
        await self._producer.start()
        self._task = asyncio.create_task(self._run(), name="desk")
        self._task.add_done_callback(_ended)
        self._reason = None

    async def stop(self) -> None:
        tasks = [task for task in (self._task, *self._flying.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._producer.stop()
        await self._connector.close()
        await self._pool.close()

    async def _run(self) -> None:
        while True:
            try:
                for due in await self._store.due(4 * IN_FLIGHT):
                    self._begin(due)
                self._reason = None
            except postgres.UNWELL as error:
                self._reason = f"PostgreSQL does not answer ({type(error).__name__})"
                log.warning("%s", self._reason)
            await asyncio.sleep(LOOK_SECONDS)

    def _begin(self, due: Due) -> None:
        batch_id = due.request.batch_id
        waits = due.fill is None and self._later.get(batch_id, 0) > _now_ms()
        if batch_id in self._flying or waits or len(self._flying) >= IN_FLIGHT:
            return
        task = self._flying[batch_id] = asyncio.create_task(self._handle(due), name=f"batch {batch_id}")
        task.add_done_callback(lambda _task: self._flying.pop(batch_id, None))
        task.add_done_callback(_ended)

    async def _handle(self, due: Due) -> None:
        batch_id = due.request.batch_id
        try:
            fill = due.fill or await self._buy(due)
            if fill is not None:
                await self._tell(due, fill)
        except postgres.UNWELL as error:
            log.warning("%s: PostgreSQL does not answer: %r", batch_id, error)

    async def _buy(self, due: Due) -> Fill | None:
        """The exchange's word on a batch, written down; None while it is not known."""
        batch_id = due.request.batch_id
        if not self._breaker.allows(_now_ms()):
            return None
        try:
            verdict = await self._connector.ask(due.request) if due.attempts else None
            if verdict is None:
                verdict = await self._send(due)
        except Unknown as error:
            await self._failed(due, error)
            return None
        if verdict is None:
            return None
        self._breaker.succeeded()
        self._later.pop(batch_id, None)
        fill = self._fill(due, verdict)
        crashpoint("desk.after_answer")
        await self._store.decide(fill)
        return fill

    async def _send(self, due: Due) -> Verdict | None:
        intent = await self._store.intend(due.request.batch_id, self._connector.name, self._window_ms)
        if intent is None:
            return None  # another desk is at it
        crashpoint("desk.after_intent")
        request = self._connector.round_up(due.request._replace(expires_ms=intent.expires_ms))
        try:
            return await self._connector.buy_from_exchange(request)
        except Unknown as error:
            log.warning("%s: %s; asking what became of it", request.batch_id, error)
            return await self._ask_after(due, error)

    async def _ask_after(self, due: Due, error: Unknown) -> Verdict:
        """An answer that was lost can be had by asking; that the exchange knows nothing yet decides nothing."""
        for attempt in range(ASKS):
            await asyncio.sleep(pause_ms(attempt, random.randrange(1000)) / 1000)
            verdict = await self._connector.ask(due.request)
            if verdict is not None:
                return verdict
        raise error

    async def _failed(self, due: Due, error: Unknown) -> None:
        batch_id = due.request.batch_id
        self._breaker.failed(_now_ms())
        self._later[batch_id] = _now_ms() + pause_ms(due.attempts, random.randrange(1000))
        await self._store.complain(batch_id, str(error))
        if due.attempts + 1 >= ALARM_ATTEMPTS:
            metrics.ALARMS.labels(FILLS.name).inc()
            log.error("ALARM: %s: unknown after %d attempts: %s", batch_id, due.attempts + 1, error)
        else:
            log.warning("%s: %s", batch_id, error)

    def _fill(self, due: Due, verdict: Verdict) -> Fill:
        batch_id, exchange = due.request.batch_id, self._connector.name
        if isinstance(verdict, Bought):
            order_id, base_atoms, asset, charged = verdict
            return Filled(due.market, batch_id, exchange, order_id, base_atoms, asset, charged, _now_ms())
        return Failed(due.market, batch_id, exchange, verdict.reason, _now_ms())

    async def _tell(self, due: Due, fill: Fill) -> None:
        """Said at least once; the books take it once."""
        topic, key = self._settings.topic(FILLS.name), due.market.encode()
        await self._producer.send_and_wait(topic, encode_fill(fill), key, due.partition, headers=VERSION_HEADERS)
        crashpoint("desk.after_tell")
        await self._store.told(due.request.batch_id)
        log.info("%s: %s", due.request.batch_id, fill)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ended(task: asyncio.Task[None]) -> None:
    """What nobody foresaw ends the process, a failed producer too; the next start goes on from the intents."""
    if not task.cancelled() and (error := task.exception()) is not None:
        kind = "Kafka did not take a fill" if isinstance(error, KafkaError) else "the desk failed"
        halt(f"{kind}: {task.get_name()}: {error!r}", error)
