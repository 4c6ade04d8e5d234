"""`tidemark bench books`: orders held in batches and one by one, and trades settled, in a database empty before.

What is measured is what runs: the hold of the API and the settlement of the wallet agent, with the real engine between
them; one market is settled run after run, two are settled side by side as their partitions are. Afterwards the books
must agree with themselves to the atom.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence

from agents.matching.engine import Market
from ledger.commands import JournalRecord, add_command, journal_records
from ledger.connection import books
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.migrate import migrate
from ledger.reconcile import differences
from ledger.settle import settle_run
from ledger.settlement import Assets
from ledger.watermarks import Step
from runtime import collector, postgres, processor
from runtime.bench import Bench, Measuring
from runtime.journal.watermark import Mark
from schemas.executions import ChainedExecution, Traded

MARKETS = ("BTC-USD", "ETH-USD")
PRICE = 10_000
VALUE, LOT = 100, 10_000
USERS = 2_000
BATCH, BATCHES, LANES = 500, 8, 2
SINGLES = 300
TERMS = {"quote": "USD", "base_scale": 8, "quote_scale": 8, "tick_size": "0.01", "lot_size": "0.0001"}
# One deposit an asset, with a leg for every user, so that the books agree.
RICH = """
with person as (
    insert into users (name) select 'user ' || n from generate_series(1, $1) n returning id
), asset as (
    select * from (values ('USD', 1e15::bigint), ('BTC', 1e12::bigint), ('ETH', 1e12::bigint)) a (code, atoms)
), wallet as (
    insert into wallets (user_id, asset, available) select p.id, a.code, a.atoms from person p, asset a
), transfer as (
    insert into transfers (kind, note) select 'deposit', code from asset returning id, note
), posted as (
    insert into postings (transfer_id, account, user_id, asset, amount, type)
    select t.id, 'wallet', p.id, a.code, a.atoms, 'deposit' from transfer t join asset a on a.code = t.note, person p
    union all
    select t.id, 'deposits', null, a.code, -a.atoms * $1::bigint, null from transfer t join asset a on a.code = t.note
), border as (
    insert into system_accounts (account, asset, balance) select 'deposits', code, -atoms * $1::bigint from asset
)
select id from person order by id
"""


class Floor:
    """The engine of a market, the books and an endless row of orders that trade two by two."""

    def __init__(self, pool: postgres.Pool, users: Sequence[int], symbol: str) -> None:
        base, _, quote = symbol.partition("-")
        self.pool = pool
        self.symbol = symbol
        self.engine = Market(symbol)
        self.seq = 0
        self.assets = {symbol: Assets(base, quote)}
        self._mark = Mark()
        self._partition = MARKETS.index(symbol)
        self._orders = self._crossing(users, base, quote)

    def _crossing(self, users: Sequence[int], base: str, quote: str) -> Iterator[NewOrder]:
        """Sell, buy, sell, buy: every second order takes the one before it."""
        for number in itertools.count():
            sells = number % 2 == 0
            yield NewOrder(
                user_id=users[number % len(users)], market=self.symbol, kind="limit", side="sell" if sells else "buy",
                time_in_force="gtc", self_trade="expire_taker", lots=20, price_ticks=PRICE,
                hold_asset=base if sells else quote, hold_atoms=20 * LOT if sells else 20 * PRICE * VALUE,
                key=f"bench-{self.symbol}-{number}", digest="-",
            )  # fmt: skip

    def orders(self, count: int) -> list[NewOrder]:
        return list(itertools.islice(self._orders, count))

    async def hold(self, orders: Sequence[NewOrder]) -> list[int]:
        """The ids of their commands."""
        async with self.pool.acquire() as connection:
            placed = await place(connection, orders, 100_000)
        assert all(isinstance(answer, Placed) for answer in placed)
        return [answer.command_id for answer in placed if isinstance(answer, Placed)]

    async def records(self, command_ids: Sequence[int]) -> list[JournalRecord]:
        async with self.pool.acquire() as connection:
            return await journal_records(connection, command_ids)

    def execute(self, records: Sequence[JournalRecord]) -> list[ChainedExecution]:
        """What the matching agent would say."""
        executions = []
        for record in records:
            self.seq += 1
            now_ms = 1_700_000_000_000 + self.seq
            executions.append(
                ChainedExecution(
                    market=self.symbol, seq=self.seq, partition=self._partition, offset=self.seq, time_ms=now_ms,
                    part=1, last=True, command="", command_id=record.command.command_id, reply="",
                    events=self.engine.apply(record.command, now_ms), prev_chain="", chain="",
                )
            )  # fmt: skip
        return executions

    async def runs(self, command_ids: Sequence[int]) -> list[list[ChainedExecution]]:
        """Cut as the sink cuts them."""
        executions = self.execute(await self.records(command_ids))
        return [executions[start : start + BATCH] for start in range(0, len(executions), BATCH)]

    async def settle(self, executions: Sequence[ChainedExecution]) -> None:
        last = executions[-1]
        after = Mark(last.seq, last.offset, last.chain, last.offset)
        step = Step("wallet", "executions", self._partition, {self.symbol: self._mark}, {self.symbol: after})
        async with postgres.connection(self.pool) as connection:
            await settle_run(connection, step, executions, self.assets)
        self._mark = after

    async def settle_all(self, runs: Iterable[Sequence[ChainedExecution]]) -> None:
        for run in runs:
            await self.settle(run)


async def measure(measuring: Measuring) -> None:
    """In the order of an exchange's first minute: nothing was ever analysed here."""
    settings = measuring.settings
    await migrate(settings)
    pool = await postgres.pool(settings, min_size=LANES, max_size=LANES, application="bench")
    try:
        floors = await _open(pool)
        collector.spare()
        await _holds(measuring, floors[0])
        await _settlements(measuring, "one market", floors[:1])
        await _settlements(measuring, "two markets at once", floors)
        await _one_by_one(measuring, floors[0])
    finally:
        await pool.close()
    async with books(settings) as connection:
        if wrong := await differences(connection):
            raise AssertionError(f"the books do not agree: {wrong[0]}")
        await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')


async def _open(pool: postgres.Pool) -> list[Floor]:
    async with pool.acquire() as connection:
        for symbol in MARKETS:
            base, _, quote = symbol.partition("-")
            await connection.execute("insert into currencies (code, name, scale) values ($1, $1, 8)", base)
            await connection.execute(
                "insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, "
                "lot_base_atoms, tick_lot_quote_atoms) values ($1, $2, $3, $4, 8, 8, 0.01, 0.0001, $5, $6)",
                symbol, base, quote, MARKETS.index(symbol), LOT, VALUE,
            )  # fmt: skip
        users = [row["id"] for row in await connection.fetch(RICH, USERS)]
        floors = [Floor(pool, users, symbol) for symbol in MARKETS]
        opening = [
            await add_command(connection, floor.symbol, "open_market", {"base": floor.symbol[:3], **TERMS})
            for floor in floors
        ]
    for floor, row in zip(floors, opening, strict=True):
        await floor.settle_all(await floor.runs([row.command_id]))
    return floors


async def _holds(measuring: Measuring, floor: Floor) -> None:
    async def batches() -> None:
        work = [floor.orders(BATCH) for _ in range(BATCHES)]
        lanes = [_one_after_another(floor, work[lane::LANES]) for lane in range(LANES)]
        held.extend(itertools.chain.from_iterable(await asyncio.gather(*lanes)))

    async def single() -> None:
        held.extend(await floor.hold(floor.orders(1)))

    held: list[int] = []
    await measuring.rate("holds, batches of 500", BATCH * BATCHES, batches, unit="orders/s", floor=15_000)
    await measuring.latency("one hold", SINGLES, single, floor=3)
    await floor.settle_all(await floor.runs(sorted(held)))


async def _one_after_another(floor: Floor, batches: Sequence[Sequence[NewOrder]]) -> list[int]:
    return [number for batch in batches for number in await floor.hold(batch)]


async def _settlements(measuring: Measuring, where: str, floors: Sequence[Floor]) -> None:
    """The first repeat warms up."""
    rates, own, servers = [], [], []
    for _ in range(measuring.repeats + 1):
        runs = [await floor.runs(await _one_after_another(floor, _batches(floor))) for floor in floors]
        events = itertools.chain.from_iterable(one.events for one in itertools.chain(*itertools.chain(*runs)))
        trades = sum(isinstance(event, Traded) for event in events)
        backends = await _backends(floors[0].pool)
        spent, start = processor.used_s(backends), time.perf_counter()
        await asyncio.gather(*(floor.settle_all(some) for floor, some in zip(floors, runs, strict=True)))
        rates.append(trades / (time.perf_counter() - start))
        after = processor.used_s(backends)
        own.append(1e6 * (after["own"] - spent["own"]) / trades)
        servers.append(1e6 * (after["server"] - spent["server"]) / trades)
    name = f"settlement, {where}"
    measuring.add(name, "trades/s", rates[1:], floor=10_000)
    if processor.is_known():
        measuring.add(f"{name}: our processor time", "us a trade", own[1:])
        measuring.add(f"{name}: the server's", "us a trade", servers[1:])


def _batches(floor: Floor) -> list[list[NewOrder]]:
    return [floor.orders(BATCH) for _ in range(BATCHES)]


async def _backends(pool: postgres.Pool) -> dict[str, list[int]]:
    ours = "select pid from pg_stat_activity where application_name = current_setting('application_name')"
    rows = await pool.fetch(ours)
    return {"own": [os.getpid()], "server": [row["pid"] for row in rows]}


async def _one_by_one(measuring: Measuring, floor: Floor) -> None:
    """A run of one order, as an exchange at rest has them; every second trades."""
    waiting: list[list[ChainedExecution]] = []

    async def single() -> None:
        await floor.settle(waiting.pop(0))

    async def refill() -> None:
        executions = floor.execute(await floor.records(await floor.hold(floor.orders(SINGLES))))
        waiting.extend([one] for one in executions)

    for _ in range(measuring.repeats + 1):
        await refill()
    await measuring.latency("one order settled", SINGLES, single)
    await floor.settle_all(waiting)


BENCH = Bench("books", "holds and settlements in PostgreSQL, from the first row of an empty database", measure)
