"""Purchases through every process, what the API does in one hand; and the proof that ends such a test."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path

import asyncpg

from agents.settlement.exchange.app import Behaviour
from agents.settlement.exchange.store import Store
from ledger.accounts import NewUser, create_user
from ledger.commands import journal_records
from ledger.connection import books
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.seed import seed
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime import kafka
from runtime.settings import Settings
from schemas.commands import encode_command
from schemas.topics import CHANGELOGS, COMMANDS, TOPICS
from tests.agents.settlement.connectors.binance_double import KEY, SECRET, Mood, binance
from tests.agents.settlement.exchange.test_app import venue
from tests.agents.settlement.processes import Processes

SYMBOL, PRICE, VALUE, LOT_ATOMS = "ABAN-USD", 2_000, 100, 10_000
DOLLAR = 10**8
WITHIN_S = 240
BRISK = ("-m", "tests.agents.settlement.desk.brisk")
DEPOSIT = 10**14


@dataclasses.dataclass
class Pipeline:
    """One customer, a house market, and the agents that a test starts."""

    processes: Processes
    connection: asyncpg.Connection
    user_id: int = 0
    placed: int = 0

    async def begin(self, *names: str) -> None:
        for name in names:
            self.processes.start(name)
        await self.journal()
        await self.until("select count(*) = 0 from commands where state = 'pending'")
        user_id = await create_user(self.connection, NewUser(username="ada", password_hash="-"))
        assert user_id is not None
        self.user_id = user_id
        await transfer(self.connection, TransferRequest(
            kind="deposit", user_id=user_id, asset="USD", amount_atoms=DEPOSIT, requested_by=user_id,
        ))  # fmt: skip

    async def buy(self, *lots: int, price: int = PRICE) -> None:
        """Purchases at the price that was shown, journaled."""
        for one in lots:
            self.placed += 1
            key = f"k{self.placed}"
            order = NewOrder(
                user_id=self.user_id, market=SYMBOL, kind="purchase", side="buy", lots=one, price_ticks=price,
                hold_asset="USD", hold_atoms=one * price * VALUE, key=key, digest=key,
            )  # fmt: skip
            (answer,) = await place(self.connection, [order], 10_000)
            assert isinstance(answer, Placed)
        await self.journal()

    async def journal(self) -> None:
        """Sends every pending command, as the API does."""
        rows = await self.connection.fetch("select id from commands where state = 'pending' order by id")
        async with kafka.running(kafka.producer(self.processes.settings, name="test")) as producer:
            for record in await journal_records(self.connection, [row["id"] for row in rows]):
                value, key = encode_command(record.command), record.command.market.encode()
                topic = self.processes.settings.topic(COMMANDS.name)
                await (await producer.send(topic, value, key, record.partition))

    async def until(self, question: str) -> None:
        """Waits until the books say yes, while who was killed is started again."""
        deadline = time.monotonic() + WITHIN_S
        while not await self.connection.fetchval(question):
            self.processes.restart_killed()
            assert time.monotonic() < deadline, self.processes.logs()
            await asyncio.sleep(0.05)

    async def orders(self) -> list[tuple[str, bool, str | None]]:
        rows = await self.connection.fetch("select state, is_aggregated, batch_id from orders order by id")
        return [tuple(row) for row in rows]

    async def wallet(self, asset: str) -> tuple[int, int, int]:
        row = await self.connection.fetchrow(
            "select available, held, pending from wallets where user_id = $1 and asset = $2", self.user_id, asset
        )
        return (0, 0, 0) if row is None else tuple(row)


class Executed(dict[str, Decimal]):
    """What the exchange itself says that it bought, by batch; `repeated` are batches that it executed twice."""

    repeated: list[str]

    def __init__(self, orders: list[tuple[str, Decimal]]) -> None:
        super().__init__(orders)
        self.repeated = [batch_id for batch_id, _ in orders if [one for one, _ in orders].count(batch_id) > 1]


Exchange = tuple[dict[str, str], Callable[[], Executed]]
"""What the desk's environment says of an exchange, and how that one is asked in the end."""


@contextlib.asynccontextmanager
async def simulated(folder: Path, behaviour: Behaviour) -> AsyncIterator[Exchange]:
    """The sandbox' exchange and its own store."""

    def executed() -> Executed:
        with contextlib.closing(Store(folder / "exchange.sqlite")) as store:
            rows = store.all()
        return Executed([(row["client_order_id"], Decimal(row["filled"])) for row in rows])

    async with venue(folder, behaviour) as url:
        yield {"EXCHANGE_URL": url}, executed


@contextlib.asynccontextmanager
async def ccxt(mood: Mood) -> AsyncIterator[Exchange]:
    """A venue that would execute a repeated id again."""
    async with binance(mood) as (double, url):
        environ = {"EXCHANGE": "binance", "EXCHANGE_URL": url, "EXCHANGE_API_KEY": KEY, "EXCHANGE_SECRET_KEY": SECRET}
        yield (
            environ,
            lambda: Executed([(order["clientOrderId"], Decimal(order["executedQty"])) for order in double.orders]),
        )


@contextlib.asynccontextmanager
async def pipeline(settings: Settings, folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Pipeline]:
    assert await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS)) == []
    await seed(settings)
    async with books(settings) as connection:
        one = Pipeline(Processes(settings, folder, dict(environ), scripts={"settlement.desk": BRISK}), connection)
        try:
            yield one
        finally:
            one.processes.stop()


async def prove(connection: asyncpg.Connection, executed: Executed) -> None:
    """I15, from the exchange's own memory and the postings alone: each batch was executed once and is in the books as
    it was; what was bought was delivered or is inventory; no purchase is left over, and none below the threshold."""
    assert executed.repeated == []
    rows = await connection.fetch("select id, filled_atoms, notional_atoms from batches where state <> 'open'")
    assert {row["id"]: Decimal(row["filled_atoms"] or 0).scaleb(-8) for row in rows} == dict(executed)
    assert [row["id"] for row in rows if row["notional_atoms"] < 10 * DOLLAR] == []
    moved = await connection.fetch(
        "select t.batch_id, sum(p.amount)::bigint as atoms from transfers t join postings p on p.transfer_id = t.id "
        "where p.account in ('wallet', 'inventory') and p.asset = 'ABAN' group by t.batch_id"
    )
    assert {row["batch_id"]: row["atoms"] for row in moved} == {
        row["id"]: row["filled_atoms"] for row in rows if row["filled_atoms"]
    }
    undone = "select id from orders where kind = 'purchase' and not is_done and state <> 'aggregated'"
    assert await connection.fetch(undone) == []
