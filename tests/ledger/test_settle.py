"""The way of orders through hold, engine and settlement, on either books, which must agree with themselves after
every run.
"""

import random
from collections import Counter

import msgspec
import pytest

from runtime.journal.errors import Broken, Unwell
from schemas.executions import ChainedExecution
from schemas.topics import EXECUTIONS
from tests.ledger.exchange import FEES, LOT, SYMBOL, VALUE, Exchange
from tests.ledger.stores import Store


@pytest.fixture
async def exchange(store: Store) -> Exchange:
    """An open market with fees, in books without users."""
    assert await store.add_currency("BTC", "Bitcoin", 8)
    exchange = Exchange(store)
    await exchange.open(**FEES)
    return exchange


async def order(exchange: Exchange, order_id: int) -> dict[str, object]:
    row = await exchange.row("orders", order_id)
    shown = ("state", "reason", "filled_lots", "filled_quote_atoms", "held_remaining", "seq")
    return {name: row[name] for name in shown}


async def test_an_opened_market_has_the_terms_that_the_journal_gave_it(exchange: Exchange) -> None:
    [market] = await exchange.store.rows("markets")
    shown = ("status", "maker_fee_bps", "taker_fee_bps", "version")
    assert [market[name] for name in shown] == ["open", 10, 20, 1]
    [command] = await exchange.store.rows("commands")
    shown = ("state", "outcome", "journal_partition", "journal_offset")
    assert [command[name] for name in shown] == ["decided", "market_opened", 0, 1]


async def test_a_trade_moves_both_sides_takes_the_fees_and_returns_what_a_better_price_left(exchange: Exchange) -> None:
    seller, buyer = await exchange.rich("seller"), await exchange.rich("buyer")
    maker = await exchange.placed(exchange.limit(seller, "sell", 100_00, 10, "s1"))
    await exchange.give(maker.command_id)
    taker = await exchange.placed(exchange.limit(buyer, "buy", 110_00, 4, "b1"))
    decided = await exchange.give(taker.command_id)
    paid, got = 100_00 * 4 * VALUE, 4 * LOT
    assert await order(exchange, maker.order_id) == {
        "state": "partially_filled", "reason": None, "filled_lots": 4, "filled_quote_atoms": paid,
        "held_remaining": 6 * LOT, "seq": 3,
    }  # fmt: skip
    assert await order(exchange, taker.order_id) == {
        "state": "filled", "reason": None, "filled_lots": 4, "filled_quote_atoms": paid, "held_remaining": 0, "seq": 3,
    }  # fmt: skip
    paid_fee, got_fee = paid * 10 // 10_000, got * 20 // 10_000
    assert await exchange.wallet(seller) == {
        "BTC": (10**12 - 10 * LOT, 6 * LOT, 0),
        "USD": (10**15 + paid - paid_fee, 0, 0),
    }
    assert await exchange.wallet(buyer) == {"BTC": (10**12 + got - got_fee, 0, 0), "USD": (10**15 - paid, 0, 0)}
    assert [one.result.outcome for one in decided] == ["filled"]
    [trade] = await exchange.store.rows("trades")
    assert trade == {
        "id": trade["id"], "market": SYMBOL, "trade_seq": 1, "seq": 3, "kind": "book", "price_ticks": 100_00, "lots": 4,
        "quote_atoms": paid, "taker_side": "buy", "taker_order_id": taker.order_id, "taker_user_id": buyer,
        "taker_fee_atoms": got_fee, "maker_order_id": maker.order_id, "maker_user_id": seller,
        "maker_fee_atoms": paid_fee, "at": exchange.now_ms,
    }  # fmt: skip
    legs = [row for row in await exchange.store.rows("postings") if row["transfer_id"] == trade["id"]]
    shown = ("account", "user_id", "asset", "amount", "type")
    assert Counter(tuple(leg[name] for name in shown) for leg in legs) == Counter(
        [
            ("wallet", seller, "BTC", -got, "trade"), ("wallet", seller, "USD", paid, "trade"),
            ("wallet", seller, "USD", -paid_fee, "fee"), ("fees", None, "USD", paid_fee, None),
            ("wallet", buyer, "BTC", got, "trade"), ("wallet", buyer, "USD", -paid, "trade"),
            ("wallet", buyer, "BTC", -got_fee, "fee"), ("fees", None, "BTC", got_fee, None),
        ]
    )  # fmt: skip


async def test_a_rejected_order_gives_its_whole_hold_back(exchange: Exchange) -> None:
    seller, buyer = await exchange.rich("seller"), await exchange.rich("buyer")
    await exchange.give((await exchange.placed(exchange.limit(seller, "sell", 100_00, 10, "s1"))).command_id)
    placed = await exchange.placed(exchange.limit(buyer, "buy", 100_00, 4, "b1", post_only=True))
    await exchange.give(placed.command_id)
    assert await order(exchange, placed.order_id) == {
        "state": "rejected", "reason": "would_take", "filled_lots": 0, "filled_quote_atoms": 0, "held_remaining": 0,
        "seq": 3,
    }  # fmt: skip
    assert (await exchange.wallet(buyer))["USD"] == (10**15, 0, 0)


async def test_a_run_that_another_worker_has_applied_changes_nothing(exchange: Exchange) -> None:
    ada = await exchange.rich("ada")
    placed = await exchange.placed(exchange.limit(ada, "buy", 100_00, 1, "k"))
    run = exchange.run(EXECUTIONS.name, [(SYMBOL, one.seq, one) for one in await exchange.execute(placed.command_id)])
    await exchange.store.apply(run)
    before = [await exchange.store.rows(table) for table in ("orders", "wallets", "commands", "watermarks")]
    with pytest.raises(Unwell, match="moved the watermark"):
        await exchange.store.apply(run)
    assert before == [await exchange.store.rows(table) for table in ("orders", "wallets", "commands", "watermarks")]
    assert await exchange.store.marks(EXECUTIONS.name, 0) == run.after


async def test_a_run_that_contradicts_the_books_is_written_nowhere(exchange: Exchange) -> None:
    """Its first execution is right, its second names an order that nobody has: neither counts."""
    ada = await exchange.rich("ada")
    placed = await exchange.placed(exchange.limit(ada, "buy", 100_00, 1, "k"))
    [rested] = await exchange.execute(placed.command_id)
    [event] = rested.events
    stranger = msgspec.structs.replace(event, order_id=99)
    other = msgspec.structs.replace(rested, seq=rested.seq + 1, events=[stranger])
    tables = ("orders", "wallets", "commands", "postings", "watermarks")
    before = [await exchange.store.rows(table) for table in tables]
    with pytest.raises(Broken, match="order 99 is not in the books"):
        await exchange.settle([rested, other])
    assert before == [await exchange.store.rows(table) for table in tables]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_orders_cancels_and_reductions_leave_the_books_right(exchange: Exchange, seed: int) -> None:
    rng = random.Random(seed)
    users = [await exchange.rich(f"user{number}") for number in range(4)]
    live: list[tuple[int, int]] = []
    run: list[ChainedExecution] = []
    for step in range(150):
        user = rng.choice(users)
        if live and rng.random() < 0.3:
            order_id, owner = rng.choice(live)
            kind = rng.choice(["cancel_order", "reduce_order"])
            arguments = {"lots": rng.randint(1, 8)} if kind == "reduce_order" else {}
            row = await exchange.store.add_command(SYMBOL, kind, arguments, user_id=owner, order_id=order_id)
            command_id = row.command_id
        else:
            new = exchange.limit(
                user, rng.choice(["buy", "sell"]), rng.randint(95, 105), rng.randint(1, 20), f"k{step}",
                time_in_force=rng.choice(["gtc", "gtc", "gtc", "ioc", "fok"]),
                self_trade=rng.choice(["expire_taker", "expire_maker", "expire_both"]),
            )  # fmt: skip
            placed = await exchange.placed(new)
            command_id = placed.command_id
            live.append((placed.order_id, user))
        run += await exchange.execute(command_id, cut=2)
        if rng.random() < 0.2:
            await exchange.settle(run)
            run = []
    if run:
        await exchange.settle(run)
    assert [row["id"] for row in await exchange.store.rows("commands") if row["state"] == "pending"] == []
    assert exchange.engine.state is not None
    resting = {order.order_id: order.lots for order in exchange.engine.state.book.orders.values()}
    orders = await exchange.store.rows("orders")
    is_open = {"pending", "open", "partially_filled"}
    assert {row["id"]: row["lots"] - row["filled_lots"] for row in orders if row["state"] in is_open} == resting
    assert len({row["state"] for row in orders}) >= 4
