"""The way of random orders through hold, engine and settlement: after every run the books must agree with themselves.

The `pool` fixture proves I1 to I4 when a test ends; these tests also ask after each run.
"""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from agents.matching.engine import Market
from ledger.accounts import NewUser, create_user
from ledger.commands import add_command, journal_records
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.reconcile import differences
from ledger.settle import market_assets, settle_run
from ledger.settlement import Settlement
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from ledger.watermarks import Step
from runtime.journal.watermark import Mark
from schemas.commands import Command, OpenMarket
from schemas.executions import ChainedExecution

SYMBOL = "BTC-USD"
TERMS = {
    "base": "BTC", "quote": "USD", "base_scale": 8, "quote_scale": 8, "tick_size": "0.01", "lot_size": "0.0001",
    "maker_fee_bps": 10, "taker_fee_bps": 20,
}  # fmt: skip
VALUE = 100  # quote atoms of a tick times a lot
LOT = 10_000  # base atoms of a lot


class Exchange:
    """The pipeline in one hand: what the API, the matching agent and the wallet agent do, without a broker."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.engine = Market(SYMBOL)
        self.mark = Mark()
        self.seq = 0
        self.now_ms = 1_700_000_000_000

    def execute(self, command: Command, *, cut: int = 500) -> list[ChainedExecution]:
        self.now_ms += 7
        events = self.engine.apply(command, self.now_ms)
        parts = [events[start : start + cut] for start in range(0, len(events), cut)]
        executions = []
        for number, part in enumerate(parts, 1):
            self.seq += 1
            executions.append(
                ChainedExecution(
                    market=SYMBOL, seq=self.seq, partition=0, offset=self.seq, time_ms=self.now_ms, part=number,
                    last=number == len(parts), command="", command_id=getattr(command, "command_id", None), reply="",
                    events=part, prev_chain="", chain="",
                )
            )  # fmt: skip
        return executions

    async def settle(self, executions: Sequence[ChainedExecution]) -> Settlement:
        after = Mark(executions[-1].seq, executions[-1].offset, "", executions[-1].offset)
        step = Step("wallet", "executions", 0, {SYMBOL: self.mark}, {SYMBOL: after})
        done = await settle_run(self.connection, step, executions, await market_assets(self.connection, [SYMBOL]))
        self.mark = after
        assert await differences(self.connection) == []
        return done

    async def give(self, command_id: int) -> Settlement:
        """One command, from its row to the books."""
        (record,) = await journal_records(self.connection, [command_id])
        return await self.settle(self.execute(record.command))

    async def order(self, order_id: int) -> dict[str, Any]:
        row = await self.connection.fetchrow(
            "select state, reason, filled_lots, filled_quote_atoms, held_remaining, seq from orders where id = $1",
            order_id,
        )
        return dict(row)

    async def wallet(self, user_id: int) -> dict[str, tuple[int, int, int]]:
        rows = await self.connection.fetch("select * from wallets where user_id = $1 order by asset", user_id)
        return {row["asset"]: (row["available"], row["held"], row["pending"]) for row in rows}


def limit(user_id: int, side: str, price: int, lots: int, key: str, **more: Any) -> NewOrder:
    hold = ("USD", price * lots * VALUE) if side == "buy" else ("BTC", lots * LOT)
    fields = {"time_in_force": "gtc", "self_trade": "expire_taker"} | more
    return NewOrder(
        user_id=user_id, market=SYMBOL, kind="limit", side=side, lots=lots, price_ticks=price, hold_asset=hold[0],
        hold_atoms=hold[1], key=key, digest=key, **fields,
    )  # fmt: skip


@pytest.fixture
async def exchange(connection: asyncpg.pool.PoolConnectionProxy) -> Exchange:
    """An open market with fees, in books without users."""
    await connection.execute("insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8)")
    await connection.execute(
        "insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, "
        "lot_base_atoms, tick_lot_quote_atoms) values ($1, 'BTC', 'USD', 0, 8, 8, 0.01, 0.0001, $2, $3)",
        SYMBOL, LOT, VALUE,
    )  # fmt: skip
    exchange = Exchange(connection)
    row = await add_command(connection, SYMBOL, "open_market", TERMS)
    (record,) = await journal_records(connection, [row.command_id])
    assert isinstance(record.command, OpenMarket)
    await exchange.settle(exchange.execute(record.command))
    return exchange


async def rich(connection: Any, name: str) -> int:
    user_id = await create_user(connection, NewUser(username=name, password_hash="-"))
    assert user_id is not None
    for asset, atoms in (("USD", 10**15), ("BTC", 10**12)):
        await transfer(
            connection,
            TransferRequest(kind="deposit", user_id=user_id, asset=asset, amount_atoms=atoms, requested_by=user_id),
        )
    return user_id


async def placed(exchange: Exchange, order: NewOrder) -> Placed:
    (answer,) = await place(exchange.connection, [order], 1000)
    assert isinstance(answer, Placed)
    return answer


async def test_an_opened_market_has_the_terms_that_the_journal_gave_it(exchange: Exchange) -> None:
    row = await exchange.connection.fetchrow("select status, maker_fee_bps, taker_fee_bps, version from markets")
    assert dict(row) == {"status": "open", "maker_fee_bps": 10, "taker_fee_bps": 20, "version": 1}
    row = await exchange.connection.fetchrow("select state, outcome, journal_partition, journal_offset from commands")
    assert dict(row) == {"state": "decided", "outcome": "market_opened", "journal_partition": 0, "journal_offset": 1}


async def test_a_trade_moves_both_sides_takes_the_fees_and_returns_what_a_better_price_left(exchange: Exchange) -> None:
    seller, buyer = await rich(exchange.connection, "seller"), await rich(exchange.connection, "buyer")
    maker = await placed(exchange, limit(seller, "sell", 100_00, 10, "s1"))
    await exchange.give(maker.command_id)
    taker = await placed(exchange, limit(buyer, "buy", 110_00, 4, "b1"))
    done = await exchange.give(taker.command_id)
    paid, got = 100_00 * 4 * VALUE, 4 * LOT
    assert await exchange.order(maker.order_id) == {
        "state": "partially_filled", "reason": None, "filled_lots": 4, "filled_quote_atoms": paid,
        "held_remaining": 6 * LOT, "seq": 3,
    }  # fmt: skip
    assert await exchange.order(taker.order_id) == {
        "state": "filled", "reason": None, "filled_lots": 4, "filled_quote_atoms": paid, "held_remaining": 0, "seq": 3,
    }  # fmt: skip
    assert await exchange.wallet(seller) == {
        "BTC": (10**12 - 10 * LOT, 6 * LOT, 0),
        "USD": (10**15 + paid - paid * 10 // 10_000, 0, 0),
    }
    assert await exchange.wallet(buyer) == {
        "BTC": (10**12 + got - got * 20 // 10_000, 0, 0),
        "USD": (10**15 - paid, 0, 0),
    }
    assert [one.result.outcome for one in done.decided] == ["filled"]
    assert await exchange.connection.fetchval("select count(*) from trades") == 1


async def test_a_rejected_order_gives_its_whole_hold_back(exchange: Exchange) -> None:
    seller, buyer = await rich(exchange.connection, "seller"), await rich(exchange.connection, "buyer")
    await exchange.give((await placed(exchange, limit(seller, "sell", 100_00, 10, "s1"))).command_id)
    order = await placed(exchange, limit(buyer, "buy", 100_00, 4, "b1", post_only=True))
    await exchange.give(order.command_id)
    assert await exchange.order(order.order_id) == {
        "state": "rejected", "reason": "would_take", "filled_lots": 0, "filled_quote_atoms": 0, "held_remaining": 0,
        "seq": 3,
    }  # fmt: skip
    assert (await exchange.wallet(buyer))["USD"] == (10**15, 0, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_orders_cancels_and_reductions_leave_the_books_right(exchange: Exchange, seed: int) -> None:
    rng = random.Random(seed)
    connection = exchange.connection
    users = [await rich(connection, f"user{number}") for number in range(4)]
    live: list[tuple[int, int]] = []
    run: list[ChainedExecution] = []
    for step in range(150):
        user = rng.choice(users)
        if live and rng.random() < 0.3:
            order_id, owner = rng.choice(live)
            kind = rng.choice(["cancel_order", "reduce_order"])
            arguments = {"lots": rng.randint(1, 8)} if kind == "reduce_order" else {}
            command_id = (
                await add_command(connection, SYMBOL, kind, arguments, user_id=owner, order_id=order_id)
            ).command_id
        else:
            order = limit(
                user, rng.choice(["buy", "sell"]), rng.randint(95, 105), rng.randint(1, 20), f"k{step}",
                time_in_force=rng.choice(["gtc", "gtc", "gtc", "ioc", "fok"]),
                self_trade=rng.choice(["expire_taker", "expire_maker", "expire_both"]),
            )  # fmt: skip
            answer = await placed(exchange, order)
            command_id = answer.command_id
            live.append((answer.order_id, user))
        (record,) = await journal_records(connection, [command_id])
        run += exchange.execute(record.command, cut=2)
        if rng.random() < 0.2:
            await exchange.settle(run)
            run = []
    if run:
        await exchange.settle(run)
    assert await connection.fetchval("select count(*) from commands where state = 'pending'") == 0
    assert exchange.engine.state is not None
    resting = {order.order_id: order.lots for order in exchange.engine.state.book.orders.values()}
    rows = await connection.fetch("select id, lots - filled_lots as left_lots from orders where not is_done")
    assert {row["id"]: row["left_lots"] for row in rows} == resting
    assert len(await connection.fetch("select distinct state from orders")) >= 4
