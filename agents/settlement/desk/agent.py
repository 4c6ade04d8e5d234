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
from agents.settlement.desk.patience import FAILURES, MARGIN_MS, Breaker, pause_ms
from agents.settlement.desk.store import DeskStore, Due
from runtime import kafka, postgres
from runtime.crashpoints import crashpoint
from runtime.journal.halt import halt
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.batches import Failed, Fill, Filled, encode_fill
from schemas.topics import BATCHES, FILLS

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

    def __init__(
        self,
        settings: Settings,
        connector: Connector,
        window_ms: int = WINDOW_MS,
        breaker: Breaker | None = None,
    ) -> None:
        self._settings = settings
        self._connector = connector
        self._window_ms = window_ms
        self._pool: postgres.Pool
        self._producer: aiokafka.AIOKafkaProducer
        self._store = DeskStore(lambda: self._pool)
        self._breaker = breaker or Breaker()
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
                await self._look()
                self._reason = None
            except postgres.UNWELL as error:
                self._reason = f"PostgreSQL does not answer ({type(error).__name__})"
                log.warning("%s", self._reason)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        """Begins what is due, as many at once as may fly. Those that wait for later are in nobody's way."""
        now_ms = _now_ms()
        self._later = {batch_id: until for batch_id, until in self._later.items() if until > now_ms}
        for due in await self._store.due(IN_FLIGHT - len(self._flying), MARGIN_MS, [*self._flying, *self._later]):
            self._begin(due)
        metrics.LAG.labels(BATCHES.name, "all").set(await self._store.waiting())
        metrics.BREAKER_OPEN.labels(self._connector.name).set(self._breaker.is_open)

    def _begin(self, due: Due) -> None:
        batch_id = due.request.batch_id
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
        crashpoint("desk.after_answer")
        return await self._decide(due, self._fill(due, verdict))

    async def _decide(self, due: Due, fill: Fill) -> Fill:
        """The first word stays, and is what the books are told; a person may have been quicker than the exchange."""
        metrics.DESK_ANSWERS.labels(self._connector.name, "filled" if isinstance(fill, Filled) else "refused").inc()
        first = await self._store.decide(fill)
        if _said(first) != _said(fill):
            self._alarm(f"{due.request.batch_id}: the exchange says {fill}, but it was told already as {first}")
        return first

    async def _send(self, due: Due) -> Verdict | None:
        """None when another desk is at it. A request is not sent where the exchange would see it expire too late."""
        clock_ms = await self._connector.clock_ms()
        intent = await self._store.intend(due.request.batch_id, self._connector.name, self._window_ms, MARGIN_MS)
        if intent is None:
            return None
        crashpoint("desk.after_intent")
        request = due.request._replace(intended_ms=intent.expires_ms - self._window_ms, expires_ms=intent.expires_ms)
        if request.intended_ms - clock_ms > MARGIN_MS:
            raise Unknown(f"the exchange's clock is {request.intended_ms - clock_ms} ms behind the intent")
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
        metrics.DESK_ANSWERS.labels(self._connector.name, "unknown").inc()
        if self._breaker.failed(_now_ms()):
            self._alarm(f"{self._connector.name} is left alone for a while after {FAILURES} failures in a row: {error}")
        self._later[batch_id] = _now_ms() + pause_ms(due.attempts, random.randrange(1000))
        await self._store.complain(batch_id, str(error))
        if due.attempts + 1 >= ALARM_ATTEMPTS:
            self._alarm(f"{batch_id}: unknown after {due.attempts + 1} attempts: {error}")
        else:
            log.warning("%s: %s", batch_id, error)

    def _alarm(self, sentence: str) -> None:
        metrics.DESK_ALARMS.labels(self._connector.name).inc()
        log.error("ALARM: %s", sentence)

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


def _said(fill: Fill) -> tuple[int, str, int]:
    """What a fill says, apart from who said it and when."""
    return (fill.base_atoms, fill.charged_asset, fill.charged_atoms) if isinstance(fill, Filled) else (0, "", 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ended(task: asyncio.Task[None]) -> None:
    """What nobody foresaw ends the process, a failed producer too; the next start goes on from the intents."""
    if not task.cancelled() and (error := task.exception()) is not None:
        kind = "Kafka did not take a fill" if isinstance(error, KafkaError) else "the desk failed"
        halt(f"{kind}: {task.get_name()}: {error!r}", error)
