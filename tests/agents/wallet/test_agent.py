"""The wallet agent on the real servers: what the matching agent says reaches the books once, whoever is killed when."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from agents.wallet.agent import WAITING_MESSAGES, Announcer
from ledger.accounts import NewUser, create_user
from ledger.commands import journal_records
from ledger.connection import books
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.reconcile import differences
from ledger.seed import seed
from ledger.settlement import Decided
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime import kafka, redis
from runtime.settings import Settings
from schemas.commands import encode_command
from schemas.results import Result, decode_results, results_channel
from schemas.topics import CHANGELOGS, COMMANDS, TOPICS

ROOT = Path(__file__).resolve().parents[3]
SYMBOL = "BTC-USD"
PRICE = 10_000
VALUE, LOT = 100, 10_000
WITHIN_S = 90


class Stack:
    """Books, topics, and the two agents as processes."""

    def __init__(self, settings: Settings, folder: Path, connection: asyncpg.Connection) -> None:
        self.settings = settings
        self.folder = folder
        self.connection = connection
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, crash_at: str = "") -> None:
        environ = {
            **os.environ, **self.settings.environ(), "TIDEMARK_HOME": str(self.folder),
            "TIDEMARK_CONFIG": os.devnull, "TIDEMARK_TEST": "1", "CRASH_AT": crash_at,
            "CRASH_TRACE": str(self.folder / f"{name}.trace"),
        }  # fmt: skip
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"agents.{name}"], env=environ, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()

    async def gone(self, name: str) -> int:
        deadline = time.monotonic() + WITHIN_S
        while (code := self.processes[name].poll()) is None:
            assert time.monotonic() < deadline, f"{name} does not end:\n{self.said(name)}"
            await asyncio.sleep(0.02)
        return code

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def crashed_at(self, name: str) -> str:
        return (self.folder / f"{name}.trace").read_text()

    async def journal(self, command_ids: list[int], reply: str = "") -> None:
        """Sends commands as the API does, each to the partition of its market."""
        async with kafka.running(kafka.producer(self.settings, name="test")) as producer:
            for record in await journal_records(self.connection, command_ids):
                command = record.command
                if reply:
                    command = type(command)(**{**_fields(command), "reply": reply})
                value, key = encode_command(command), command.market.encode()
                await (await producer.send(self.settings.topic(COMMANDS.name), value, key, record.partition))

    async def pending(self) -> list[int]:
        rows = await self.connection.fetch("select id from commands where state = 'pending' order by id")
        return [row["id"] for row in rows]

    async def decided(self) -> None:
        """Waits until nothing is pending, and then the books must be right."""
        deadline = time.monotonic() + WITHIN_S
        while left := await self.pending():
            for name, process in self.processes.items():
                assert process.poll() in (None, -signal.SIGKILL), f"{name} halted:\n{self.said(name)}"
            assert time.monotonic() < deadline, f"undecided: {left}\n{self.said('wallet')}"
            await asyncio.sleep(0.02)
        assert await differences(self.connection) == []

    async def rich(self, name: str) -> int:
        user_id = await create_user(self.connection, NewUser(username=name, password_hash="-"))
        assert user_id is not None
        for asset, atoms in (("USD", 10**15), ("BTC", 10**12)):
            request = TransferRequest(
                kind="deposit", user_id=user_id, asset=asset, amount_atoms=atoms, requested_by=user_id
            )
            await transfer(self.connection, request)
        return user_id

    async def place(self, user_id: int, side: str, price: int, lots: int, key: str) -> Placed:
        hold = ("USD", price * lots * VALUE) if side == "buy" else ("BTC", lots * LOT)
        order = NewOrder(
            user_id=user_id, market=SYMBOL, kind="limit", side=side, time_in_force="gtc", self_trade="expire_taker",
            lots=lots, price_ticks=price, hold_asset=hold[0], hold_atoms=hold[1], key=key, digest=key,
        )  # fmt: skip
        (answer,) = await place(self.connection, [order], 10_000)
        assert isinstance(answer, Placed)
        return answer

    async def crowd(self, count: int, seed_number: int) -> list[int]:
        """Random orders of a few users; the ids of their commands."""
        rng = random.Random(seed_number)
        users = [await self.rich(f"user{number}") for number in range(4)]
        return [
            (
                await self.place(
                    rng.choice(users),
                    rng.choice(["buy", "sell"]),
                    rng.randint(9995, 10_005),
                    rng.randint(11, 30),
                    f"k{n}",
                )
            ).command_id
            for n in range(count)
        ]


def _fields(command: Any) -> dict[str, Any]:
    return {name: getattr(command, name) for name in command.__struct_fields__}


@contextlib.contextmanager
def ended(stack: Stack) -> Iterator[Stack]:
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def running(stack: Settings, tmp_path: Path) -> AsyncIterator[Stack]:
    """Demo markets opened by a running matching agent; the wallet agent is the test's to start."""
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await seed(stack)
    async with books(stack) as connection:
        with ended(Stack(stack, tmp_path, connection)) as one:
            one.start("matching")
            await one.journal(await one.pending())
            yield one


class FakeRedis:
    """Remembers each round trip; waits in each until it is let on, and fails in those that it is told to."""

    def __init__(self) -> None:
        self.trips: list[list[tuple[str, list[Result]]]] = []
        self.fails: set[int] = set()
        self.going = asyncio.Event()
        self.going.set()
        self._said: list[tuple[str, list[Result]]] = []

    def pipeline(self, *, transaction: bool) -> "FakeRedis":
        assert not transaction
        return self

    def publish(self, channel: str, message: bytes) -> None:
        self._said.append((channel, decode_results(message)))

    async def execute(self) -> None:
        said, self._said = self._said, []
        self.trips.append(said)
        if len(self.trips) in self.fails:
            raise ConnectionResetError
        await self.going.wait()

    async def aclose(self) -> None:
        pass

    async def made(self, trips: int) -> None:
        while len(self.trips) < trips:
            await asyncio.sleep(0)


def decided(command_id: int, reply: str) -> Decided:
    return Decided(Result(command_id, "open", 7), reply, 0, 1, 2)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[Announcer, FakeRedis]]:
    fake = FakeRedis()
    announcer = Announcer(Settings(home=Path()), fake)  # type: ignore[arg-type]  -- what it uses of a client
    announcer.start()
    yield announcer, fake
    await announcer.stop()


def channel(reply: str) -> str:
    return Settings(home=Path()).redis_key(results_channel(reply))


async def test_results_go_to_who_waits_for_them_and_those_that_wait_together_in_one_round_trip(
    heard: tuple[Announcer, FakeRedis],
) -> None:
    announcer, fake = heard
    fake.going.clear()
    announcer.announce([decided(1, "a")])
    await fake.made(1)
    announcer.announce([decided(2, "a"), decided(3, "b"), decided(4, "")])
    announcer.announce([decided(5, "a")])
    fake.going.set()
    await fake.made(2)
    assert fake.trips == [
        [(channel("a"), [Result(1, "open", 7)])],
        [
            (channel("a"), [Result(2, "open", 7)]),
            (channel("b"), [Result(3, "open", 7)]),
            (channel("a"), [Result(5, "open", 7)]),
        ],
    ]


async def test_a_redis_that_is_away_loses_an_announcement_and_the_next_is_made(
    heard: tuple[Announcer, FakeRedis],
) -> None:
    announcer, fake = heard
    fake.fails = {1}
    announcer.announce([decided(1, "a")])
    await fake.made(1)
    announcer.announce([decided(2, "a")])
    await fake.made(2)
    assert fake.trips[1] == [(channel("a"), [Result(2, "open", 7)])]


async def test_a_redis_that_stands_still_loses_announcements_and_holds_up_nobody(
    heard: tuple[Announcer, FakeRedis],
) -> None:
    announcer, fake = heard
    fake.going.clear()
    for number in range(WAITING_MESSAGES + 10):
        announcer.announce([decided(number, "a")])
    fake.going.set()
    await fake.made(1)
    assert len(fake.trips[0]) == WAITING_MESSAGES


async def test_what_was_matched_is_settled_and_announced_to_who_waits(running: Stack) -> None:
    running.start("wallet")
    await running.decided()
    seller, buyer = await running.rich("seller"), await running.rich("buyer")
    maker = await running.place(seller, "sell", PRICE, 20, "s1")
    taker = await running.place(buyer, "buy", PRICE, 20, "b1")
    async with redis.subscriber(running.settings) as client, client.pubsub() as channel:
        await channel.subscribe(running.settings.redis_key(results_channel("api-7")))
        await running.journal([maker.command_id, taker.command_id], reply="api-7")
        heard: list[Result] = []
        async with asyncio.timeout(WITHIN_S):
            async for message in channel.listen():
                if message["type"] == "message":
                    heard += decode_results(message["data"])
                if len(heard) == 2:
                    break
    assert heard == [
        Result(maker.command_id, "open", maker.order_id),
        Result(taker.command_id, "filled", taker.order_id),
    ]
    await running.decided()
    rows = await running.connection.fetch("select user_id, asset, available, held from wallets where user_id > 1")
    assert {tuple(row.values()) for row in rows} == {
        (seller, "BTC", 10**12 - 20 * LOT, 0), (seller, "USD", 10**15 + PRICE * 20 * VALUE, 0),
        (buyer, "BTC", 10**12 + 20 * LOT, 0), (buyer, "USD", 10**15 - PRICE * 20 * VALUE, 0),
    }  # fmt: skip


@pytest.mark.parametrize("point", ["sink.before_apply:3", "sink.after_apply:3", "journal.at_assignment:2"])
async def test_a_wallet_agent_killed_around_its_commit_settles_everything_once(running: Stack, point: str) -> None:
    ids = await running.crowd(60, seed_number=7)
    running.start("wallet", crash_at=point)
    for number in range(0, len(ids), 10):
        await running.journal(ids[number : number + 10])
    assert await running.gone("wallet") == -signal.SIGKILL
    assert running.crashed_at("wallet").startswith(point.partition(":")[0])
    in_flight = len(await running.pending())
    if point != "sink.after_apply:3":
        assert in_flight, "commands were in flight when it was killed"
    running.start("wallet")
    await running.decided()
    trades = await running.connection.fetch("select trade_seq from trades order by trade_seq")
    assert [row["trade_seq"] for row in trades] == list(range(1, len(trades) + 1))
    assert len(trades) > 10


async def test_commands_sent_again_after_they_were_decided_change_nothing(running: Stack) -> None:
    running.start("wallet")
    ids = await running.crowd(40, seed_number=11)
    await running.journal(ids)
    await running.decided()
    before = await _state(running.connection)
    await running.journal(ids)
    last = await running.place(await running.rich("last"), "buy", 9000, 20, "last")
    await running.journal([last.command_id])
    await running.decided()
    after = await _state(running.connection)
    assert {key: after[key] for key in before} == before


async def _state(connection: asyncpg.Connection) -> dict[int, tuple[Any, ...]]:
    rows = await connection.fetch(
        "select id, state, reason, filled_lots, filled_quote_atoms, held_remaining from orders"
    )
    return {row["id"]: tuple(row.values()) for row in rows}
