import asyncio
import dataclasses
import random

import asyncpg
import pytest

from ledger.hold_rules import NewOrder, Placed, Refused
from ledger.holds import place
from ledger.transfer_rules import Refused as TransferRefused
from ledger.transfer_rules import TransferRequest
from schemas.commands import BuyFromHouse, Hold, PlaceOrder
from tests.ledger.exchange import Exchange
from tests.ledger.memory.table import Constraint, OutOfRange
from tests.ledger.orders import MARKET, buy, open_market, rich_user
from tests.ledger.stores import InPostgres, Store

LIMIT = 10_000


@pytest.fixture
async def eve(store: Store) -> int:
    """In either books, with an open market."""
    await open_market(store)
    return await rich_user(store, "eve", 1000, btc_atoms=50)


@pytest.fixture
async def ada(in_postgres: InPostgres) -> int:
    """In those that many can use at once."""
    await open_market(in_postgres)
    return await rich_user(in_postgres, "ada", 1000, btc_atoms=50)


async def holds(store: Store, user_id: int, asset: str = "USD") -> tuple[int, int]:
    [row] = [row for row in await store.rows("wallets") if (row["user_id"], row["asset"]) == (user_id, asset)]
    return row["available"], row["held"]


async def wallet(connection, user_id: int) -> tuple[int, int]:
    sql = "select available, held from wallets where user_id = $1 and asset = 'USD'"
    return tuple(await connection.fetchrow(sql, user_id))


async def test_an_order_is_a_hold_a_row_a_command_and_a_key(store, eve):
    assert await store.place([buy(eve, "mine", 300)], LIMIT) == [Placed(1, 2)]
    assert await holds(store, eve) == (700, 300)
    assert await store.rows("orders") == [
        {
            "id": 1, "user_id": eve, "placed_by": None, "market": MARKET, "kind": "limit", "side": "buy",
            "time_in_force": "gtc", "post_only": False, "self_trade": "expire_taker", "lots": 300,
            "quote_atoms": None, "price_ticks": 1, "hold_asset": "USD", "hold_atoms": 300, "held_remaining": 300,
            "state": "pending", "reason": None, "filled_lots": 0, "filled_quote_atoms": 0, "seq": None,
            "is_aggregated": False, "batch_id": None, "batch_line": None, "command_id": 2,
            "client_order_id": "mine", "body_digest": "body of mine",
        }
    ]  # fmt: skip
    [_, command] = await store.rows("commands")
    assert command == {
        "id": 2, "market": MARKET, "number": 2, "kind": "place_order", "user_id": eve, "order_id": 1, "arguments": {},
        "state": "pending", "outcome": None, "journal_partition": None, "journal_offset": None, "sends": 0,
    }  # fmt: skip
    assert await store.rows("idempotency_keys") == [
        {"user_id": eve, "key": "mine", "digest": "body of mine", "subject": "order", "subject_id": 1}
    ]


async def test_the_journal_record_says_what_the_rows_say(store, eve):
    purchase = buy(eve, "p", 200, kind="purchase", time_in_force=None, self_trade=None, lots=4, price_ticks=50)
    await store.place([buy(eve, "o", 300), purchase], LIMIT)
    assert [record.command for record in await store.journal_records([2, 3])] == [
        PlaceOrder(
            market=MARKET, command_id=2, number=2, order_id=1, user_id=eve, side="buy", kind="limit", lots=300,
            price_ticks=1, hold=Hold("USD", 300), client_order_id="o", body_digest="body of o",
        ),
        BuyFromHouse(
            market=MARKET, command_id=3, number=3, order_id=2, user_id=eve, lots=4, price_ticks=50,
            hold=Hold("USD", 200), client_order_id="p", body_digest="body of p",
        ),
    ]  # fmt: skip


async def test_each_order_of_a_batch_has_its_own_answer_in_order(store, eve):
    bob = await rich_user(store, "bob", 100)
    sell = buy(eve, "s", 50, side="sell", hold_asset="BTC")
    answers = await store.place(
        [buy(eve, "a", 600), buy(eve, "b", 600), buy(bob, "a", 100), buy(eve, "a", 600), sell, buy(bob, "c", 1)], LIMIT
    )
    assert answers == [
        Placed(1, 2),
        Refused.INSUFFICIENT_FUNDS,
        Placed(2, 3),
        Placed(1, 2, repeated=True),
        Placed(3, 4),
        Refused.INSUFFICIENT_FUNDS,
    ]
    assert await holds(store, eve) == (400, 600)
    assert await holds(store, eve, "BTC") == (0, 50)
    assert await holds(store, bob) == (0, 100)


async def test_a_refused_order_leaves_no_trace_and_its_key_free(store, eve):
    assert await store.place([buy(eve, "k", 1001)], LIMIT) == [Refused.INSUFFICIENT_FUNDS]
    assert (await store.rows("orders"), await store.rows("idempotency_keys")) == ([], [])
    assert await store.place([buy(eve, "k", 1000)], LIMIT) == [Placed(1, 2)]


async def test_keys_of_orders_and_transfers_are_one_name_space(store, eve):
    deposit = TransferRequest(
        kind="deposit", user_id=eve, asset="USD", amount_atoms=1, requested_by=eve, key="d", digest="d"
    )
    await store.transfer(deposit)
    assert await store.place([buy(eve, "d", 1, digest="d")], LIMIT) == [Refused.IDEMPOTENCY_CONFLICT]
    await store.place([buy(eve, "o", 1, digest="o")], LIMIT)
    taken = dataclasses.replace(deposit, key="o", digest="o")
    assert await store.transfer(taken) is TransferRefused.IDEMPOTENCY_CONFLICT


async def test_the_limit_of_open_orders_counts_what_is_open_now(store):
    exchange = Exchange(store)
    assert await store.add_currency("BTC", "Bitcoin", 8)
    await exchange.open()
    eve = await exchange.rich("eve")
    orders = [exchange.limit(eve, "buy", 1, 1, f"{number}") for number in range(5)]
    first, second, third = await store.place(orders[:3], 2)
    assert third is Refused.TOO_MANY_OPEN_ORDERS
    await exchange.give(first.command_id)
    assert await store.place(orders[3:4], 2) == [Refused.TOO_MANY_OPEN_ORDERS]
    cancel = await store.add_command(exchange.symbol, "cancel_order", {}, user_id=eve, order_id=first.order_id)
    await exchange.give(cancel.command_id)
    placed, refused = await store.place(orders[3:], 2)
    assert (placed, refused) == (Placed(second.order_id + 1, cancel.command_id + 1), Refused.TOO_MANY_OPEN_ORDERS)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"market": "NONE-USD"}, LookupError),
        ({"side": "up"}, Constraint),
        ({"quote_atoms": 5}, Constraint),
        ({"key": "no spaces"}, Constraint),
        ({"lots": 2**63}, OutOfRange),
    ],
)
async def test_an_order_that_the_books_cannot_take_takes_its_whole_batch_along(store, eve, changes, error):
    with pytest.raises(error):
        await store.place([buy(eve, "a", 1), dataclasses.replace(buy(eve, "b", 1), **changes)], LIMIT)
    assert (await store.rows("orders"), await store.rows("idempotency_keys")) == ([], [])
    assert await holds(store, eve) == (1000, 0)


async def test_the_limit_holds_for_orders_that_come_at_once_on_different_wallets(pool, connection, ada):
    async def one(number: int) -> Placed | Refused:
        sell = {"side": "sell", "hold_asset": "BTC"} if number % 2 else {}
        async with pool.acquire() as own:
            return (await place(own, [buy(ada, f"k{number}", 1, **sell)], 7))[0]

    answers = await asyncio.gather(*(one(number) for number in range(16)))
    assert answers.count(Refused.TOO_MANY_OPEN_ORDERS) == 16 - 7
    assert await connection.fetchval("select count(*) from orders") == 7


async def test_money_that_a_rival_takes_between_look_and_place_is_seen(pool, connection, ada):
    """The rival has the wallet in his hands while the order is looked at, and takes nearly all of it."""
    async with pool.acquire() as rival, pool.acquire() as own:
        await rival.execute("begin")
        await rival.execute(
            f"update wallets set available = 10, held = held + 990 where user_id = {ada} and asset = 'USD'"
        )
        placing = asyncio.create_task(place(own, [buy(ada, "large", 300), buy(ada, "small", 4)], LIMIT))
        while not await connection.fetchval(
            "select exists (select from pg_locks where not granted and pid = $1)", own.get_server_pid()
        ):
            await asyncio.sleep(0.01)
        await rival.execute("commit")
        assert await placing == [Refused.INSUFFICIENT_FUNDS, Placed(3, 4)]
        await connection.execute(
            f"update wallets set available = 996, held = 4 where user_id = {ada} and asset = 'USD'"
        )


async def test_one_key_from_many_connections_at_once_is_one_order(pool, connection, ada):
    async def one() -> Placed | Refused:
        async with pool.acquire() as own:
            return (await place(own, [buy(ada, "same", 300)], LIMIT))[0]

    answers = await asyncio.gather(*(one() for _ in range(12)))
    assert {(answer.order_id, answer.command_id) for answer in answers} == {(1, answers[0].command_id)}
    assert sum(not answer.repeated for answer in answers) == 1
    assert await wallet(connection, ada) == (700, 300)


async def test_the_same_keys_on_two_wallets_at_once_are_each_one_order_and_no_deadlock(pool, connection, ada):
    """A buy and a sell lock different wallets, so they meet at their keys, which they come to from opposite ends.

    A third transaction stands on the key in the middle until both wait, so they do meet.
    """
    keys = [f"k{number}" for number in range(9)]
    buys = [buy(ada, key, 1, digest="buy") for key in keys]
    sells = [buy(ada, key, 1, side="sell", hold_asset="BTC", digest="sell") for key in reversed(keys)]

    async def one(batch: list[NewOrder]) -> list[Placed | Refused]:
        async with pool.acquire() as own:
            return await place(own, batch, LIMIT)

    async with pool.acquire() as third:
        await third.execute("begin")
        await third.execute(f"insert into idempotency_keys values ({ada}, 'k4', '', 'order', 0)")
        batches = [asyncio.create_task(one(batch)) for batch in (buys, sells)]
        while await connection.fetchval(WAITING) < 2:
            await asyncio.sleep(0.01)
        await third.execute("rollback")
    answers = await asyncio.gather(*batches)
    assert sorted(answer.count(Refused.IDEMPOTENCY_CONFLICT) for answer in answers) == [0, len(keys)]
    assert await connection.fetchval("select count(*) from orders") == len(keys)


WAITING = """
select count(distinct waiting.pid) from pg_locks waiting join pg_locks ours on ours.pid = waiting.pid
where not waiting.granted and ours.relation = 'idempotency_keys'::regclass
"""
"""Who waits for a lock and has one on this test's own keys: other tests may run on the same server."""


async def test_many_at_once_on_the_same_wallets_never_hold_more_than_there_is(pool, connection, in_postgres, ada):
    users = [ada, *[await rich_user(in_postgres, f"user{n}", 1000) for n in range(4)]]
    chance = random.Random(7)
    orders = [buy(chance.choice(users), f"k{n}", chance.randint(1, 60)) for n in range(600)]

    async def one(batch: list[NewOrder]) -> list[Placed | Refused]:
        async with pool.acquire() as own:
            return await place(own, batch, LIMIT)

    batches = [orders[n : n + 20] for n in range(0, 600, 20)]
    answers = [answer for batch in await asyncio.gather(*map(one, batches)) for answer in batch]
    placed = [order for order, answer in zip(orders, answers, strict=True) if isinstance(answer, Placed)]
    assert set(answers) - {Refused.INSUFFICIENT_FUNDS} == {answer for answer in answers if isinstance(answer, Placed)}
    for user in users:
        held = sum(order.hold_atoms for order in placed if order.user_id == user)
        assert await wallet(connection, user) == (1000 - held, held)
        assert 1000 - held < 60, "an order was refused though there was money"


async def test_a_backend_that_dies_in_the_middle_has_placed_nothing(pool, connection, ada):
    await connection.execute(
        "create function die() returns trigger language plpgsql as "
        "$$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;"
        "create trigger die after insert on commands for each row execute function die()"
    )
    async with pool.acquire() as doomed:
        with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
            await place(doomed, [buy(ada, "a", 300)], LIMIT)
    await connection.execute("drop trigger die on commands")
    assert await wallet(connection, ada) == (1000, 0)
    placed = await place(connection, [buy(ada, "a", 300)], LIMIT)
    assert isinstance(placed[0], Placed)
    assert not placed[0].repeated


@pytest.mark.parametrize("name", ["holds.look", "holds.lock_users", "holds.lock_wallets", "holds.place"])
async def test_the_plans_use_indexes_from_the_first_row(connection, ada, name):
    """On tables that nobody has analysed, and with one row in each, where a scan of the table would look cheapest."""
    from ledger.queries import query

    await place(connection, [buy(ada, "a", 1)], LIMIT)
    await connection.execute("analyze")
    arguments = {
        "holds.look": ([ada], ["USD"], [ada], ["a"], [ada], [MARKET], 10),
        "holds.lock_users": ([ada],),
        "holds.lock_wallets": ([ada], ["USD"]),
        "holds.place": (
            [ada], [None], [MARKET], ["limit"], ["buy"], ["gtc"], [False], ["expire_taker"], [1], [None], [1], ["USD"],
            [1], ["b"], ["b"],
        ),
    }[name]  # fmt: skip
    plan = [row[0] for row in await connection.fetch("explain " + query(name), *arguments)]
    assert [line for line in plan if "Seq Scan" in line or "Hash Join" in line or "Merge Join" in line] == []
