"""The desk: looks for closed batches in the books, buys each once, and tells what the exchange said.

The intent is written before the exchange is asked. Whoever finds one without a word waits for its expiry, asks by id,
and only then sends again. Only the exchange's word decides; unknown stays unknown, with an alarm.
"""

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from agents.settlement.connectors.connector import Bought, Connector, Unknown, Verdict
from agents.settlement.desk.patience import FAILURES, MARGIN_MS, Breaker, pause_ms
from agents.settlement.desk.store import Due, Intent
from runtime import postgres
from runtime.crashpoints import crashpoint
from runtime.telemetry import metrics
from schemas.batches import Failed, Fill, Filled
from schemas.topics import BATCHES

LOOK_SECONDS = 0.2
IN_FLIGHT = 16
WINDOW_MS = 15_000
"""How long an exchange may take to execute a request; after that it refuses it."""
ASKS = 3
ALARM_ATTEMPTS = 3
log = logging.getLogger(__name__)


class Store(Protocol):
    """The books as the desk sees them; see `agents/settlement/desk/store.py`."""

    async def due(self, most: int, margin_ms: int, but: Sequence[str]) -> list[Due]: ...

    async def waiting(self) -> int: ...

    async def intend(self, batch_id: str, exchange: str, window_ms: int, margin_ms: int) -> Intent | None: ...

    async def decide(self, fill: Fill) -> Fill: ...

    async def complain(self, batch_id: str, error: str) -> None: ...

    async def told(self, batch_id: str) -> None: ...


@dataclasses.dataclass
class Desk:
    """One desk; several do no harm. `tell` says a fill to the books at least once; `broken` ends the process."""

    store: Store
    connector: Connector
    tell: Callable[[Due, Fill], Awaitable[None]]
    broken: Callable[[asyncio.Task[None], BaseException], None]
    window_ms: int = WINDOW_MS
    breaker: Breaker = dataclasses.field(default_factory=Breaker)
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    draw: Callable[[int], int] = random.randrange
    reason: str | None = "not started"
    _flying: dict[str, asyncio.Task[None]] = dataclasses.field(default_factory=dict)
    _later: dict[str, int] = dataclasses.field(default_factory=dict)

    async def work(self) -> None:
        """For ever."""
        while True:
            try:
                await self._look()
                self.reason = None
            except postgres.UNWELL as error:
                self.reason = f"PostgreSQL does not answer ({type(error).__name__})"
                log.warning("%s", self.reason)
            await asyncio.sleep(LOOK_SECONDS)

    async def stop(self) -> None:
        tasks = list(self._flying.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        """Begins what is due, as many at once as may fly. Those that wait for later are in nobody's way."""
        now_ms = self.clock_ms()
        self._later = {batch_id: until for batch_id, until in self._later.items() if until > now_ms}
        for due in await self.store.due(IN_FLIGHT - len(self._flying), MARGIN_MS, [*self._flying, *self._later]):
            self._begin(due)
        metrics.LAG.labels(BATCHES.name, "all").set(await self.store.waiting())
        metrics.BREAKER_OPEN.labels(self.connector.name).set(self.breaker.is_open)

    def _begin(self, due: Due) -> None:
        batch_id = due.request.batch_id
        task = self._flying[batch_id] = asyncio.create_task(self._handle(due), name=f"batch {batch_id}")
        task.add_done_callback(lambda _task: self._flying.pop(batch_id, None))
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[None]) -> None:
        """What nobody foresaw ends the process, a failed producer too; the next start goes on from the intents."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken(task, error)

    async def _handle(self, due: Due) -> None:
        batch_id = due.request.batch_id
        try:
            fill = due.fill or await self._buy(due)
            if fill is None:
                return
            await self.tell(due, fill)
            crashpoint("desk.after_tell")
            await self.store.told(batch_id)
            log.info("%s: %s", batch_id, fill)
        except postgres.UNWELL as error:
            log.warning("%s: PostgreSQL does not answer: %r", batch_id, error)

    async def _buy(self, due: Due) -> Fill | None:
        """The exchange's word on a batch, written down; None while it is not known."""
        if not self.breaker.allows(self.clock_ms()):
            return None
        try:
            verdict = await self.connector.ask(due.request) if due.attempts else None
            if verdict is None:
                verdict = await self._send(due)
        except Unknown as error:
            await self._failed(due, error)
            return None
        if verdict is None:
            return None
        self.breaker.succeeded()
        crashpoint("desk.after_answer")
        return await self._decide(due, self._fill(due, verdict))

    async def _decide(self, due: Due, fill: Fill) -> Fill:
        """The first word stays, and is what the books are told; a person may have been quicker than the exchange."""
        metrics.DESK_ANSWERS.labels(self.connector.name, "filled" if isinstance(fill, Filled) else "refused").inc()
        first = await self.store.decide(fill)
        if _said(first) != _said(fill):
            self._alarm(f"{due.request.batch_id}: the exchange says {fill}, but it was told already as {first}")
        return first

    async def _send(self, due: Due) -> Verdict | None:
        """None when another desk is at it. A request is not sent where the exchange would see it expire too late."""
        clock_ms = await self.connector.clock_ms()
        intent = await self.store.intend(due.request.batch_id, self.connector.name, self.window_ms, MARGIN_MS)
        if intent is None:
            return None
        crashpoint("desk.after_intent")
        request = due.request._replace(intended_ms=intent.expires_ms - self.window_ms, expires_ms=intent.expires_ms)
        if request.intended_ms - clock_ms > MARGIN_MS:
            raise Unknown(f"the exchange's clock is {request.intended_ms - clock_ms} ms behind the intent")
        try:
            return await self.connector.buy_from_exchange(request)
        except Unknown as error:
            log.warning("%s: %s; asking what became of it", request.batch_id, error)
            return await self._ask_after(due, error)

    async def _ask_after(self, due: Due, error: Unknown) -> Verdict:
        """An answer that was lost can be had by asking; that the exchange knows nothing yet decides nothing."""
        for attempt in range(ASKS):
            await asyncio.sleep(pause_ms(attempt, self.draw(1000)) / 1000)
            verdict = await self.connector.ask(due.request)
            if verdict is not None:
                return verdict
        raise error

    async def _failed(self, due: Due, error: Unknown) -> None:
        batch_id, attempts = due.request.batch_id, due.attempts + 1
        metrics.DESK_ANSWERS.labels(self.connector.name, "unknown").inc()
        if self.breaker.failed(self.clock_ms()):
            self._alarm(f"{self.connector.name} is left alone for a while after {FAILURES} failures in a row: {error}")
        self._later[batch_id] = self.clock_ms() + pause_ms(due.attempts, self.draw(1000))
        await self.store.complain(batch_id, str(error))
        if attempts >= ALARM_ATTEMPTS:
            self._alarm(f"{batch_id}: unknown after {attempts} attempts: {error}")
        else:
            log.warning("%s: %s", batch_id, error)

    def _alarm(self, sentence: str) -> None:
        metrics.DESK_ALARMS.labels(self.connector.name).inc()
        log.error("ALARM: %s", sentence)

    def _fill(self, due: Due, verdict: Verdict) -> Fill:
        batch_id, exchange, now_ms = due.request.batch_id, self.connector.name, self.clock_ms()
        if isinstance(verdict, Bought):
            order_id, base_atoms, asset, charged = verdict
            return Filled(due.market, batch_id, exchange, order_id, base_atoms, asset, charged, now_ms)
        return Failed(due.market, batch_id, exchange, verdict.reason, now_ms)


def _said(fill: Fill) -> tuple[int, str, int]:
    """What a fill says, apart from who said it and when."""
    return (fill.base_atoms, fill.charged_asset, fill.charged_atoms) if isinstance(fill, Filled) else (0, "", 0)
