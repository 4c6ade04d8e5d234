"""Random purchases through hold, engine, windower and fills: after every step the books must agree with themselves."""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from agents.matching.engine import Market
from agents.settlement.terms import WindowTerms
from agents.settlement.window import State
from agents.settlement.windower import follow
from ledger.accounts import NewUser, create_user
from ledger.batch_rules import TooEarly
from ledger.batches import gather_run, settle_fill_run
from ledger.commands import add_command, journal_records
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.reconcile import differences
from ledger.settle import market_assets, settle_run
from ledger.settlement import Mismatch
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from ledger.watermarks import Step
from runtime.journal.watermark import Mark
from schemas.batches import BatchRecord, Closed, Failed, Fill, Filled
from schemas.executions import ChainedExecution

SYMBOL = "ABAN-USD"
TERMS = {
    "base": "ABAN", "quote": "USD", "base_scale": 8, "quote_scale": 8, "tick_size": "0.01", "lot_size": "0.0001",
}  # fmt: skip
VALUE, LOT, PRICE = 100, 10_000, 2_000
TEN = 5_000
RICH = 10**15
PLACE = ("wallet", "executions")


class House:
    """Everything between a purchase and its delivery, in one hand and without a broker."""

    def __init__(self, connection: Any, terms: WindowTerms) -> None:
        self.connection = connection
        self.engine = Market(SYMBOL)
        self.state = State(SYMBOL, 1, terms)
        self.mark = Mark()
        self.seq = self.batch_seq = 0
        self.now_ms = 1_700_000_000_000

    async def execute(self, command_id: int) -> tuple[ChainedExecution, list[BatchRecord]]:
        """What matching and windower say of a command."""
        (record,) = await journal_records(self.connection, [command_id])
        self.now_ms += 7
        self.seq += 1
        execution = ChainedExecution(
            market=SYMBOL, seq=self.seq, partition=0, offset=self.seq, time_ms=self.now_ms, part=1, last=True,
            command="", command_id=command_id, reply="", events=self.engine.apply(record.command, self.now_ms),
            prev_chain="", chain="",
        )  # fmt: skip
        return execution, self.gather(execution)

    def gather(self, execution: ChainedExecution) -> list[BatchRecord]:
        records = []
        for event in follow(self.state, execution):
            self.batch_seq += 1
            place = (SYMBOL, self.batch_seq, 0, execution.offset, execution.time_ms, 1, True)
            records.append(BatchRecord(*place, execution.seq, [event]))
        return records

    async def settle(self, execution: ChainedExecution) -> None:
        after = Mark(execution.seq, execution.offset, "", execution.offset)
        step = Step(*PLACE, 0, {SYMBOL: self.mark}, {SYMBOL: after})
        await settle_run(self.connection, step, [execution], await market_assets(self.connection, [SYMBOL]))
        self.mark = after
        assert await differences(self.connection) == []

    async def apply(self, records: Sequence[BatchRecord]) -> None:
        async with self.connection.transaction():
            await gather_run(self.connection, records, await market_assets(self.connection, [SYMBOL]), PLACE)
        assert await differences(self.connection) == []

    async def fill(self, *fills: Fill) -> None:
        async with self.connection.transaction():
            await settle_fill_run(self.connection, fills, await market_assets(self.connection, [SYMBOL]))
        assert await differences(self.connection) == []

    async def buy(self, user_id: int, lots: int, key: str) -> tuple[int, ChainedExecution, list[BatchRecord]]:
        order = NewOrder(
            user_id=user_id, market=SYMBOL, kind="purchase", side="buy", lots=lots, price_ticks=PRICE,
            hold_asset="USD", hold_atoms=lots * PRICE * VALUE, key=key, digest=key,
        )  # fmt: skip
        (answer,) = await place(self.connection, [order], 10_000)
        assert isinstance(answer, Placed)
        return answer.order_id, *(await self.execute(answer.command_id))

    async def bought(self, user_id: int, lots: int, key: str) -> int:
        """A purchase up to the batch that it joined or became."""
        order_id, execution, records = await self.buy(user_id, lots, key)
        await self.settle(execution)
        if records:
            await self.apply(records)
        return order_id

    async def states(self) -> dict[int, tuple[str, bool, str | None, int | None]]:
        rows = await self.connection.fetch("select id, state, is_aggregated, batch_id, batch_line from orders")
        return {row["id"]: tuple(row)[1:] for row in rows}

    async def system(self) -> dict[tuple[str, str], int]:
        rows = await self.connection.fetch("select account, asset, balance from system_accounts where balance <> 0")
        return {(row["account"], row["asset"]): row["balance"] for row in rows}

    async def wallet(self, user_id: int) -> dict[str, tuple[int, int, int]]:
        rows = await self.connection.fetch("select * from wallets where user_id = $1 order by asset", user_id)
        return {row["asset"]: (row["available"], row["held"], row["pending"]) for row in rows}


async def open_house(connection: asyncpg.pool.PoolConnectionProxy, terms: WindowTerms) -> House:
    await connection.execute("insert into currencies (code, name, scale) values ('ABAN', 'Aban', 8)")
    await connection.execute(
        "insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, "
        "lot_base_atoms, tick_lot_quote_atoms, is_house) "
        "values ($1, 'ABAN', 'USD', 0, 8, 8, 0.01, 0.0001, $2, $3, true)",
        SYMBOL, LOT, VALUE,
    )  # fmt: skip
    house = House(connection, terms)
    for kind, arguments in (("open_market", TERMS), ("list_price", {"price_ticks": PRICE})):
        row = await add_command(connection, SYMBOL, kind, arguments)
        await house.settle((await house.execute(row.command_id))[0])
    return house


@pytest.fixture
async def house(connection: asyncpg.pool.PoolConnectionProxy) -> House:
    return await open_house(connection, WindowTerms())


async def rich(connection: Any, name: str) -> int:
    user_id = await create_user(connection, NewUser(username=name, password_hash="-"))
    assert user_id is not None
    request = TransferRequest(kind="deposit", user_id=user_id, asset="USD", amount_atoms=RICH, requested_by=user_id)
    await transfer(connection, request)
    return user_id


def filled(batch_id: str, lots: int, charged: int) -> Filled:
    return Filled(SYMBOL, batch_id, "simulated", f"x-{batch_id}", lots * LOT, "USD", charged, 1_700_000_100_000)


async def test_a_purchase_is_gathered_sent_and_delivered(house: House) -> None:
    ada = await rich(house.connection, "ada")
    first = await house.bought(ada, 2_000, "k1")
    assert await house.states() == {first: ("aggregated", True, "ABAN-USD-1", 1)}
    second = await house.bought(ada, 3_000, "k2")
    assert await house.states() == {
        first: ("sent", True, "ABAN-USD-1", 1),
        second: ("sent", True, "ABAN-USD-1", 2),
    }
    paid = TEN * PRICE * VALUE
    assert await house.wallet(ada) == {"ABAN": (0, 0, TEN * LOT), "USD": (RICH - paid, 0, 0)}
    await house.fill(filled("ABAN-USD-1", TEN, paid - 7))
    assert {state for state, *_ in (await house.states()).values()} == {"completed"}
    assert await house.wallet(ada) == {"ABAN": (TEN * LOT, 0, 0), "USD": (RICH - paid, 0, 0)}
    assert await house.system() == {
        ("deposits", "USD"): -RICH, ("house", "USD"): 7, ("exchange_payable", "USD"): paid - 7,
        ("exchange_payable", "ABAN"): -TEN * LOT,
    }  # fmt: skip
    row = await house.connection.fetchrow(
        "select lots, notional_atoms, state, filled_atoms, charged_atoms from batches"
    )
    assert tuple(row) == (TEN, paid, "filled", TEN * LOT, paid - 7)


async def test_a_partial_fill_completes_in_list_order_and_refunds_the_first_that_is_not_covered_and_all_after_it(
    house: House,
) -> None:
    ada = await rich(house.connection, "ada")
    orders = [await house.bought(ada, lots, f"k{lots}") for lots in (2_000, 2_500, 600)]
    await house.fill(filled("ABAN-USD-1", 4_400, 4_400 * PRICE * VALUE))
    states = await house.states()
    assert [states[order][0] for order in orders] == ["completed", "refunded", "refunded"]
    assert await house.wallet(ada) == {"ABAN": (2_000 * LOT, 0, 0), "USD": (RICH - 2_000 * PRICE * VALUE, 0, 0)}
    assert (await house.system())["inventory", "ABAN"] == 2_400 * LOT


async def test_a_failed_batch_is_refunded_whole(house: House) -> None:
    ada = await rich(house.connection, "ada")
    order = await house.bought(ada, TEN, "k1")
    assert await house.states() == {order: ("sent", False, "ABAN-USD-1", 1)}
    await house.fill(Failed(SYMBOL, "ABAN-USD-1", "simulated", "no such coin", 1_700_000_100_000))
    assert (await house.states())[order][0] == "refunded"
    assert await house.wallet(ada) == {"ABAN": (0, 0, 0), "USD": (RICH, 0, 0)}
    assert await house.system() == {("deposits", "USD"): -RICH}


async def test_a_window_that_was_dissolved_is_refunded(connection: asyncpg.pool.PoolConnectionProxy) -> None:
    house = await open_house(connection, WindowTerms(when_too_old="dissolve", max_age_ms=1_000))
    ada = await rich(connection, "ada")
    first = await house.bought(ada, 10, "k1")
    house.now_ms += 1_000
    second = await house.bought(ada, 20, "k2")
    assert await house.states() == {
        first: ("refunded", True, "ABAN-USD-1", 1),
        second: ("aggregated", True, "ABAN-USD-2", 1),
    }


async def test_batch_events_wait_for_the_execution_that_they_follow_and_fills_for_their_batch(house: House) -> None:
    ada = await rich(house.connection, "ada")
    order, execution, records = await house.buy(ada, TEN, "k1")
    fill = filled("ABAN-USD-1", TEN, 5)
    with pytest.raises(TooEarly, match="not closed in the books"):
        await house.fill(fill)
    with pytest.raises(TooEarly, match="ABAN-USD is at 2 in the books, its batches are at 3"):
        await house.apply(records)
    await house.settle(execution)
    with pytest.raises(TooEarly, match="not closed in the books"):
        await house.fill(fill)
    await house.apply(records)
    await house.fill(fill)
    assert (await house.states())[order][0] == "completed"


async def test_a_fill_that_comes_again_changes_nothing_and_one_that_says_otherwise_stops(house: House) -> None:
    ada = await rich(house.connection, "ada")
    await house.bought(ada, TEN, "k1")
    fill = filled("ABAN-USD-1", TEN, 5)
    await house.fill(fill, fill)
    before = await house.system()
    await house.fill(fill)
    assert await house.system() == before
    with pytest.raises(Mismatch, match="was settled with"):
        await house.fill(filled("ABAN-USD-1", TEN, 6))


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_purchases_and_fills_end_in_one_of_two_states_and_all_bought_is_delivered_or_inventory(
    house: House, seed: int
) -> None:
    rng = random.Random(seed)
    users = [await rich(house.connection, f"user{number}") for number in range(3)]
    closed: list[Closed] = []
    waiting: list[BatchRecord] = []
    bought = 0
    for step in range(60):
        lots = rng.choice([1, 500, 1_500, TEN - 1, TEN, 2 * TEN])
        _, execution, records = await house.buy(rng.choice(users), lots, f"k{step}")
        await house.settle(execution)
        waiting += records
        if rng.random() < 0.4 and waiting:
            await house.apply(waiting)
            closed += [event for record in waiting for event in record.events if isinstance(event, Closed)]
            waiting = []
        while closed and rng.random() < 0.6:
            batch = closed.pop(rng.randrange(len(closed)))
            got = rng.choice([0, 1, batch.lots // 2, batch.lots, batch.lots + 3])
            bought += got * LOT
            if got:
                await house.fill(filled(batch.batch_id, got, rng.randint(0, batch.notional_atoms * 2)))
            else:
                await house.fill(Failed(SYMBOL, batch.batch_id, "simulated", "no", 1_700_000_100_000))
    owned = await house.connection.fetchval("select sum(available) from wallets where asset = 'ABAN'")
    assert bought == owned + (await house.system()).get(("inventory", "ABAN"), 0)
    open_orders = await house.connection.fetchval("select count(*) from orders where not is_done")
    pending = await house.connection.fetchval("select sum(pending) from wallets where asset = 'ABAN'")
    assert (open_orders > 0) == (pending > 0)
