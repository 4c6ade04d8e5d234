"""The agents as processes: the product's own lanes, keepers and sinks, over the simulated Kafka and books.

Nothing of the journal is rewritten here. What brings the records is: it loses runs, repeats them and comes late.
"""

import asyncio
import functools
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from faust.types import TP

from agents.marketdata.agent import program as marketdata_program
from agents.matching.agent import PROGRAM
from agents.settlement.agent import program as settlement_program
from agents.settlement.terms import HOUR_MS, WindowTerms
from agents.wallet.agent import FEEDS
from ledger.settlement import Decided
from runtime.journal.errors import NotYet, Unwell
from runtime.journal.keeper import Keeper
from runtime.journal.lane import Follower, Lane
from runtime.journal.machine import Program
from runtime.journal.rounds import Budget, Rhythm
from runtime.journal.sink import Feed, Run, Sink
from runtime.journal.watermark import Mark
from schemas.topics import Topic
from tests.simulation.books import Away, Books, Database
from tests.simulation.broker import Broker, Outage, Outlet, Producer, Source
from tests.simulation.loop import Loop, Process
from tests.simulation.weather import Weather

TICK_SECONDS = 0.5


class Purse(Budget):
    """Rounds cost nothing here: their price is measured by a clock, and there is none."""

    def spent(self, now: float, cost_seconds: float, size: int) -> None:
        self.free_at = now


class Group:
    """What a follower knows of its group. A zombie goes on owning its partitions until it is told."""

    def __init__(self, broker: Broker, name: str, generation: int) -> None:
        self.changelog = f"{name}-changelog"
        self.generation = generation
        self.is_told = False
        self._tables: dict[int, dict[bytes, bytes]] = {}
        self._broker = broker
        self._name = name

    def owns(self, generation: int) -> bool:
        return not self.is_told and generation == self.generation

    def entries(self, partition: int) -> Mapping[bytes, bytes]:
        return self._tables[partition]

    def recover(self, partition: int) -> None:
        """The table is read before the partition is handed out."""
        self._tables[partition] = self._broker.table(self.changelog, partition)

    async def bounds(self, tp: TP) -> tuple[int, int]:
        await self._broker.weather.pause()
        return 0, self._broker.end(*tp)

    def wrote(self, partition: int, entries: Mapping[bytes, bytes], offset: int) -> None:
        self._tables[partition].update(entries)

    async def commit(self, tp: TP, offset: int) -> None:
        await self._broker.weather.pause()
        self._broker.committed[self._name, tp.topic, tp.partition] = offset


class Worker:
    """One process of one agent, with a lane for each of its partitions."""

    def __init__(self, loop: Loop, broker: Broker, name: str, generation: int, halted: Callable[..., None]) -> None:
        self.process = Process(loop, f"{name}-{generation}")
        self.group = Group(broker, name, generation)
        self.producer = Producer(broker, self.process)
        self.lanes: dict[TP, Lane] = {}
        self._broker = broker
        self._weather = broker.weather
        self._halted = halted

    def follow(self, topic: Topic, partitions: Sequence[int], follower: Callable[[TP], Follower]) -> None:
        source = Source(self._broker, self.group.changelog)
        for number in partitions:
            tp = TP(topic.name, number)
            self.group.recover(number)
            bounds = functools.partial(self.group.bounds, tp)
            self.lanes[tp] = Lane(tp.topic, number, follower(tp), source, bounds, self.halt)

    def begin(self) -> None:
        self.process.spawn(self._run())

    async def _run(self) -> None:
        for tp, lane in self.lanes.items():
            lane.start()
            self.process.spawn(self._transport(tp, lane))
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for tp, lane in self.lanes.items():
                lane.tick()
                if lane.ready and lane.next < self._broker.end(*tp):
                    lane.nudge(self._broker.end(*tp))

    async def _transport(self, tp: TP, lane: Lane) -> None:
        """Brings what is written from now on, as badly as it may be brought."""
        weather, log = self._weather, self._broker.logs[tp]
        position = len(log)
        while True:
            await self._broker.more(*tp, position)
            await weather.pause()
            start, position = position, len(log)
            if weather.happens(weather.run_repeated):
                start = max(0, start - weather.rng.randint(1, 10))
            run = log[start:position]
            if len(run) > 2 and weather.happens(weather.run_lost):
                hole = weather.rng.randrange(len(run))
                run = run[:hole] + run[hole + 1 :]
            if run and not weather.happens(weather.run_lost):
                await lane.offer(run)

    def halt(self, message: str, error: BaseException | None = None) -> NoReturn:
        """A broker that is away ends the process and the next start is well; anything else is a finding."""
        self.process.check()
        if not isinstance(error, Outage):
            self._halted(f"{self.process.name} halted: {message}", error)
        self.process.die("halted: its producer failed")

    async def learn(self) -> None:
        """A zombie is told that others have its partitions."""
        self.group.is_told = True
        for lane in self.lanes.values():
            await lane.drop()
        self.process.die("it was told that its partitions have moved")


def machine(worker: Worker, broker: Broker, program: Program[Any, Any], partitions: Sequence[int]) -> None:
    """An agent that is a state machine."""
    rng = broker.weather.rng
    budget, commands = Purse(), rng.choice([3, 10, 30, 200])

    def keeper(tp: TP) -> Keeper:
        rhythm = Rhythm(commands=commands, seconds=rng.choice([0.2, 1.0, 5.0]))
        source = Source(broker, worker.group.changelog)
        outlet: Any = Outlet(worker.producer)
        group: Any = worker.group
        return Keeper(program, tp, group, outlet, source, {}, budget, rhythm, worker.halt)

    worker.follow(program.journal, partitions, keeper)
    worker.begin()


def matching(worker: Worker, broker: Broker, partitions: Sequence[int]) -> None:
    machine(worker, broker, PROGRAM, partitions)


def windows(rng: random.Random) -> Program[Any, Any]:
    """The windower, with terms that hold for the whole of a run, as they do for the whole of a journal."""
    terms = WindowTerms(
        max_age_ms=rng.choice([HOUR_MS // 2, 24 * HOUR_MS]), when_too_old=rng.choice(["top_up", "dissolve"])
    )
    return settlement_program({1: terms})


def marketdata(worker: Worker, broker: Broker, partitions: Sequence[int]) -> None:
    machine(worker, broker, marketdata_program(lambda market: None), partitions)


def views(worker: Worker) -> dict[str, Any]:
    """The views of a marketdata worker."""
    keepers = [lane.follower for lane in worker.lanes.values()]
    markets = itertools.chain.from_iterable(keeper.partition.markets.values() for keeper in keepers)
    return {market.name: market.machine.view for market in markets if market.machine is not None}


class Store:
    """The wallet's store on the twin: a transaction per run; after the commit it announces, and that may be lost."""

    def __init__(self, books: Books, database: Database, announce: Callable[[Sequence[Decided]], None]) -> None:
        self.books = books
        self.database = database
        self._announce = announce

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        return await self._attempt(lambda: self.books.marks(topic, partition))

    async def apply(self, run: Run[Any]) -> None:
        self._announce(await self._attempt(lambda: self.books.apply(run)))

    async def _attempt(self, deed: Callable[[], Any]) -> Any:
        try:
            return await self.database.run(deed)
        except Away as error:
            raise Unwell(str(error)) from error
        except NotYet:
            self.books.early += 1
            raise


def wallet(worker: Worker, partitions: Sequence[int], store: Store, most_weight: int) -> None:
    group: Any = worker.group
    for feed in FEEDS:

        def follower(tp: TP, feed: Feed[Any] = feed) -> Sink:
            return Sink(feed, tp, store, group, most_weight=most_weight)

        worker.follow(feed.topic, partitions, follower)
    worker.begin()


def weight(weather: Weather) -> int:
    """How much a transaction takes at most."""
    return weather.rng.choice([1, 5, 20, 1000])
