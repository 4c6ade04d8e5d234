"""A small exchange on the real servers: the agents as processes, what the API does in one hand, and a history of
everything that the books can be told: accounts, deposits, trades, cancels, reductions, customers, purchases.
"""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from agents.settlement.exchange.app import Behaviour
from ledger.accounts import NewUser, create_user, make_admin
from ledger.commands import add_command, journal_records
from ledger.connection import books
from ledger.customers import CustomerRequest, create_customer
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.keys import Key, keep
from ledger.outbox import Outbox
from ledger.seed import seed
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime import kafka, postgres
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.commands import encode_command
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TOPICS
from tests.agents.settlement.exchange.test_app import venue
from tests.ops.conftest import environment

ROOT = Path(__file__).resolve().parents[3]
AGENTS = ("matching", "wallet", "settlement", "settlement.desk")
WITHIN_S = 120
UNITS, LOT = 100, 10_000
PRICE = 2_000
MARKETS = ("BTC-USD", "ETH-USD")


class Exchange:
    """`trade` makes history; `quiet` waits until all of it is settled and told."""

    def __init__(self, settings: Settings, folder: Path, url: str, connection: Any) -> None:
        self.settings = settings
        self.connection = connection
        self.users: list[int] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._url = url
        self._random = random.Random(7)
        self._orders: list[tuple[str, int, int]] = []
        self._number = 0

    def start(self, *agents: str) -> None:
        for agent in agents or AGENTS:
            environ = environment(self.settings) | {
                "KAFKA_PARTITIONS": str(self.settings.kafka_partitions), "TIDEMARK_HOME": str(self._folder),
                "EXCHANGE_URL": self._url, "TIDEMARK_TEST": "1",
            }  # fmt: skip
            with (self._folder / f"{agent}.log").open("ab") as log:
                self.processes[agent] = subprocess.Popen(
                    [sys.executable, "-m", f"agents.{agent}"],
                    env=environ,
                    cwd=ROOT,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                )

    def kill(self) -> None:
        """Everything at once, at whatever it is doing."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()

    async def until(self, query: str) -> None:
        """Returns when the query finds nothing; a process that halts fails the test with its last words."""
        deadline = time.monotonic() + WITHIN_S
        while await self.connection.fetchval(query):
            logs = "".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
            assert all(process.poll() is None for process in self.processes.values()), logs
            assert time.monotonic() < deadline, logs
            await asyncio.sleep(0.05)

    async def quiet(self) -> None:
        """What was asked for is journaled and settled, closed batches are bought, and all of it is told."""
        await self.journal()
        await self.until("select count(*) from commands where state = 'pending'")
        await self.until(
            "select count(*) from orders where state = 'pending' and kind = 'purchase' or state = 'sent' "
            "union all select count(*) from batches where state = 'closed' order by 1 desc limit 1"
        )
        pool = await postgres.pool(self.settings, max_size=1, application="test")
        async with kafka.running(kafka.producer(self.settings, name="test")) as producer:
            while await self.connection.fetchval("select count(*) from outbox"):
                await Outbox(self.settings, pool).once(producer)
        await pool.close()

    async def journal(self) -> None:
        """Sends every pending command, as the API does."""
        rows = await self.connection.fetch("select id from commands where state = 'pending' order by id")
        async with kafka.running(kafka.producer(self.settings, name="test")) as producer:
            for record in await journal_records(self.connection, [row["id"] for row in rows]):
                value, key = encode_command(record.command), record.command.market.encode()
                await producer.send_and_wait(self.settings.topic(COMMANDS.name), value, key, record.partition)

    async def join(self, count: int) -> None:
        """New users with money of every kind, and a customer of the first of them."""
        for _ in range(count):
            self._number += 1
            name = f"user{self._number}"
            user_id = await create_user(self.connection, NewUser(username=name, password_hash="-"))
            assert user_id is not None
            self.users.append(user_id)
            for asset in ("USD", "BTC", "ETH"):
                await self.move("deposit", user_id, asset, 10**14)
        admin = self.users[0]
        await make_admin(self.connection, admin, "-")
        request = CustomerRequest(
            name="Farbod", balance_atoms=10**12, requested_by=admin, key=f"customer-{self._number}", digest="d"
        )
        customer = await create_customer(self.connection, request)
        assert isinstance(customer, int)
        await self._place(customer, MARKETS[0], "buy", 300, PRICE - 50, placed_by=admin)

    async def move(self, kind: Any, user_id: int, asset: str, atoms: int) -> None:
        self._number += 1
        await transfer(
            self.connection,
            TransferRequest(
                kind=kind, user_id=user_id, asset=asset, amount_atoms=atoms, requested_by=user_id,
                key=f"move-{self._number}" if self._number % 2 else None, digest=f"body {self._number}",
            ),
        )  # fmt: skip

    async def trade(self, orders: int) -> None:
        """Orders around one price, so that some trade and some rest; then some cancels, reductions and purchases."""
        chance = self._random
        for _ in range(orders):
            await self.order()
        await self.quiet()
        for market, order_id, user in chance.sample(self._orders, k=min(12, len(self._orders))):
            if chance.random() < 0.5:
                await add_command(self.connection, market, "cancel_order", {}, user_id=user, order_id=order_id)
            else:
                self._number += 1
                key = Key(user, f"less-{self._number}", "body of it")
                said = {"lots": 100, "key": key.name, "body_digest": key.digest}
                row = await add_command(self.connection, market, "reduce_order", said, user_id=user, order_id=order_id)
                await keep(self.connection, key, "command", row.command_id)
        await add_command(self.connection, MARKETS[0], "cancel_all", {}, user_id=self.users[-1])
        await add_command(
            self.connection,
            MARKETS[1],
            "change_market",
            {"taker_fee_bps": chance.randint(1, 30)},
            user_id=self.users[0],
        )
        for lots in (1_250, 1_250, 6_000, 1_250, 1_000):
            await self._buy(chance.choice(self.users), lots)
        for user in self.users[:2]:
            await self.move("withdrawal", user, "USD", 12_345)
            await self.move("adjustment", user, "BTC", -7)
        await self.quiet()
        states = {row["state"] for row in await self.connection.fetch("select distinct state from orders")}
        assert {"filled", "canceled", "aggregated"} <= states, states
        assert states & {"open", "partially_filled"}, states

    async def order(self, market: str | None = None) -> None:
        """Held and written, and not yet journaled."""
        chance = self._random
        side, price = chance.choice(("buy", "sell")), PRICE + chance.randint(-20, 20)
        market = market or chance.choice(MARKETS)
        await self._place(chance.choice(self.users), market, side, chance.randint(200, 900), price)

    async def executed(self) -> None:
        """Returns when the matching agent has answered every command of the journal."""
        reader, partitions = Reader(self.settings, "test"), range(self.settings.kafka_partitions)
        journal = await reader.bounds(self.settings.topic(COMMANDS.name), partitions)
        while True:
            answered = await reader.bounds(self.settings.topic(EXECUTIONS.name), partitions)
            if all(answered[number][1] >= journal[number][1] for number in partitions):
                return
            await asyncio.sleep(0.05)

    async def _place(
        self, user: int, market: str, side: str, lots: int, price: int, placed_by: int | None = None
    ) -> None:
        self._number += 1
        sells = side == "sell"
        order = NewOrder(
            user_id=user, market=market, kind="limit", side=side, time_in_force="gtc", self_trade="expire_maker",
            lots=lots, price_ticks=price, hold_asset=market[:3] if sells else "USD",
            hold_atoms=lots * LOT if sells else lots * price * UNITS, key=f"order-{self._number}",
            digest=f"body {self._number}", placed_by=placed_by,
        )  # fmt: skip
        (answer,) = await place(self.connection, [order], 10_000)
        assert isinstance(answer, Placed)
        self._orders.append((market, answer.order_id, user))

    async def _buy(self, user: int, lots: int) -> None:
        self._number += 1
        order = NewOrder(
            user_id=user, market="ABAN-USD", kind="purchase", side="buy", lots=lots, price_ticks=PRICE,
            hold_asset="USD", hold_atoms=lots * PRICE * UNITS, key=f"buy-{self._number}", digest=f"body {self._number}",
        )  # fmt: skip
        (answer,) = await place(self.connection, [order], 10_000)
        assert isinstance(answer, Placed)


@contextlib.asynccontextmanager
async def exchange(settings: Settings, folder: Path) -> AsyncIterator[Exchange]:
    """Open and empty but for the demo data; its outside exchange fills some batches in part."""
    assert await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS)) == []
    await seed(settings)
    async with (
        venue(folder, Behaviour(latency=0.02, partial=300)) as url,
        books(settings) as connection,
    ):
        one = Exchange(settings, folder, url, connection)
        one.start()
        try:
            yield one
        finally:
            one.kill()


def places(rows: Sequence[Any]) -> list[tuple[str, str]]:
    """What differs, by table and name."""
    return [(row.table, row.place) for row in rows]
