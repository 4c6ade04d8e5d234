"""Purchases on the real servers, through every process: whoever is killed when, each batch is bought once."""

from decimal import Decimal
from pathlib import Path

import pytest

from agents.settlement.exchange.app import Behaviour
from runtime.crashpoints import POINTS
from runtime.settings import Settings
from tests.agents.settlement.connectors.binance_double import Mood
from tests.agents.settlement.pipeline import DEPOSIT, DOLLAR, LOT_ATOMS, Pipeline, ccxt, pipeline, prove, simulated

AGENTS = ("matching", "wallet", "settlement", "settlement.desk")
SMALL = 1_250
"""Lots for two dollars and a half: four of them are a window."""
PLANS = {
    "settlement.desk": ["desk.after_intent:2", "desk.after_answer:1", "desk.after_tell:1"],
    "settlement": [
        "journal.at_assignment:2", "journal.after_consume:3", "journal.before_produce:2", "journal.after_outputs:1",
        "journal.after_slots:1", "journal.after_manifest:1",
    ],
    "wallet": ["sink.before_apply:3", "sink.after_apply:3"],
}  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [pytest.param("simulated", marks=pytest.mark.slow), "ccxt"])
async def test_each_batch_is_bought_once_whoever_is_killed_when(stack: Settings, tmp_path: Path, kind: str) -> None:
    """Every process dies at every point that it passes, one after the other, while answers get lost and come twice."""
    exchange = (
        simulated(tmp_path, Behaviour(latency=0.05, lose_answer=200, double_answer=200, partial=200, fail=100))
        if kind == "simulated"
        else ccxt(Mood(lose_every=3, poor_every=4, latency=0.05, fee_rate=Decimal()))
    )
    async with exchange as (environ, executed), pipeline(stack, tmp_path, environ) as one:
        one.processes.plans = {name: list(points) for name, points in PLANS.items()}
        await one.begin(*AGENTS)
        while any(one.processes.plans.values()):
            await one.buy(SMALL, SMALL, SMALL, SMALL, 6_000)
            await one.until("select count(*) = 0 from orders where state = 'pending'")
        await settled(one)
        assert sorted(one.processes.killed) == sorted(point for plan in PLANS.values() for point in plan)
        await prove(one.connection, executed())


def test_the_plans_name_every_point_that_the_windower_and_the_desk_pass():
    planned = {point.partition(":")[0] for plan in PLANS.values() for point in plan}
    assert {point for point in POINTS if point.startswith(("journal.", "desk.", "sink."))} == planned


async def settled(one: Pipeline) -> None:
    await one.until("select count(*) = 0 from orders where not is_done")


@pytest.mark.parametrize(
    ("when", "state", "bought"), [("top_up", "completed", 5_000 * LOT_ATOMS), ("dissolve", "refunded", 0)]
)
async def test_a_window_that_is_too_old_is_bought_with_the_houses_help_or_refunded(
    stack: Settings, tmp_path: Path, when: str, state: str, bought: int
) -> None:
    """Its Tick is appended when it is due; only the time of the record counts."""
    async with (
        simulated(tmp_path, Behaviour(latency=0)) as (environ, executed),
        pipeline(stack, tmp_path, environ) as one,
    ):
        one.processes.start("settlement", "-m", "tests.agents.settlement.hasty", when)
        await one.begin("matching", "wallet", "settlement.desk")
        await one.buy(SMALL)
        await settled(one)
        assert await one.orders() == [(state, True, "ABAN-USD-1")]
        row = await one.connection.fetchrow("select topped_up_atoms, filled_atoms, notional_atoms from batches")
        assert tuple(row) == ((750 * DOLLAR // 100, bought, 10 * DOLLAR) if bought else (0, None, 250 * DOLLAR // 100))
        paid, got = (DOLLAR * 5 // 2, SMALL * LOT_ATOMS) if bought else (0, 0)
        assert await one.wallet("USD") == (DEPOSIT - paid, 0, 0)
        assert await one.wallet("ABAN") == (got, 0, 0)
        inventory = "select coalesce(sum(balance), 0) from system_accounts where account = 'inventory'"
        assert await one.connection.fetchval(inventory) == bought - got
        if bought:
            await prove(one.connection, executed())


async def test_a_price_that_rose_rejects_and_one_that_fell_refunds_the_difference(
    stack: Settings, tmp_path: Path
) -> None:
    async with (
        simulated(tmp_path, Behaviour(latency=0)) as (environ, executed),
        pipeline(stack, tmp_path, environ) as one,
    ):
        await one.begin(*AGENTS)
        await one.buy(5_000, price=1_999)
        await one.buy(5_000, price=2_100)
        await settled(one)
        reasons = await one.connection.fetch("select state, reason from orders order by id")
        assert [tuple(row) for row in reasons] == [("rejected", "price_changed"), ("completed", None)]
        assert await one.wallet("USD") == (DEPOSIT - 10 * DOLLAR, 0, 0)
        assert await one.wallet("ABAN") == (5_000 * LOT_ATOMS, 0, 0)
        await prove(one.connection, executed())


async def test_a_partial_fill_completes_in_list_order_and_refunds_the_rest(stack: Settings, tmp_path: Path) -> None:
    async with (
        ccxt(Mood(poor_every=1, fee_rate=Decimal())) as (environ, executed),
        pipeline(stack, tmp_path, environ) as one,
    ):
        await one.begin(*AGENTS)
        await one.buy(SMALL, SMALL, SMALL, SMALL)
        await settled(one)
        assert [state for state, _, _ in await one.orders()] == ["completed"] + 3 * ["refunded"]
        assert await one.wallet("USD") == (DEPOSIT - 5 * DOLLAR // 2, 0, 0)
        assert await one.wallet("ABAN") == (SMALL * LOT_ATOMS, 0, 0)
        await prove(one.connection, executed())
