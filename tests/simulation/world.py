"""One seed's exchange: the servers, the processes, the people, the faults, and what is left of it in the end.

Processes die and are started again, zombies wake up beside their successors; when the last fault has healed, everything
must come to rest within a bound, and the auditor must find nothing.
"""

import dataclasses
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from agents.matching.agent import PROGRAM
from agents.settlement.desk import desk as desk_module
from ledger.accounts import NewUser
from ledger.settlement import Decided
from runtime.journal import keeper, lane, sink
from runtime.journal.machine import Program
from runtime.journal.partition import Partition
from schemas.commands import Tick, encode_command
from schemas.topics import COMMANDS, EXECUTIONS, TRADES
from tests.ledger.memory.rows import Market
from tests.simulation import workers
from tests.simulation.auditor import Auditor
from tests.simulation.books import Books, Database
from tests.simulation.broker import Broker, Record
from tests.simulation.clients import Client, Units
from tests.simulation.desk import Attempt, Exchange, desk
from tests.simulation.door import Door
from tests.simulation.journal_audit import JournalAudit
from tests.simulation.loop import Loop, Process
from tests.simulation.nemesis import Nemesis
from tests.simulation.violation import Violation
from tests.simulation.weather import Weather
from tests.simulation.workers import Worker

PARTITIONS = 2
CLIENTS, REQUESTS = 4, 10
MARKETS = (
    Units("AAA-USD", "AAA", "USD", lot_atoms=10, tick_lot_atoms=7),
    Units("BBB-USD", "BBB", "USD", lot_atoms=1, tick_lot_atoms=1),
    Units("AAA-BBB", "AAA", "BBB", lot_atoms=10, tick_lot_atoms=3),
)
MOST_STEPS = 60_000
DAY_MS = 25 * 60 * 60 * 1000
REST_SECONDS = 200.0
HOUSE_PRICE = 101


What = str | tuple[str, Record]
Entry = tuple[float, int, What]


@dataclasses.dataclass
class Report:
    """What one seed was like."""

    seed: int
    steps: int
    crashes: int
    histogram: Counter[str]
    trace: list["Entry"]
    violation: Violation | None

    def lines(self) -> Iterator[str]:
        """The trace for a person."""
        for now, step, what in self.trace:
            if not isinstance(what, str):
                topic, record = what
                shown = record.value if not topic.endswith("changelog") else record.key
                what = f"{topic}/{record.partition}@{record.offset} {shown.decode('utf-8', 'replace')}"
            yield f"{now:9.4f} {step:6d}  {what}"

    def digest(self) -> str:
        """The same for the same seed, wherever and whenever it runs."""
        return hashlib.sha256(repr(self.trace).encode()).hexdigest()


class World:
    """Everything of one run."""

    def __init__(self, seed: int, *, program: Program[Any, Any] = PROGRAM, relays: bool = True) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.loop = Loop(self.rng)
        self.weather = Weather.drawn(self.rng)
        self.trace: list[Entry] = []
        self.counts: Counter[str] = Counter()
        self.books = _books(lambda: self.loop.now)
        self.broker = Broker(self.loop, self.weather, PARTITIONS)
        self.journal = JournalAudit()
        units = {market.symbol: market for market in MARKETS}
        self.auditor = Auditor(self.books, self.journal, units, self.broker.logs)
        self.books.committed = self._committed
        self.broker.appended = self._appended
        self.loop.ended = self._ended
        self.program = _in_parts(program, self.rng)
        self.windows = workers.windows(self.rng)
        self.workers: dict[str, Worker] = {}
        self.doors: dict[str, Door] = {}
        self.generations: Counter[str] = Counter()
        self.roles: dict[str, Callable[[], None]] = {}
        self.clients: list[Client] = []
        self.nemesis = Nemesis(self)
        self.exchange = Exchange(self.broker)
        self.attempts: dict[str, Attempt] = {}
        self._day_has_passed = False

    # --- what is watched ---

    def note(self, what: "What", count: str | None = None) -> None:
        self.trace.append((self.loop.now, self.loop.steps, what))
        if count is not None:
            self.counts[count] += 1

    def _committed(self, what: str) -> None:
        self.note(f"commit: {what}", f"commit: {what}")
        self._audited(lambda: self.auditor.committed(what))

    def _appended(self, topic: str, record: Record) -> None:
        self.note((topic, record), f"log: {topic}")
        self._audited(lambda: self.journal.appended(topic, record))

    def _audited(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Violation as violation:
            self.loop.stop(violation)

    def _halted(self, message: str, error: BaseException | None) -> None:
        self.note(message)
        self.loop.stop(Violation("I14", message))

    def _ended(self, process: Process) -> None:
        self.note(f"{process.name} died {process.why}", f"death: {process.why.split(':')[0]}")
        self.nemesis.died(process)

    # --- who runs ---

    def start(self) -> None:
        split = self.rng.random() < 0.6
        shares: list[Sequence[int]] = [[number] for number in range(PARTITIONS)] if split else [range(PARTITIONS)]
        for number, share in enumerate(shares):
            self.role(f"matching{number}", lambda name, share=share: self._matching(name, share))
            self.role(f"wallet{number}", lambda name, share=share: self._wallet(name, share))
        self.role(
            "settlement", lambda name: workers.machine(self._worker(name), self.broker, self.windows, range(PARTITIONS))
        )
        self.role("desk", lambda name: desk(self._worker(name), self.books, self.attempts, self.exchange))
        self.role("marketdata", lambda name: self._marketdata(name, range(PARTITIONS)))
        for number in range(2):
            self.role(f"api{number}", self._door)

    def role(self, name: str, begin: Callable[[str], None]) -> None:
        """A place in the exchange that must always be filled; a new agent joins the simulation here."""
        self.roles[name] = lambda: begin(name)
        self.roles[name]()

    def _worker(self, name: str) -> Worker:
        self.generations[name] += 1
        worker = Worker(self.loop, self.broker, name, self.generations[name], self._halted)
        self.workers[name] = worker
        self.note(f"{worker.process.name} starts")
        return worker

    def _matching(self, name: str, share: Sequence[int]) -> None:
        workers.machine(self._worker(name), self.broker, self.program, share)

    def _marketdata(self, name: str, share: Sequence[int]) -> None:
        workers.marketdata(self._worker(name), self.broker, share)

    def _wallet(self, name: str, share: Sequence[int]) -> None:
        worker = self._worker(name)
        database = Database(self.books, worker.process, self.weather)
        store = workers.Store(self.books, database, self._announce)
        workers.wallet(worker, share, store, workers.weight(self.weather))

    def _door(self, name: str) -> None:
        self.generations[name] += 1
        self.doors[name] = Door(self.loop, self.broker, self.books, f"{name}-{self.generations[name]}")

    def _announce(self, decided: Sequence[Decided]) -> None:
        for door in list(self.doors.values()):
            if door.process.alive and not self.weather.happens(self.weather.word_lost):
                door.hear([one for one in decided if one.reply == door.process.name])

    def process(self, name: str) -> Process:
        return self.doors[name].process if name in self.doors else self.workers[name].process

    # --- one life ---

    async def _live(self) -> None:
        opener = Client(self.loop, self.weather, 0, list(MARKETS), self._open_doors)
        for market in MARKETS:
            await opener.ask("govern", market.symbol, "open_market", _terms(market, self.rng))
        await opener.ask("govern", MARKETS[0].symbol, "list_price", {"price_ticks": HOUSE_PRICE})
        for user in self.books.users:
            client = Client(self.loop, self.weather, user.id, list(MARKETS), self._open_doors)
            client.witness = self._witness
            self.clients.append(client)
            for asset, atoms in (("USD", 400_000), ("AAA", 3_000), ("BBB", 20_000)):
                await client.deposit(asset, atoms)
        for client in self.clients:
            self.loop.outside.spawn(client.trade(REQUESTS, lambda: not self.nemesis.is_done))
        self.loop.outside.spawn(self.nemesis.rage())

    def _witness(self, verb: str, answer: Any) -> None:
        self.counts[f"answer: {verb} {answer.kind}"] += 1
        self._audited(lambda: self.auditor.answered(verb, answer, self.books.orders.get(answer.order_id)))

    def _open_doors(self) -> list[Door]:
        return [door for door in self.doors.values() if door.process.alive]

    def run(self) -> Report:
        violation: Violation | None = None
        with self.loop.running(), _quietly(self.loop):
            try:
                self.start()
                self.loop.outside.spawn(self._live())
                self._until_done()
                self._audit_the_end()
            except Violation as error:
                violation = error
            finally:
                self._close()
        counts = self.counts + Counter({f"fault: {name}": n for name, n in self.nemesis.counts.items()})
        crashes = self.nemesis.crashes
        return Report(self.seed, self.loop.steps, crashes, counts, self.trace, violation)

    def _close(self) -> None:
        """Nobody watches any more; whoever still runs ends here."""
        self.broker.appended = lambda topic, record: None
        self.books.committed = lambda what: None
        self.loop.ended = lambda process: None
        for process in list(self.loop.processes):
            process.alive = True
            self.loop.kill(process, "at the end")

    def _until_done(self) -> None:
        """Steps until everybody has what he wanted and nothing moves any more."""
        healed: float | None = None
        while True:
            for _ in range(50):
                self.loop.step()
                if self.loop.stopped is not None:
                    raise self.loop.stopped
            if healed is None and self.nemesis.is_done:
                healed = self.loop.now
            if healed is not None and self._is_still():
                return
            if self.loop.steps > MOST_STEPS or (healed is not None and self.loop.now > healed + REST_SECONDS):
                raise Violation("I14", f"no rest {REST_SECONDS:.0f} seconds after the last fault: {self._unrest()}")

    def _is_still(self) -> bool:
        if any(client.is_busy for client in self.clients) or self._unrest():
            return False
        if self._day_has_passed:
            return True
        self._day_has_passed = True
        self._let_a_day_pass()
        return False

    def _let_a_day_pass(self) -> None:
        """Whatever still waits in a window is too old now."""
        symbol = MARKETS[0].symbol
        self.broker.skew_ms = DAY_MS
        tick = encode_command(Tick(market=symbol))
        self.broker.append(COMMANDS.name, self.books.markets[symbol].partition, symbol.encode(), tick)

    def _unrest(self) -> str:
        """What is not done yet."""
        if busy := [client.user_id for client in self.clients if client.is_busy]:
            return f"users {busy} wait for an answer"
        if pending := self.books.pending():
            return f"commands {pending} are pending"
        if waiting := [batch.id for batch in self.books.batches if batch.state == "closed"]:
            return f"batches {waiting} are not bought"
        for worker in self.workers.values():
            if not worker.process.alive:
                return f"{worker.process.name} is away"
            if not worker.producer.is_idle:
                return f"{worker.process.name} has records on the way"
            for tp, one in worker.lanes.items():
                if not one.ready or one.next < self.broker.end(*tp):
                    return f"{worker.process.name} is at {one.next} of {tp}, which ends at {self.broker.end(*tp)}"
        return ""

    def _audit_the_end(self) -> None:
        said = [one for client in self.clients for one in client.said]
        self.auditor.finish(said, workers.views(self.workers["marketdata"]))
        self.exchange.audit(self.books)
        for number in range(PARTITIONS):
            self._replay(number)
        self.counts["runs that came too early"] += self.books.early
        self.counts["repeats dropped"] += self.journal.repeats
        self.counts["batches bought"] += len(self.exchange.executed)
        self.counts["requests that came too late"] += self.exchange.late

    def _replay(self, number: int) -> None:
        """The journal executed once more, uninterrupted, gives the same bytes."""
        state = Partition(self.program, number)
        said: dict[str, list[bytes]] = {EXECUTIONS.name: [], TRADES.name: []}
        for outgoing in state.run(self.broker.logs[COMMANDS.name, number]):
            if outgoing.topic in said:
                said[outgoing.topic].append(outgoing.value)
        for topic, values in said.items():
            seen: dict[bytes, None] = dict.fromkeys(record.value for record in self.broker.logs[topic, number])
            if list(seen) != values:
                raise Violation("I12", f"{topic}/{number}: a replay from offset 0 says something else")


def _sizes(market: Units) -> tuple[str, str]:
    """A lot of lot_atoms, and a tick that makes tick_lot_atoms of it."""
    lot = "0.1" if market.lot_atoms == 10 else "0.01"
    return lot, {"AAA-USD": "0.7", "BBB-USD": "1", "AAA-BBB": "0.3"}[market.symbol]


def _books(clock: Callable[[], float]) -> Books:
    """Everybody, and the markets as rows; the commands that open them come through the door."""
    books = Books(clock)
    for number in range(1, CLIENTS + 1):
        books.create_user(NewUser(name=f"client {number}"))
    for number, market in enumerate(MARKETS):
        lot, tick = _sizes(market)
        row = Market(
            id=number, symbol=market.symbol, base=market.base, quote=market.quote, partition=number % PARTITIONS,
            is_house=number == 0, base_scale=2, quote_scale=2, tick_size=Decimal(tick), lot_size=Decimal(lot),
            lot_base_atoms=market.lot_atoms, tick_lot_quote_atoms=market.tick_lot_atoms,
        )  # fmt: skip
        books.markets.put(row)
    for code in ("AAA", "BBB"):
        books.add_currency(code, code, 2)
    return books


def _terms(market: Units, rng: random.Random) -> dict[str, Any]:
    lot, tick = _sizes(market)
    return {
        "base": market.base, "quote": market.quote, "base_scale": 2, "quote_scale": 2, "tick_size": tick,
        "lot_size": lot, "maker_fee_bps": rng.choice([0, 33]), "taker_fee_bps": rng.choice([0, 77, 10_000]),
        "min_notional_atoms": rng.choice([0, 300]),
    }  # fmt: skip


def _in_parts(program: Program[Any, Any], rng: random.Random) -> Program[Any, Any]:
    """Outcomes come in parts sooner than in life, so that parts are seen."""
    executions, *others = program.streams
    few = dataclasses.replace(executions, per_record=rng.choice([2, 3, 500]))
    return dataclasses.replace(program, streams=(few, *others))


class _Unfrozen:
    """Stands in for `gc`: what lives long in a process is gone in a moment here."""

    @staticmethod
    def freeze() -> None:
        """Nothing."""


@contextmanager
def _quietly(loop: Loop) -> Iterator[None]:
    """Crash points lead here, and nothing is logged."""
    with ExitStack() as stack:
        for module in (keeper, lane, sink, desk_module):
            stack.enter_context(patch.object(module, "crashpoint", loop.reached))
        stack.enter_context(patch.object(keeper, "gc", _Unfrozen))
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, before)
        yield


def simulate(seed: int, **options: Any) -> Report:
    """One seed from beginning to end."""
    return World(seed, **options).run()
