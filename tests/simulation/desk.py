"""Purchases outside: a careless exchange, and the product's own desk before it.

The exchange executes a repeated id again, and refuses only what comes after its expiry by its own clock. It buys
wholly, partly, with a surplus or not at all; requests and answers get lost; a look-up may lag. Its memory is the proof.
"""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from agents.settlement.connectors.connector import Bought, Refused, Request, Unknown, Verdict
from agents.settlement.desk.desk import Desk
from agents.settlement.desk.patience import Breaker
from agents.settlement.desk.store import Due, Intent
from schemas.batches import Fill, encode_fill
from schemas.topics import FILLS
from tests.simulation.books import Away, Books, Database
from tests.simulation.broker import EPOCH_MS, Broker
from tests.simulation.loop import Process
from tests.simulation.violation import Violation
from tests.simulation.workers import Worker

WINDOW_MS = 6_000
ANSWER_SECONDS = 2.0
T = TypeVar("T")


class Executed(NamedTuple):
    batch_id: str
    at: float
    verdict: Verdict


class Exchange:
    """The world outside. `late` counts the requests that it refused for their expiry."""

    def __init__(self, broker: Broker) -> None:
        self.executed: list[Executed] = []
        self.late = 0
        self.loop = broker.loop
        self.weather = broker.weather
        self._ahead_ms = self.weather.rng.choice([0, -3_000, 2_000])
        self._lookup_lag = self.weather.rng.choice([0.0, 1.0])

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.loop.now * 1000) + self._ahead_ms

    async def arrive(self, request: Request, answer: "asyncio.Future[Verdict]") -> None:
        """A request on its way: whoever sent it may be dead or asleep by now, and others have taken over."""
        rng = self.weather.rng
        if self.weather.happens(5 * self.weather.not_taken):
            return
        await asyncio.sleep(rng.random() * rng.choices([0.01, 0.5, 40.0], [60, 30, 10])[0])
        if self.now_ms() > request.expires_ms:
            self.late += 1
            return
        verdict = self._execute(request)
        self.executed.append(Executed(request.batch_id, self.loop.now, verdict))
        await asyncio.sleep(rng.random() * rng.choice([0.01, 0.5]))
        if not self.weather.happens(5 * self.weather.ack_lost) and not answer.done():
            answer.set_result(verdict)

    def _execute(self, request: Request) -> Verdict:
        rng, asked = self.weather.rng, request.base_atoms
        bought = rng.choices([asked, rng.randint(1, asked), asked + 7, 0], [70, 12, 10, 8])[0]
        if not bought:
            return Refused("nobody sells")
        return Bought(f"x-{len(self.executed)}", bought, request.quote, bought * 3)

    def find(self, batch_id: str) -> Verdict | None:
        seen = self.loop.now - self._lookup_lag
        return next((one.verdict for one in self.executed if (one.batch_id, one.at <= seen) == (batch_id, True)), None)

    def audit(self, books: Books) -> None:
        """I15: each batch was executed once, and is in the books as it was executed."""
        for batch_id, count in Counter(one.batch_id for one in self.executed).items():
            if count > 1:
                raise Violation("I15", f"batch {batch_id} was executed {count} times")
        verdicts = {one.batch_id: one.verdict for one in self.executed}
        for batch in books.batches:
            verdict = verdicts.get(batch.id)
            atoms = verdict.base_atoms if isinstance(verdict, Bought) else 0
            if (batch.filled_atoms or 0) != atoms:
                raise Violation("I15", f"batch {batch.id} bought {atoms}, and the books say {batch.filled_atoms}")


class Line:
    """A desk's connector."""

    name = "simulated"

    def __init__(self, exchange: Exchange, process: Process) -> None:
        self._exchange = exchange
        self._process = process

    async def clock_ms(self) -> int:
        await self._travel()
        return self._exchange.now_ms()

    async def buy_from_exchange(self, request: Request) -> Verdict:
        self._process.check()
        loop = self._exchange.loop
        answer: asyncio.Future[Verdict] = loop.create_future()
        loop.outside.spawn(self._exchange.arrive(request, answer))
        await asyncio.wait([answer], timeout=ANSWER_SECONDS)
        if not answer.done():
            raise Unknown("no answer")
        return answer.result()

    async def ask(self, request: Request) -> Verdict | None:
        await self._travel()
        return self._exchange.find(request.batch_id)

    async def close(self) -> None:
        """Nothing is open."""

    async def _travel(self) -> None:
        weather = self._exchange.weather
        self._process.check()
        await weather.pause()
        if weather.happens(weather.not_taken):
            raise Unknown("the exchange is away")


@dataclasses.dataclass
class Attempt:
    """A row of the desk's own table."""

    expires_ms: int
    attempts: int = 1
    verdict: Fill | None = None
    is_told: bool = False


class Attempts:
    """The desk's table and what it reads of the books, over one process's connections; time is the database's."""

    def __init__(self, table: dict[str, Attempt], database: Database, now_ms: Callable[[], int]) -> None:
        self._table = table
        self._database = database
        self._now_ms = now_ms

    async def due(self, most: int, margin_ms: int, but: Sequence[str]) -> list[Due]:
        return await self._run(lambda: due(self._database.books, self._table, self._now_ms() - margin_ms, but)[:most])

    async def waiting(self) -> int:
        return len([one for one in self._database.books.batches if one.state == "closed"])

    async def intend(self, batch_id: str, _exchange: str, window_ms: int, margin_ms: int) -> Intent | None:
        def deed() -> Intent | None:
            now_ms, before = self._now_ms(), self._table.get(batch_id)
            if before is not None and (before.verdict is not None or before.expires_ms + margin_ms >= now_ms):
                return None
            attempts = 1 if before is None else before.attempts + 1
            self._table[batch_id] = Attempt(now_ms + window_ms, attempts)
            return Intent(now_ms + window_ms, attempts)

        return await self._run(deed)

    async def decide(self, fill: Fill) -> Fill:
        def deed() -> Fill:
            row = self._table[fill.batch_id]
            row.verdict = row.verdict or fill
            return row.verdict

        return await self._run(deed)

    async def complain(self, batch_id: str, error: str) -> None:
        await self._run(lambda: None)

    async def told(self, batch_id: str) -> None:
        def deed() -> None:
            self._table[batch_id].is_told = True

        await self._run(deed)

    async def _run(self, deed: Callable[[], T]) -> T:
        try:
            return await self._database.run(deed)
        except Away as error:
            raise ConnectionError(str(error)) from error


def due(books: Books, table: Mapping[str, Attempt], expired_ms: int, but: Sequence[str]) -> list[Due]:
    """As the desk's own statement: closed, every order sent, and nobody at it."""
    found = []
    for batch in sorted(books.batches, key=lambda one: (one.closed_at or 0, one.id)):
        attempt = table.get(batch.id)
        if batch.state != "closed" or batch.id in but or (attempt is not None and attempt.is_told):
            continue
        if any(order.state != "sent" for order in books.orders if order.batch_id == batch.id):
            continue
        if attempt is not None and attempt.verdict is None and attempt.expires_ms >= expired_ms:
            continue
        market = books.markets[batch.market]
        request = Request(
            batch.id, market.base, market.quote, market.base_scale, market.quote_scale,
            batch.lots * market.lot_base_atoms, "1",
        )  # fmt: skip
        attempts, verdict = (0, None) if attempt is None else (attempt.attempts, attempt.verdict)
        found.append(Due(batch.market, market.partition, request, attempts, verdict))
    return found


def desk(worker: Worker, books: Books, table: dict[str, Attempt], exchange: Exchange) -> None:
    """The product's desk as a process; several do no harm."""
    loop, weather = exchange.loop, exchange.weather

    def now_ms() -> int:
        return EPOCH_MS + int(loop.now * 1000)

    async def tell(due: Due, fill: Fill) -> None:
        """At least once, and here often more than that."""
        for _ in range(weather.rng.choice([1, 1, 2])):
            await worker.producer.send(FILLS.name, due.partition, due.market.encode(), encode_fill(fill))

    def broken(task: "asyncio.Task[None]", error: BaseException) -> None:
        worker.halt(f"{task.get_name()}: {error!r}", error)

    store = Attempts(table, Database(books, worker.process, weather), now_ms)
    one = Desk(
        store, Line(exchange, worker.process), tell, broken, WINDOW_MS, Breaker(rest_ms=500), now_ms,
        weather.rng.randrange,
    )  # fmt: skip
    worker.process.spawn(one.work()).add_done_callback(one.ended)
