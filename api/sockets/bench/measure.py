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
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
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
READY_S, LATE_S = 60, 20
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
    """One round: how many milliseconds how many changes took to how many sockets, and what each process needed."""

    took_ms: Counter[int]
    changes_per_s: float
    cpu_percent: Mapping[str, float]

    def percentile(self, percent: int) -> float:
        left = -(-self.took_ms.total() * percent // 100)
        for took, count in sorted(self.took_ms.items()):
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
    first, before, began = made.sent + 1, made.cpu_seconds(), asyncio.get_running_loop().time()
    await _pace(made, changes_per_s)
    seconds, after = asyncio.get_running_loop().time() - began, made.cpu_seconds()
    appended_ms = await _appended(made.settings, first, made.sent)
    await asyncio.sleep(1)  # the last deltas; a socket that lacks one is a fault, and no time is counted here
    said, _ = await asyncio.to_thread(listener.communicate, "", LATE_S)
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
                took[at_ms - appended_ms[seq]] += count
    cpu = {name: 100 * (after[name] - before[name]) / seconds for name in after if name in before}
    return Outcome(took, (made.sent - first + 1) / seconds, cpu)


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


async def _appended(settings: Settings, first: int, last: int) -> dict[int, int]:
    """When the broker appended each of these executions."""
    found: dict[int, int] = {}
    place = TopicPartition(settings.topic(EXECUTIONS.name), PARTITION)
    async with asyncio.timeout(LATE_S), kafka.running(kafka.consumer(settings, name="bench")) as consumer:
        consumer.assign([place])
        begin = await consumer.beginning_offsets([place])
        consumer.seek(place, begin[place])
        while last not in found:
            for record in itertools.chain.from_iterable((await consumer.getmany(timeout_ms=500)).values()):
                found[decode_execution(record.value).seq] = record.timestamp
    return {seq: at_ms for seq, at_ms in found.items() if seq >= first}


async def measure(measuring: Measuring) -> None:
    """One socket and a quiet market first, to compare with; then many, and a busy one."""
    home = measuring.settings.home / "bench"
    async with rig(measuring.settings) as made:
        await one_round(made, home, 1, QUIET_PER_S)
        quiet = [await one_round(made, home, 1, QUIET_PER_S) for _ in range(measuring.repeats)]
        measuring.add("sockets: one, quiet, p50", "ms", [each.percentile(50) for each in quiet])
        busy = [await one_round(made, home, SOCKETS, CHANGES_PER_S) for _ in range(measuring.repeats)]
        measuring.add("sockets: 500, p50", "ms", [each.percentile(50) for each in busy])
        measuring.add("sockets: 500, p99", "ms", [each.percentile(99) for each in busy], floor=50)
        measuring.add("sockets: book changes", "1/s", [each.changes_per_s for each in busy])
        for name in busy[0].cpu_percent:
            measuring.add(f"sockets: CPU of {name}", "%", [each.cpu_percent[name] for each in busy])


def _environment(settings: Settings, home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "TIDEMARK_HOME": str(home), "TIDEMARK_PORT": str(port), "TIDEMARK_NAMESPACE": settings.namespace,
        "POSTGRES_HOST": str(settings.postgres_host), "POSTGRES_PORT": str(settings.postgres_port),
        "POSTGRES_USER": settings.postgres_user, "POSTGRES_PASSWORD": settings.postgres_password,
        "POSTGRES_DB": settings.postgres_db, "REDIS_HOST": str(settings.redis_host),
        "REDIS_PORT": str(settings.redis_port), "REDIS_PASSWORD": settings.redis_password,
        "KAFKA_BOOTSTRAP": str(settings.kafka_bootstrap), "KAFKA_PARTITIONS": str(settings.kafka_partitions),
        "LOGLEVEL": "warning",
    }  # fmt: skip


def _cpu_seconds(pid: int) -> float | None:
    """User and system time of a process, where the kernel keeps a file of it."""
    file = Path(f"/proc/{pid}/stat")
    if not file.exists():
        return None
    fields = file.read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


BENCH = Bench("sockets", "500 sockets on one API process, 1,000 book changes a second: execution to socket", measure)
