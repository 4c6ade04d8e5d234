"""`tidemark bench sockets`: from an execution in Kafka to the sockets that follow its book, and what that costs.

One API process, the market data agent and the matching agent run as they always do. Commands are put into the journal
at a fixed pace, since orders over HTTP need a wallet agent, which is measured elsewhere; those who listen are a process
of their own. The clock is the broker's when it appends the execution, and the machine's when the frame is read.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import TopicPartition

from ledger.connection import books
from ledger.migrate import migrate
from runtime import kafka
from runtime.bench import Bench, Measuring
from runtime.embedded.home import Home, free_port
from runtime.settings import PROJECT_ROOT, Settings
from schemas.commands import CancelOrder, Command, Hold, OpenMarket, PlaceOrder, encode_command
from schemas.executions import decode_execution
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TOPICS

MODULES = ("agents.matching", "agents.marketdata", "api")
SYMBOL, PARTITION = "BTC-USD", 0
SOCKETS, CHANGES_PER_S, SECONDS = 500, 1_000, 10
QUIET_PER_S = 20
BEAT_S = 0.005
MOST_RESTING = 1_000
PRICE, AROUND, VALUE = 50_000_00, 200, 100
READY_S, LATE_S = 60, 60
AIM_MS = 50
MARKET_ROW = (
    "insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, lot_base_atoms,"
    " tick_lot_quote_atoms, status, version) values ($1, 'BTC', 'USD', $2, 8, 8, 0.01, 0.0001, 10000, $3, 'open', 1)"
)


def commands() -> Iterator[Command]:
    """The market, then bids that rest near one price; when there are many, the oldest leaves for each that comes."""
    chance, numbers = random.Random(1), itertools.count(1)
    number = next(numbers)
    yield OpenMarket(
        market=SYMBOL, command_id=number, number=number, base="BTC", quote="USD", base_scale=8, quote_scale=8,
        tick_size="0.01", lot_size="0.0001",
    )  # fmt: skip
    resting: list[int] = []
    for number in numbers:
        if len(resting) > MOST_RESTING:
            yield CancelOrder(market=SYMBOL, command_id=number, number=number, order_id=resting.pop(0), user_id=1)
            continue
        price, lots = PRICE - chance.randrange(AROUND), chance.randint(1, 100)
        yield PlaceOrder(
            market=SYMBOL, command_id=number, number=number, order_id=number, user_id=1, side="buy", kind="limit",
            lots=lots, price_ticks=price, hold=Hold("USD", price * lots * VALUE),
        )  # fmt: skip
        resting.append(number)


@dataclasses.dataclass
class Rig:
    """The processes in a name space of their own, by what they are called, and the market's commands to come."""

    settings: Settings
    port: int
    processes: dict[str, "subprocess.Popen[str]"] = dataclasses.field(default_factory=dict)
    commands: Iterator[Command] = dataclasses.field(default_factory=commands)
    sent: int = 0

    def start(self, module: str, *arguments: str, home: Path) -> "subprocess.Popen[str]":
        """Its words are kept in the home folder, as the supervisor keeps them."""
        with (home / f"{module}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=_environment(self.settings, home, self.port),
                cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.processes[module] = process
        return process

    async def send(self, producer: Any, count: int) -> None:
        for command in itertools.islice(self.commands, count):
            await producer.send(self.settings.topic(COMMANDS.name), encode_command(command), SYMBOL.encode(), PARTITION)
        self.sent += count

    def cpu_seconds(self) -> dict[str, float]:
        """By process, this one too; empty where the machine does not tell."""
        pids = {name.rpartition(".")[2]: process.pid for name, process in self.processes.items()}
        return {name: found for name, pid in pids.items() if (found := _cpu_seconds(pid)) is not None}


@contextlib.asynccontextmanager
async def rig(settings: Settings) -> AsyncIterator[Rig]:
    settings = dataclasses.replace(settings, namespace=f"bench_{secrets.token_hex(4)}", sandbox=True)
    home, made = Home(settings.home / "bench"), Rig(settings, free_port(set()))
    home.make()
    try:
        await migrate(settings)
        async with books(settings) as connection:
            await connection.execute("insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8)")
            await connection.execute(MARKET_ROW, SYMBOL, PARTITION, VALUE)
        await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS))
        for module in MODULES:
            made.start(module, home=home.path)
        await _until_shown(made)
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.communicate()
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])
        async with books(settings) as connection:
            await connection.execute(f'drop schema if exists "{settings.postgres_schema}" cascade')


async def _until_shown(made: Rig) -> None:
    """The API answers, and shows the book of a market that has just opened."""
    async with kafka.running(kafka.producer(made.settings, name="bench")) as producer:
        await made.send(producer, 1)
    url = f"http://127.0.0.1:{made.port}/api/v1/markets/{SYMBOL}/orderbook/?min_seq=1"
    async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One round: how many milliseconds how many changes took to how many sockets, and what each process needed.

    `read_ms` is what Kafka took to hand them to a plain reader, which no socket can be faster than.
    """

    took_ms: Counter[int]
    read_ms: Counter[int]
    changes_per_s: float
    cpu_percent: Mapping[str, float]


def percentile(took_ms: Counter[int], percent: int) -> float:
    left = -(-took_ms.total() * percent // 100)
    for took, count in sorted(took_ms.items()):
        left -= count
        if left <= 0:
            return float(took)
    raise AssertionError("nothing was measured")


async def one_round(made: Rig, home: Path, sockets: int, changes_per_s: int) -> Outcome:
    """Everybody listens; then the market changes for some seconds, and all must have seen all of it."""
    listener = made.start("api.sockets.bench.listen", str(made.port), str(sockets), f"orderbook:{SYMBOL}", home=home)
    assert listener.stdout is not None
    async with asyncio.timeout(READY_S):
        assert await asyncio.to_thread(listener.stdout.readline) == "ready\n", "the sockets did not come about"
    first, reader = made.sent + 1, Reader(made.settings)
    reading = asyncio.create_task(reader.read(first))
    await reader.has(made.sent)
    before, began = made.cpu_seconds(), asyncio.get_running_loop().time()
    await _pace(made, changes_per_s)
    seconds, after = asyncio.get_running_loop().time() - began, made.cpu_seconds()
    await reader.has(made.sent)
    reading.cancel()
    said, _ = await asyncio.to_thread(listener.communicate, f"{made.sent}\n", LATE_S)
    del made.processes["api.sockets.bench.listen"]
    seen = json.loads(said)
    ranges = [each for each in seen["ranges"] if each[1] >= first]
    covered = sum((last - max(begin, first) + 1) * len(times) for begin, last, times in ranges)
    if seen["holes"] or seen["snapshots"] != sockets or covered != sockets * (made.sent - first + 1):
        raise AssertionError(f"{seen['holes']} holes, {seen['snapshots']} snapshots, {covered} changes seen")
    took: Counter[int] = Counter()
    for begin, last, times in ranges:
        for at_ms, count in Counter(times).items():
            for seq in range(max(begin, first), last + 1):
                took[at_ms - reader.appended_ms[seq]] += count
    cpu = {name: 100 * (after[name] - before[name]) / seconds for name in after if name in before}
    return Outcome(took, reader.took_ms, (made.sent - first + 1) / seconds, cpu)


async def _pace(made: Rig, changes_per_s: int) -> None:
    """An open loop: what is due is sent, however the others keep up."""
    loop = asyncio.get_running_loop()
    async with kafka.running(kafka.producer(made.settings, name="bench")) as producer:
        began, sent = loop.time(), 0
        while (passed := loop.time() - began) < SECONDS:
            due = int(passed * changes_per_s) - sent
            await made.send(producer, due)
            sent += due
            await asyncio.sleep(BEAT_S)
        await producer.flush()


class Reader:
    """A plain consumer of the executions beside the agents: when each was appended, and when it could be read."""

    def __init__(self, settings: Settings) -> None:
        self.appended_ms: dict[int, int] = {}
        self.took_ms: Counter[int] = Counter()
        self._settings = settings

    async def read(self, first: int) -> None:
        """For ever; what was before the first is passed over."""
        place = TopicPartition(self._settings.topic(EXECUTIONS.name), PARTITION)
        async with kafka.running(kafka.consumer(self._settings, name="bench")) as consumer:
            consumer.assign([place])
            consumer.seek(place, (await consumer.beginning_offsets([place]))[place])
            while True:
                found = await consumer.getmany(timeout_ms=500)
                now_ms = time.time_ns() // 1_000_000
                for record in itertools.chain.from_iterable(found.values()):
                    seq = decode_execution(record.value).seq
                    self.appended_ms[seq] = record.timestamp
                    if seq >= first:
                        self.took_ms[now_ms - record.timestamp] += 1

    async def has(self, seq: int) -> None:
        async with asyncio.timeout(LATE_S):
            while seq not in self.appended_ms:  # noqa: ASYNC110  # the end of a measurement, where nothing waits
                await asyncio.sleep(BEAT_S)


async def measure(measuring: Measuring) -> None:
    """One socket and a quiet market first, to compare with; then many, and a busy one."""
    home = measuring.settings.home / "bench"
    async with rig(measuring.settings) as made:
        await one_round(made, home, 1, QUIET_PER_S)
        quiet = [await one_round(made, home, 1, QUIET_PER_S) for _ in range(measuring.repeats)]
        _add(measuring, "one, quiet", quiet)
        busy = [await one_round(made, home, SOCKETS, CHANGES_PER_S) for _ in range(measuring.repeats)]
        _add(measuring, f"{SOCKETS}, busy", busy, floor=AIM_MS)
        measuring.add("sockets: book changes", "1/s", [each.changes_per_s for each in busy])
        for name in busy[0].cpu_percent:
            measuring.add(f"sockets: CPU of {name}", "%", [each.cpu_percent[name] for each in busy])


def _add(measuring: Measuring, name: str, rounds: Sequence[Outcome], floor: float | None = None) -> None:
    """What Kafka takes to hand an execution to a plain reader is in each figure, and stands beside it."""
    for percent in (50, 99):
        kafka_alone = f"sockets: {name}: Kafka alone, p{percent}"
        measuring.add(kafka_alone, "ms", [percentile(each.read_ms, percent) for each in rounds])
        measuring.add(
            f"sockets: {name}: p{percent}", "ms", [percentile(each.took_ms, percent) for each in rounds],
            anchor=kafka_alone, floor=floor if percent == 99 else None,
        )  # fmt: skip


def _environment(settings: Settings, home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ, **settings.environ(),
        "TIDEMARK_HOME": str(home), "TIDEMARK_PORT": str(port), "LOGLEVEL": "warning",
    }  # fmt: skip


def _cpu_seconds(pid: int) -> float | None:
    """User and system time of a process, where the kernel keeps a file of it."""
    file = Path(f"/proc/{pid}/stat")
    if not file.exists():
        return None
    fields = file.read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BENCH = Bench("sockets", "500 sockets on one API process, 1,000 book changes a second: execution to socket", measure)
