"""What can be lost, and the way back: each drill under load, each ended by the proofs that an operator has.

A drill takes something away, waits until the exchange is itself again, lets the load go on, and then proves the books
(`reconcile`), the history (`replay verify`) and what was answered to clients before.
"""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from ledger.connection import books
from runtime import kafka, redis
from schemas.topics import CHANGELOGS
from tests.drills.instance import Failed, Instance
from tests.drills.load import Load

PROCESSES = (
    "api", "matching", "wallet", "marketdata", "settlement", "desk", "exchange", "valkey", "postgres", "kafka",
)  # fmt: skip
SETTLED_WITHIN_S = 300.0
BEFORE, AFTER = 50, 50
"""So many orders are answered before something is taken away, and so many after it came back."""
UNDECIDED = """
select (select count(*) from commands where state = 'pending') + (select count(*) from outbox)
     + (select count(*) from orders where state = 'sent' or state = 'pending' and kind = 'purchase')
"""
DAMAGE = """
delete from candles where interval_s > 1;
update trades set lots = lots + 1 where id in (select id from trades order by id desc limit 3 offset 5);
delete from trades where id in (select id from trades order by id desc limit 3 offset 20)
"""


@dataclasses.dataclass
class Outcome:
    """One drill."""

    name: str
    done: str
    seconds: float = 0.0
    orders: int = 0
    unknown: int = 0
    checked: list[str] = dataclasses.field(default_factory=list)
    failed: str | None = None

    def row(self) -> tuple[str, str, str, str, str]:
        meanwhile = f"{self.orders:,} orders, {self.unknown:,} asked again"
        checked = f"FAILED: {self.failed}" if self.failed else ", ".join(self.checked)
        return (self.name, self.done, f"{self.seconds:.1f} s", meanwhile, checked)


class Drill:
    """What every drill has in its hands."""

    def __init__(self, instance: Instance, load: Load, folder: Path) -> None:
        self.instance = instance
        self.load = load
        self.folder = folder
        self.checked: list[str] = []

    async def prove(self) -> None:
        """With the load at rest and everything decided."""
        self.load.going.clear()
        await self._settled()
        await self.must_be_ok("books right", "reconcile")
        await self.must_be_ok("history right", "replay", "verify", "--all")
        answered = await self.load.ask_again()
        self.checked.append(f"{answered:,} answers kept")
        self.load.going.set()

    async def must_be_ok(self, what: str, *words: object) -> None:
        said = await self.instance.must(*words)
        if not said["ok"]:
            raise Failed(f"tidemark {' '.join(map(str, words))}: {said}")
        self.checked.append(what)

    async def _settled(self) -> None:
        deadline = time.monotonic() + SETTLED_WITHIN_S
        async with books(self.instance.settings()) as connection:
            while left := await connection.fetchval(UNDECIDED):
                if time.monotonic() > deadline:
                    raise Failed(f"{left} commands, purchases and entries are undecided after {SETTLED_WITHIN_S:.0f} s")
                await asyncio.sleep(0.1)

    async def rebuilt(self, view: str) -> int:
        """How much of a view was missing or different."""
        said = await self.instance.must("replay", "rebuild", "--view", view)
        return sum(market["changed"] for market in said["markets"])


def killed(name: str) -> Callable[[Drill], Awaitable[float]]:
    async def drill(drill: Drill) -> float:
        return await drill.instance.kill(name)

    return drill


async def supervisor_killed(drill: Drill) -> float:
    return await drill.instance.kill_all()


async def redis_wiped(drill: Drill) -> float:
    """The books of all markets must be there again, and right."""
    async with redis.client(drill.instance.settings()) as client:
        keys = [key async for key in client.scan_iter(match="book:*")]
        began = time.monotonic()
        await client.flushall()
        while await client.exists(*keys) < len(keys):
            if time.monotonic() - began > SETTLED_WITHIN_S:
                raise Failed("the order books do not come back to Redis")
            await asyncio.sleep(0.02)
    seconds = time.monotonic() - began
    if await drill.rebuilt("orderbook"):
        raise Failed("the order books in Redis were not those of the executions")
    drill.checked.append("order books right")
    return seconds


async def snapshots_deleted(drill: Drill) -> float:
    """All of them, while nobody runs who could write new ones."""
    began = time.monotonic()
    await drill.instance.down()
    await drill.instance.up(servers_only=True)
    settings = drill.instance.settings()
    await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in CHANGELOGS])
    await drill.instance.down()
    await drill.instance.up()
    return time.monotonic() - began


async def views_lost(drill: Drill) -> float:
    """Candles, trades and the order book, made again beside the running exchange."""
    async with books(drill.instance.settings()) as connection:
        await connection.execute(DAMAGE)
    began = time.monotonic()
    for view in ("candles", "trades"):
        if not await drill.rebuilt(view):
            raise Failed(f"nothing of {view} was found to be lost")
    await drill.rebuilt("orderbook")
    seconds = time.monotonic() - began
    for view in ("candles", "trades", "orderbook"):
        if changed := await drill.rebuilt(view):
            raise Failed(f"{changed} of {view} are still different")
    drill.checked.append("views right")
    return seconds


async def older_backup(drill: Drill) -> float:
    """What was answered after the backup was made must be there again."""
    file = drill.folder / "books.backup"
    await drill.must_be_ok("backup made under load", "backup", "make", file)
    await drill.load.more(4 * AFTER)
    began = time.monotonic()
    await drill.instance.down()
    await drill.instance.up(servers_only=True)
    await drill.must_be_ok("restored", "backup", "restore", file, "--aside")
    await drill.must_be_ok("recovered", "recover", "books")
    await drill.instance.down()
    await drill.instance.up()
    seconds = time.monotonic() - began
    drill.load.going.clear()
    await drill.must_be_ok("every row as in the topics", "replay", "books", "--into", "again", "--drop")
    drill.load.going.set()
    return seconds


DRILLS: dict[str, tuple[str, Callable[[Drill], Awaitable[float]]]] = {
    **{f"kill-{name}": (f"kill -9 of {name}", killed(name)) for name in PROCESSES},
    "kill-supervisor": ("kill -9 of the supervisor", supervisor_killed),
    "redis-wiped": ("FLUSHALL", redis_wiped),
    "snapshots-deleted": ("all snapshots deleted", snapshots_deleted),
    "views-lost": ("candles and trades damaged", views_lost),
    "older-backup": ("an older backup restored", older_backup),
}


async def practise(folder: Path, names: list[str], clients: int) -> list[Outcome]:
    """One after another, in one instance; a drill that fails ends them, since what comes after it would say nothing."""
    instance, outcomes = Instance(folder), []
    try:
        print(f"starting in {folder}", flush=True)
        print(f"  ready after {await instance.up():.1f} s", flush=True)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
            load = Load(instance, session, clients)
            await load.begin()
            try:
                for name in names:
                    outcomes.append(await _one(name, instance, load, folder))
                    print(f"  {'  '.join(outcomes[-1].row())}", flush=True)
                    if outcomes[-1].failed is not None:
                        break
            finally:
                await load.end()
    finally:
        await instance.down()
    return outcomes


async def _one(name: str, instance: Instance, load: Load, folder: Path) -> Outcome:
    done, work = DRILLS[name]
    outcome, drill = Outcome(name, done), Drill(instance, load, folder)
    orders, unknown = load.orders, load.unknown
    try:
        await load.more(BEFORE)
        outcome.seconds = await work(drill)
        await load.more(AFTER)
        outcome.orders, outcome.unknown = load.orders - orders, load.unknown - unknown
        await drill.prove()
        load.fail_if_one_failed()
    except (Failed, TimeoutError) as error:
        outcome.failed = str(error) or "it took too long"
    outcome.checked = drill.checked
    return outcome
