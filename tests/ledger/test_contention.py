"""Everybody at the same rows: thirty-two writers at once hold, settle, cancel and transfer for the same few users, and
one of them may freeze with a lock in its hand. Nobody deadlocks, nothing is lost, and the books are right.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ledger.hold_rules import Placed, Refused
from ledger.transfer_rules import TransferRequest
from ledger.transfers import Transferred
from runtime import postgres
from runtime.journal.errors import Unwell
from runtime.settings import Settings
from tests.ledger.exchange import FEES, LOT, VALUE, Exchange
from tests.ledger.stores import InPostgres
from tests.ops.conftest import environment

ROOT = Path(__file__).resolve().parents[2]
MARKETS = ("BTC-USD", "ETH-USD")
PLACERS, TRANSFERERS = 22, 8
WRITERS = PLACERS + TRANSFERERS + len(MARKETS)
AHEAD = 400
"""So many commands may wait for a settler."""
LEAST_TRADES = 300


class Rush:
    """The writers, and what they were answered."""

    def __init__(self, store: InPostgres, exchanges: list[Exchange], users: list[int]) -> None:
        self.store = store
        self.exchanges = exchanges
        self.users = users
        self.counts: Counter[str] = Counter()
        self.queues = [asyncio.Queue[int](AHEAD) for _ in exchanges]
        self.is_over = False
        self._keys = itertools.count()

    async def run(self, seconds: float) -> float:
        """So long, and until enough was traded; then until everything is settled. How long it was."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            settlers = [group.create_task(self.settle(number)) for number in range(len(MARKETS))]
            writers = [group.create_task(self.place(number)) for number in range(PLACERS)]
            writers += [group.create_task(self.transfer(number)) for number in range(TRANSFERERS)]
            while loop.time() < begun + seconds or self.counts["trades"] < LEAST_TRADES:
                await asyncio.sleep(0.05)
            self.is_over = True
            await asyncio.gather(*writers)
            for queue in self.queues:
                await queue.join()
            for settler in settlers:
                settler.cancel()
        return loop.time() - begun

    async def place(self, number: int) -> None:
        """Batches of orders around one price, and cancels of them."""
        rng = random.Random(number)
        while not self.is_over:
            market = rng.randrange(len(MARKETS))
            exchange = self.exchanges[market]
            batch = [
                exchange.limit(
                    rng.choice(self.users), rng.choice(["buy", "sell"]), 1000 + rng.randint(-3, 3),
                    rng.choice([1, 2, 5, 3000]), f"k{next(self._keys)}", self_trade="expire_both",
                )
                for _ in range(rng.randint(1, 8))
            ]  # fmt: skip
            for order, answer in zip(batch, await self.store.place(batch, 10_000), strict=True):
                self.counts["held" if isinstance(answer, Placed) else "refused"] += 1
                if answer is Refused.INSUFFICIENT_FUNDS:
                    continue
                await self.queues[market].put(answer.command_id)
                if rng.random() < 0.4:
                    row = await self.store.add_command(
                        exchange.symbol, "cancel_order", {}, user_id=order.user_id, order_id=answer.order_id
                    )
                    await self.queues[market].put(row.command_id)

    async def transfer(self, number: int) -> None:
        rng = random.Random(1000 + number)
        while not self.is_over:
            request = TransferRequest(
                kind=rng.choice(["deposit", "withdrawal", "adjustment"]), user_id=rng.choice(self.users),
                asset=rng.choice(["USD", "BTC", "ETH"]), amount_atoms=rng.randint(1, 50_000),
                requested_by=rng.choice(self.users), key=f"k{next(self._keys)}",
            )  # fmt: skip
            done = await self.store.transfer(request)
            self.counts["transferred" if isinstance(done, Transferred) else "not transferred"] += 1

    async def settle(self, number: int) -> None:
        """A wallet worker of one partition: whatever waits is a run. Nobody else writes here, so nothing may fail."""
        queue, exchange, store = self.queues[number], self.exchanges[number], InPostgres(self.store.pool)
        while True:
            commands = [await queue.get()]
            while not queue.empty() and len(commands) < 100:
                commands.append(queue.get_nowait())
            records = await store.journal_records(commands)
            run = [one for record in records for one in exchange.match(record.command)]
            await exchange.settle(run)
            self.counts["trades"] += sum(hasattr(event, "trade_seq") for one in run for event in one.events)
            self.counts["runs"] += 1
            for _ in commands:
                queue.task_done()


class Unproved(InPostgres):
    """The proof is at the end here."""

    async def prove(self) -> None:
        """Not after every run."""


@pytest.fixture
async def crowded(database: Settings) -> AsyncIterator[asyncpg.Pool]:
    """A connection for each writer."""
    connections = await postgres.pool(database, max_size=WRITERS, application="test")
    yield connections
    await connections.close()


async def opened(store: InPostgres) -> list[Exchange]:
    """A market in each of two partitions."""
    exchanges = []
    for number, symbol in enumerate(MARKETS):
        base = symbol.partition("-")[0]
        assert await store.add_currency(base, base, 8)
        exchange = Exchange(store, symbol=symbol)
        exchange.partition = number
        await exchange.open(partitions=len(MARKETS), **FEES)
        exchanges.append(exchange)
    return exchanges


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
async def test_thirty_two_writers_on_the_same_rows_lose_nothing_and_never_deadlock(
    crowded: asyncpg.Pool, seconds: float
) -> None:
    """That the books are right is proved when it ends, as after every test."""
    store = Unproved(crowded)
    exchanges = await opened(store)
    money = {"USD": 2000 * 1000 * VALUE, "BTC": 2000 * LOT, "ETH": 2000 * LOT}
    users = [await exchanges[0].rich(f"user{number}", **money) for number in range(6)]
    rush = Rush(store, exchanges, users)
    lasted = await rush.run(seconds)
    print(f"\n{WRITERS} writers, {lasted:.1f} s: {dict(rush.counts)}, load {os.getloadavg()[0]:.1f}")
    async with crowded.acquire() as connection:
        counted = await connection.fetchrow(
            "select (select count(*) from orders) as held, (select count(*) from trades) as trades,"
            " (select count(*) from transfers where kind in ('deposit', 'withdrawal', 'adjustment')) as transferred,"
            " (select count(*) from commands where state = 'pending') as pending"
        )
    first = len(users) * len(money)
    assert dict(counted) == {
        "held": rush.counts["held"], "trades": rush.counts["trades"], "pending": 0,
        "transferred": rush.counts["transferred"] + first,
    }  # fmt: skip
    assert rush.counts["refused"] > 0, "somebody had not enough, or nothing was scarce"


FROZEN = """
import asyncio, sys
from ledger.transfer_rules import TransferRequest
from ledger.transfers import post
from runtime import postgres
from runtime.settings import load

async def main():
    pool = await postgres.pool(load(), max_size=1, application="frozen")
    async with pool.acquire() as connection:
        await connection.execute("begin")
        request = TransferRequest(
            kind="deposit", user_id=int(sys.argv[1]), asset="USD", amount_atoms=1, requested_by=int(sys.argv[1])
        )
        await post(connection, request)
        print("locked", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await connection.execute("commit")
        print("committed", flush=True)

asyncio.run(main())
"""


STUCK = """
select count(*) from pg_locks waiting
join pg_locks ours on ours.pid = waiting.pid and ours.relation = 'wallets'::regclass where not waiting.granted
"""
"""Who waits for a lock and has one on this test's own wallets: other tests may run on the same server."""


@contextlib.asynccontextmanager
async def frozen(settings: Settings, user_id: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A client that was stopped while it had the user's wallet."""
    environ = environment(settings) | {"PYTHONPATH": os.fspath(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FROZEN, str(user_id), cwd=ROOT, env=environ,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"locked\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_client_that_froze_with_a_wallet_in_its_hand_is_ended_and_everybody_goes_on(
    database: Settings, crowded: asyncpg.Pool
) -> None:
    store = InPostgres(crowded)
    [exchange, _] = await opened(store)
    ada, bob, eve = [await exchange.rich(name) for name in ("ada", "bob", "eve")]
    maker = await exchange.placed(exchange.limit(ada, "sell", 1000, 5, "s"))
    await exchange.give(maker.command_id)
    taker = await exchange.placed(exchange.limit(bob, "buy", 1000, 5, "b"))
    trade = await exchange.execute(taker.command_id)
    async with frozen(database, ada) as process:
        stuck = [asyncio.create_task(until_well(deed)) for deed in (
            lambda: exchange.settle(trade),
            lambda: store.place([exchange.limit(ada, "buy", 900, 1, "t")], 10_000),
        )]  # fmt: skip
        while await crowded.fetchval(STUCK) < len(stuck):
            assert not any(task.done() for task in stuck), "nobody had the wallet"
        others = 0
        while not all(task.done() for task in stuck):
            await exchange.placed(exchange.limit(eve, "buy", 900, 1, f"e{others}"))
            others += 1
        [_, placed] = await asyncio.gather(*stuck)
        process.send_signal(signal.SIGCONT)
        said, _ = await process.communicate(b"\n")
        assert (said, process.returncode) == (b"", 1), "it cannot commit what was ended"
    assert others > 0
    assert [type(answer) for answer in placed] == [Placed]
    earned, held = 5 * 1000 * VALUE, 900 * VALUE
    fee = earned * FEES["maker_fee_bps"] // 10_000
    assert (await exchange.wallet(ada))["USD"] == (10**15 + earned - fee - held, held, 0)
    assert (await exchange.wallet(bob))["USD"] == (10**15 - earned, 0, 0)


async def until_well(deed):
    """As the processes do it: what fails because the world is unwell is done again."""
    while True:
        try:
            return await deed()
        except (Unwell, *postgres.UNWELL):
            await asyncio.sleep(0.1)
