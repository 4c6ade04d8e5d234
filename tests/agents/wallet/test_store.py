"""The wallet agent's writing on a real server, where others write at the same time."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from agents.wallet.store import BooksStore
from ledger.settle import market_assets, settle_run
from ledger.watermarks import Step
from runtime import postgres
from runtime.journal.errors import Unwell
from runtime.journal.sink import Run
from schemas.executions import ChainedExecution
from schemas.topics import EXECUTIONS
from tests.ledger.exchange import FEES, LOT, VALUE, Exchange
from tests.ledger.stores import InPostgres

PRICE = 100_00
BLOCKS_SOMEBODY = "select exists (select from pg_stat_activity where $1 = any (pg_blocking_pids(pid)))"


@pytest.fixture
async def pool(database: Any) -> Any:
    connections = await postgres.pool(database, max_size=36, application="test")
    yield connections
    await connections.close()


@pytest.fixture
async def exchange(pool: asyncpg.Pool) -> Exchange:
    store = InPostgres(pool)
    assert await store.add_currency("BTC", "Bitcoin", 8)
    exchange = Exchange(store)
    await exchange.open(**FEES)
    return exchange


def run_of(exchange: Exchange, executions: list[ChainedExecution]) -> Run[Any]:
    return exchange.run(EXECUTIONS.name, [(exchange.symbol, one.seq, one) for one in executions])


async def trade(exchange: Exchange, seller: int, buyer: int, key: str) -> Run[Any]:
    """A run in which the two trade."""
    orders = [exchange.limit(seller, "sell", PRICE, 10, f"s{key}"), exchange.limit(buyer, "buy", PRICE, 10, f"b{key}")]
    executions = []
    for order in orders:
        executions += await exchange.execute((await exchange.placed(order)).command_id)
    return run_of(exchange, executions)


class Meanwhile:
    """A connection on which something happens between the look and the write."""

    def __init__(self, connection: Any, rival: Callable[[], Awaitable[object]]) -> None:
        self.fetch = connection.fetch
        self._connection = connection
        self._rival = rival

    async def execute(self, *arguments: Any) -> Any:
        await self._rival()
        return await self._connection.execute(*arguments)


async def settle(connection: Any, exchange: Exchange, run: Run[Any]) -> None:
    step = Step("wallet", run.topic, run.partition, run.before, run.after)
    values = [told.value for told in run.records]
    await settle_run(connection, step, values, {exchange.symbol: (await _assets(exchange))[exchange.symbol]})


async def _assets(exchange: Exchange) -> Any:
    async with exchange.store.pool.acquire() as connection:
        return await market_assets(connection, [exchange.symbol])


async def shown(exchange: Exchange) -> list[object]:
    tables = ("orders", "wallets", "commands", "trades", "postings", "watermarks")
    return [await exchange.store.rows(table) for table in tables]


async def test_who_gets_his_first_of_an_asset_gets_a_wallet_for_it(exchange: Exchange) -> None:
    seller, buyer = await exchange.rich("seller", BTC=10**12), await exchange.rich("buyer", USD=10**15)
    await exchange.store.apply(await trade(exchange, seller, buyer, "1"))
    paid = PRICE * 10 * VALUE
    assert await exchange.wallet(seller) == {
        "BTC": (10**12 - 10 * LOT, 0, 0),
        "USD": (paid - paid * 10 // 10_000, 0, 0),
    }
    assert (await exchange.wallet(buyer))["BTC"] == (10 * LOT - 10 * LOT * 20 // 10_000, 0, 0)


async def test_a_wallet_that_is_made_meanwhile_stops_the_run_and_the_next_try_takes_it(exchange: Exchange) -> None:
    seller, buyer = await exchange.rich("seller"), await exchange.rich("buyer", USD=10**15)
    run = await trade(exchange, seller, buyer, "1")
    before = await shown(exchange)
    async with exchange.store.pool.acquire() as other:
        async with other.transaction():
            await other.execute("insert into wallets (user_id, asset) values ($1, 'BTC')", buyer)
            settling = asyncio.create_task(exchange.store.apply(run))
            while not await exchange.store.pool.fetchval(BLOCKS_SOMEBODY, other.get_server_pid()):
                await asyncio.sleep(0.01)
        with pytest.raises(Unwell, match="a wallet was made while this run made it"):
            await settling
        await other.execute("delete from wallets where user_id = $1 and asset = 'BTC'", buyer)
    assert await shown(exchange) == before
    await exchange.store.apply(run)
    assert (await exchange.wallet(buyer))["BTC"][0] > 0


@pytest.mark.parametrize(
    ("rival", "said"),
    [
        ("update orders set state = 'canceled', held_remaining = 0 where side = 'buy'", "an order has changed"),
        ("update orders set seq = 1 where side = 'buy'", "an order has changed"),
        ("update commands set state = 'decided', outcome = 'x', decided_at = now()", "a command was decided"),
        ("update watermarks set chain = 'other'", "another worker has moved the watermark"),
        ("delete from watermarks", "another worker has moved the watermark"),
    ],
)
async def test_what_is_no_longer_as_it_was_looked_at_stops_the_run(exchange: Exchange, rival: str, said: str) -> None:
    run = await trade(exchange, await exchange.rich("seller"), await exchange.rich("buyer"), "1")
    before = await shown(exchange)
    async with exchange.store.pool.acquire() as connection:
        with pytest.raises(asyncpg.SerializationError, match=said):
            async with connection.transaction():
                await settle(Meanwhile(connection, lambda: connection.execute(rival)), exchange, run)
    assert await shown(exchange) == before
    await exchange.store.apply(run)


async def test_of_two_workers_with_the_same_run_one_finds_it_applied(exchange: Exchange) -> None:
    run = await trade(exchange, await exchange.rich("seller"), await exchange.rich("buyer"), "1")
    stores = [
        BooksStore(lambda: exchange.store.pool, lambda _decided: None, lambda _touched: None) for _worker in range(4)
    ]
    ends = await asyncio.gather(*(store.apply(run) for store in stores), return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [Unwell] * 3
    assert len(await exchange.store.rows("trades")) == 1


async def test_who_freezes_in_the_middle_of_a_transaction_delays_a_run_and_does_not_stop_it(exchange: Exchange) -> None:
    seller = await exchange.rich("seller")
    run = await trade(exchange, seller, await exchange.rich("buyer"), "1")
    async with exchange.store.pool.acquire() as frozen:
        await frozen.execute("begin; set local idle_in_transaction_session_timeout = '300ms'")
        await frozen.execute("update wallets set available = 0 where user_id = $1", seller)
        await exchange.store.apply(run)
    assert (await exchange.wallet(seller))["USD"][0] > 10**15


async def test_a_backend_that_dies_before_the_write_leaves_the_run_to_be_tried_again(exchange: Exchange) -> None:
    run = await trade(exchange, await exchange.rich("seller"), await exchange.rich("buyer"), "1")
    before = await shown(exchange)
    pool = exchange.store.pool

    async def kill() -> None:
        await pool.execute("select pg_terminate_backend($1)", connection.get_server_pid())

    with pytest.raises(postgres.UNWELL):
        async with postgres.connection(pool) as connection:
            await settle(Meanwhile(connection, kill), exchange, run)
    assert await shown(exchange) == before
    await exchange.store.apply(run)


async def test_every_table_is_found_by_its_key_from_the_first_row(exchange: Exchange) -> None:
    """Nobody has analysed these tables, and a scan would look cheapest."""
    seller, buyer = await exchange.rich("seller"), await exchange.rich("buyer")
    for number in range(8):  # past the server's own plans for given values
        await exchange.store.apply(run := await trade(exchange, seller, buyer, str(number)))
        exchange.marks[run.topic] |= run.after
    run = await trade(exchange, seller, buyer, "last")
    async with exchange.store.pool.acquire() as connection, connection.transaction():
        before = await _scans(connection)
        await settle(connection, exchange, run)
        scans = {name: count - before.get(name, 0) for name, count in (await _scans(connection)).items()}
    assert {name for name, count in scans.items() if count > 0} <= {
        "watermarks_pkey", "wallets_pkey", "orders_pkey", "commands_pkey", "markets_symbol_key", "system_accounts_pkey",
    }  # fmt: skip


async def _scans(connection: Any) -> dict[str, int]:
    """How often each table was read whole and each index was asked, in this transaction."""
    rows = await connection.fetch(
        "select relname, pg_stat_get_xact_numscans(oid) as scans from pg_class"
        " where relnamespace = current_schema()::regnamespace and relkind in ('r', 'i')"
    )
    return {row["relname"]: row["scans"] for row in rows if row["scans"]}


class Floor:
    """Traders, and one settling worker for each of two markets on partitions of their own, all at once."""

    def __init__(self, exchanges: list[Exchange], users: list[int]) -> None:
        self.exchanges = exchanges
        self.users = users
        self.waiting: dict[str, list[int]] = {exchange.symbol: [] for exchange in exchanges}
        self.keys = itertools.count()
        self.is_open = True

    async def trade(self, rng: random.Random, orders: int) -> None:
        for _ in range(orders):
            exchange = rng.choice(self.exchanges)
            side, price = rng.choice(["buy", "sell"]), rng.randint(PRICE - 3, PRICE + 3)
            order = exchange.limit(rng.choice(self.users), side, price, rng.randint(1, 9), f"k{next(self.keys)}")
            self.waiting[exchange.symbol].append((await exchange.placed(order)).command_id)

    async def settle(self, exchange: Exchange) -> None:
        waiting = self.waiting[exchange.symbol]
        while self.is_open or waiting:
            taken = [waiting.pop(0) for _ in range(min(len(waiting), 50))]
            executions = [one for number in taken for one in await exchange.execute(number)]
            if not executions:
                await asyncio.sleep(0.001)
                continue
            run = run_of(exchange, executions)
            await exchange.store.apply(run)
            exchange.marks[run.topic] |= run.after


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
async def test_holds_and_two_workers_on_the_same_wallets_lose_nothing_and_never_deadlock(
    exchange: Exchange, seconds: int
) -> None:
    """Thirty-two traders and two workers; any deadlock, lost update or refused run would be raised here."""
    assert await exchange.store.add_currency("ETH", "Ether", 8)
    other = Exchange(exchange.store, symbol="ETH-USD")
    other.partition = 1
    await other.open(**FEES)
    users = [await exchange.rich(f"user{number}", USD=10**15, BTC=10**12, ETH=10**12) for number in range(5)]
    floor = Floor([exchange, other], users)
    settling = [asyncio.create_task(floor.settle(one)) for one in floor.exchanges]
    end, rng = time.monotonic() + seconds, random.Random(4)
    while time.monotonic() < end:
        await asyncio.gather(*(floor.trade(random.Random(rng.random()), 5) for _ in range(32)))
    floor.is_open = False
    await asyncio.gather(*settling)
    assert [row for row in await exchange.store.rows("commands") if row["state"] == "pending"] == []
    resting = {
        order.order_id: order.lots
        for one in floor.exchanges
        if one.engine.state is not None
        for order in one.engine.state.book.orders.values()
    }
    orders = await exchange.store.rows("orders")
    is_open = {"open", "partially_filled"}
    assert {row["id"]: row["lots"] - row["filled_lots"] for row in orders if row["state"] in is_open} == resting
    assert {row["market"] for row in await exchange.store.rows("trades")} == {"BTC-USD", "ETH-USD"}
