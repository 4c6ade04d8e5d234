"""The twin in memory is the books: the same columns and constraints, and after the same deeds the same rows.

What is done is drawn from a seed, and done to PostgreSQL and to memory; every answer and every table must be equal.
"""

import dataclasses
import random
from typing import Any

import pytest

from agents.settlement.terms import WindowTerms
from ledger.hold_rules import NewOrder, Placed
from ledger.transfer_rules import TransferRequest
from schemas.batches import Closed, Failed, Fill, Filled
from schemas.executions import ChainedExecution
from tests.ledger.exchange import FEES, LOT, VALUE, Exchange
from tests.ledger.memory.rows import CHECKS, ROWS
from tests.ledger.stores import InMemory, InPostgres, Row, Store

OTHER_TABLES = {
    "audit_log", "batch_attempts", "candles", "migrations", "refresh_families", "refresh_tokens",
}  # fmt: skip
"""Tables in which no money, order or command is."""
CLOCKED = {"created_at", "updated_at", "seen_at", "next_send_at", "decided_at"}
GENERATED = {"is_done"}
PRICE = 100
DEEDS = {"limit": 50, "purchase": 20, "cancel": 12, "reduce": 8, "transfer": 14, "again": 8, "settle": 40, "fill": 10}


async def test_every_column_of_the_books_is_in_the_twin(connection) -> None:
    rows = await connection.fetch(
        "select table_name, column_name from information_schema.columns c join information_schema.tables t "
        "using (table_schema, table_name) where table_schema = current_schema() and table_type = 'BASE TABLE'"
    )
    columns = {(row["table_name"], row["column_name"]) for row in rows}
    twin = {(table, column) for table, row in ROWS.items() for column in row.__slots__}
    assert twin <= columns
    missing = {(table, column) for table, column in columns - twin if table not in OTHER_TABLES}
    assert {column for _, column in missing} <= CLOCKED | GENERATED


async def test_every_check_of_the_books_is_in_the_twin(connection) -> None:
    rows = await connection.fetch(
        "select conrelid::regclass::text as table, conname as name from pg_constraint "
        "where connamespace = current_schema()::regnamespace and contype = 'c'"
    )
    checks = {(row["table"], row["name"]) for row in rows if row["table"] not in OTHER_TABLES}
    assert checks == {(table, name) for table, names in CHECKS.items() for name in names}


class Twins:
    """Both books as one store: what one answers the other must answer."""

    def __init__(self, *stores: Store) -> None:
        self.stores = stores

    def __getattr__(self, verb: str) -> Any:
        async def both(*arguments: Any, **options: Any) -> Any:
            answers = [await getattr(store, verb)(*arguments, **options) for store in self.stores]
            assert answers[0] == answers[1], verb
            return answers[0]

        return both

    async def prove(self) -> None:
        """Each proves itself when the test ends; here they are compared."""

    async def compare(self) -> None:
        for table in ROWS:
            one, other = [[_known(row) for row in await store.rows(table) if _counts(row)] for store in self.stores]
            assert one == other, table


def _known(row: Row) -> Row:
    """Legs are numbered as they were written, which is nobody's business."""
    return {name: value for name, value in row.items() if "transfer_id" not in row or name != "id"}


def _counts(row: Row) -> bool:
    """A row without money in it may be there or not."""
    amounts = [row[name] for name in ("available", "held", "pending", "balance") if name in row]
    return not amounts or any(amounts)


class Deeds:
    """What people and agents do, one thing at a time."""

    def __init__(self, rng: random.Random, twins: Twins, exchange: Exchange, users: list[int]) -> None:
        self.rng = rng
        self.twins = twins
        self.exchange = exchange
        self.users = users
        self.orders: list[tuple[NewOrder, int]] = []
        self.requests: list[TransferRequest] = []
        self.unsettled: list[ChainedExecution] = []
        self.closed: list[str] = []
        self.keys = 0

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    async def place(self, new: NewOrder, limit: int = 40) -> None:
        for answer in await self.twins.place([new], limit):
            if isinstance(answer, Placed) and not answer.repeated:
                self.orders.append((new, answer.order_id))
                self.unsettled += await self.exchange.execute(answer.command_id, cut=2)

    async def limit(self) -> None:
        rng = self.rng
        new = self.exchange.limit(
            rng.choice(self.users), rng.choice(["buy", "sell"]), PRICE + rng.randint(-3, 3), rng.randint(1, 30),
            self.key(), time_in_force=rng.choice(["gtc", "gtc", "ioc", "fok"]), post_only=rng.random() < 0.1,
            self_trade=rng.choice(["expire_taker", "expire_maker", "expire_both"]),
            placed_by=rng.choice([None, None, self.users[0]]),
        )  # fmt: skip
        if new.post_only and new.time_in_force != "gtc":
            new = dataclasses.replace(new, post_only=False)
        await self.place(new)

    async def purchase(self) -> None:
        lots = self.rng.choice([1, 3, 40, 90_000, 200_000])
        price = PRICE + self.rng.randint(-1, 1)
        await self.place(self.exchange.purchase(self.rng.choice(self.users), lots, price, self.key()))

    async def cancel(self) -> None:
        await self._about("cancel_order", {})

    async def reduce(self) -> None:
        await self._about("reduce_order", {"lots": self.rng.randint(1, 20)})

    async def _about(self, kind: str, arguments: dict[str, Any]) -> None:
        if self.orders:
            new, order_id = self.rng.choice(self.orders)
            row = await self.twins.add_command(
                self.exchange.symbol, kind, arguments, user_id=new.user_id, order_id=order_id
            )
            self.unsettled += await self.exchange.execute(row.command_id, cut=2)

    async def transfer(self) -> None:
        rng = self.rng
        kind = rng.choice(["deposit", "withdrawal", "adjustment"])
        atoms = rng.choice([0, 1, 10**9, 10**13, 1 << 62])
        self.requests.append(
            TransferRequest(
                kind=kind, user_id=rng.choice([*self.users, 999]), asset=rng.choice(["USD", "BTC", "NONE"]),
                amount_atoms=-atoms if kind == "adjustment" and rng.random() < 0.5 else atoms,
                requested_by=rng.choice(self.users), key=rng.choice([None, self.key()]), digest="d", note="why",
                signature=rng.choice([None, rng.randbytes(64)]),
            )
        )  # fmt: skip
        await self.twins.transfer(self.requests[-1])

    async def again(self) -> None:
        """What was asked before, as it was or otherwise, under the same key."""
        rng = self.rng
        if self.requests and rng.random() < 0.5:
            request = rng.choice(self.requests)
            await self.twins.transfer(dataclasses.replace(request, digest=rng.choice(["d", "e"])))
        elif self.orders:
            new, _ = rng.choice(self.orders)
            await self.place(dataclasses.replace(new, digest=rng.choice([new.digest, "another body"])))

    async def settle(self) -> None:
        if not self.unsettled:
            return
        run, self.unsettled = self.unsettled, []
        await self.exchange.settle(run)
        records = [record for execution in run for record in self.exchange.gather(execution)]
        if records:
            await self.exchange.apply(records)
        events = [event for record in records for event in record.events]
        self.closed += [event.batch_id for event in events if isinstance(event, Closed)]

    async def fill(self) -> None:
        if self.closed:
            batch_id = self.closed.pop(self.rng.randrange(len(self.closed)))
            [batch] = [row for row in await self.twins.rows("batches") if row["id"] == batch_id]
            await self.exchange.fill(self._said(batch))

    def _said(self, batch: Row) -> Fill:
        lots = self.rng.choice([0, 1, batch["lots"], batch["lots"], batch["lots"] + 3])
        name, at_ms = self.exchange.symbol, 1_700_000_100_000
        if not lots:
            return Failed(name, batch["id"], "simulated", "no", at_ms)
        return Filled(name, batch["id"], "simulated", "x", lots * LOT, "USD", lots * PRICE * VALUE + 3, at_ms)


@pytest.mark.parametrize("seed", range(1, 5))
async def test_the_same_deeds_leave_the_same_rows(in_memory: InMemory, in_postgres: InPostgres, seed: int) -> None:
    rng = random.Random(seed)
    twins: Any = Twins(in_memory, in_postgres)
    assert await twins.add_currency("BTC", "Bitcoin", 8)
    exchange = Exchange(twins, WindowTerms(max_age_ms=rng.choice([1_000, 10**9]), when_too_old="dissolve"))
    await exchange.open(**FEES)
    await exchange.list_price(PRICE)
    users = [await exchange.rich(f"user{number}", USD=10**11, BTC=10**7) for number in range(4)]
    deeds = Deeds(rng, twins, exchange, users)
    for step in range(160):
        await getattr(deeds, rng.choices(list(DEEDS), list(DEEDS.values()))[0])()
        if step % 16 == 0:
            await twins.compare()
    await deeds.settle()
    while deeds.closed:
        await deeds.fill()
    await twins.compare()
    await in_postgres.prove()
    states = {row["state"] for row in await twins.rows("orders")}
    assert states >= {"open", "filled", "canceled", "completed", "refunded"}
