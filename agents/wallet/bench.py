"""`tidemark bench books`: orders held in batches and one by one, and trades settled, in a database empty before.

What is measured is what runs: the hold of the API and the settlement of the wallet agent, with the real engine between
them. Afterwards the books must agree with themselves to the atom.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

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
from runtime import postgres
from runtime.bench import Bench, Measuring
from runtime.journal.watermark import Mark
from schemas.executions import ChainedExecution, Traded

SYMBOL, PRICE = "BTC-USD", 10_000
VALUE, LOT = 100, 10_000
USERS = 2_000
BATCH, BATCHES, LANES = 500, 8, 2
SINGLES = 300
TERMS = {
    "base": "BTC", "quote": "USD", "base_scale": 8, "quote_scale": 8, "tick_size": "0.01", "lot_size": "0.0001",
}  # fmt: skip
# One deposit an asset, with a leg for every user, so that the books agree.
RICH = """
with person as (
    insert into users (name) select 'user ' || n from generate_series(1, $1) n returning id
), asset as (
    select * from (values ('USD', 1e15::bigint), ('BTC', 1e12::bigint)) a (code, atoms)
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
    """The engine, the books and an endless row of orders that trade two by two."""

    def __init__(self, pool: postgres.Pool, users: Sequence[int]) -> None:
        self.pool = pool
        self.engine = Market(SYMBOL)
        self.seq = 0
        self.mark = Mark()
        self.assets = {SYMBOL: Assets("BTC", "USD")}
        self._orders = self._crossing(users)

    def _crossing(self, users: Sequence[int]) -> Iterator[NewOrder]:
        """Sell, buy, sell, buy: every second order takes the one before it."""
        for number in itertools.count():
            sells = number % 2 == 0
            yield NewOrder(
                user_id=users[number % len(users)], market=SYMBOL, kind="limit", side="sell" if sells else "buy",
                time_in_force="gtc", self_trade="expire_taker", lots=20, price_ticks=PRICE,
                hold_asset="BTC" if sells else "USD", hold_atoms=20 * LOT if sells else 20 * PRICE * VALUE,
                key=f"bench-{number}", digest="-",
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
            events = self.engine.apply(record.command, 1_700_000_000_000 + self.seq)
            executions.append(
                ChainedExecution(
                    market=SYMBOL, seq=self.seq, partition=0, offset=self.seq, time_ms=1_700_000_000_000 + self.seq,
                    part=1, last=True, command="", command_id=record.command.command_id, reply="", events=events,
                    prev_chain="", chain="",
                )
            )  # fmt: skip
        return executions

    def runs(self, records: Sequence[JournalRecord]) -> list[list[ChainedExecution]]:
        """Cut as the sink cuts them."""
        executions = self.execute(records)
        return [executions[start : start + BATCH] for start in range(0, len(executions), BATCH)]

    async def settle(self, executions: Sequence[ChainedExecution]) -> None:
        after = Mark(executions[-1].seq, executions[-1].offset, "", executions[-1].offset)
        async with self.pool.acquire() as connection:
            step = Step("wallet", "executions", 0, {SYMBOL: self.mark}, {SYMBOL: after})
            await settle_run(connection, step, executions, self.assets)
        self.mark = after


async def measure(measuring: Measuring) -> None:
    """In the order of an exchange's first minute: nothing was ever analysed here."""
    settings = measuring.settings
    await migrate(settings)
    pool = await postgres.pool(settings, min_size=LANES, max_size=LANES, application="bench")
    try:
        floor = await _open(pool)
        await _holds(measuring, floor)
        await _settlements(measuring, floor)
    finally:
        await pool.close()
    async with books(settings) as connection:
        if wrong := await differences(connection):
            raise AssertionError(f"the books do not agree: {wrong[0]}")
        await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')


async def _open(pool: postgres.Pool) -> Floor:
    async with pool.acquire() as connection:
        await connection.execute("insert into currencies (code, name, scale) values ('BTC', 'Bitcoin', 8)")
        await connection.execute(
            "insert into markets (symbol, base, quote, partition, base_scale, quote_scale, tick_size, lot_size, "
            "lot_base_atoms, tick_lot_quote_atoms) values ($1, 'BTC', 'USD', 0, 8, 8, 0.01, 0.0001, $2, $3)",
            SYMBOL, LOT, VALUE,
        )  # fmt: skip
        users = [row["id"] for row in await connection.fetch(RICH, USERS)]
        opening = await add_command(connection, SYMBOL, "open_market", TERMS)
    floor = Floor(pool, users)
    await floor.settle(floor.execute(await floor.records([opening.command_id])))
    return floor


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
    await _timed(floor, floor.runs(await floor.records(sorted(held))))


async def _one_after_another(floor: Floor, batches: Sequence[Sequence[NewOrder]]) -> list[int]:
    return [number for batch in batches for number in await floor.hold(batch)]


async def _settlements(measuring: Measuring, floor: Floor) -> None:
    values = []
    for repeat in range(measuring.repeats + 1):
        held = [await floor.hold(floor.orders(BATCH)) for _ in range(BATCHES)]
        runs = floor.runs(await floor.records(list(itertools.chain.from_iterable(held))))
        trades = sum(isinstance(event, Traded) for run in runs for one in run for event in one.events)
        seconds = await _timed(floor, runs)
        if repeat:  # the first warms up
            values.append(trades / seconds)
    measuring.add("settlement, runs of 500", "trades/s", values, floor=10_000)


async def _timed(floor: Floor, runs: Sequence[list[ChainedExecution]]) -> float:
    loop: Any = asyncio.get_running_loop()
    start = loop.time()
    for run in runs:
        await floor.settle(run)
    return float(loop.time() - start)


BENCH = Bench("books", "holds and settlements in PostgreSQL, from the first row of an empty database", measure)
