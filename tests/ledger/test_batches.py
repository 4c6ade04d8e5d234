"""Purchases through hold, engine, windower and fills, on either books, which must agree with themselves after every
step.
"""

import random
from typing import Any

import pytest

from agents.settlement.terms import WindowTerms
from runtime.journal.errors import Broken, NotYet
from schemas.batches import BatchRecord, Closed, Failed, Filled
from tests.ledger.exchange import LOT, VALUE, Exchange
from tests.ledger.stores import Store

SYMBOL = "ABAN-USD"
PRICE = 2_000
TEN = 5_000
RICH = 10**15


async def open_house(store: Store, terms: WindowTerms) -> Exchange:
    assert await store.add_currency("ABAN", "Aban", 8)
    house = Exchange(store, terms, symbol=SYMBOL)
    await house.open()
    await house.list_price(PRICE)
    return house


@pytest.fixture
async def house(store: Store) -> Exchange:
    return await open_house(store, WindowTerms())


async def buy(house: Exchange, user_id: int, lots: int, key: str) -> int:
    return await house.bought(house.purchase(user_id, lots, PRICE, key))


async def states(house: Exchange) -> dict[int, tuple[Any, ...]]:
    shown = ("state", "is_aggregated", "batch_id", "batch_line")
    return {row["id"]: tuple(row[name] for name in shown) for row in await house.store.rows("orders")}


def filled(batch_id: str, lots: int, charged: int) -> Filled:
    return Filled(SYMBOL, batch_id, "simulated", f"x-{batch_id}", lots * LOT, "USD", charged, 1_700_000_100_000)


def failed(batch_id: str) -> Failed:
    return Failed(SYMBOL, batch_id, "simulated", "no such coin", 1_700_000_100_000)


async def test_a_purchase_is_gathered_sent_and_delivered(house: Exchange) -> None:
    ada = await house.rich("ada", USD=RICH)
    first = await buy(house, ada, 2_000, "k1")
    assert await states(house) == {first: ("aggregated", True, "ABAN-USD-1", 1)}
    opened_ms = house.now_ms
    second = await buy(house, ada, 3_000, "k2")
    assert await states(house) == {
        first: ("sent", True, "ABAN-USD-1", 1),
        second: ("sent", True, "ABAN-USD-1", 2),
    }
    paid = TEN * PRICE * VALUE
    assert await house.wallet(ada) == {"ABAN": (0, 0, TEN * LOT), "USD": (RICH - paid, 0, 0)}
    await house.fill(filled("ABAN-USD-1", TEN, paid - 7))
    assert {state for state, *_ in (await states(house)).values()} == {"completed"}
    assert await house.wallet(ada) == {"ABAN": (TEN * LOT, 0, 0), "USD": (RICH - paid, 0, 0)}
    assert await house.system() == {
        ("deposits", "USD"): -RICH, ("house", "USD"): 7, ("exchange_payable", "USD"): paid - 7,
        ("exchange_payable", "ABAN"): -TEN * LOT,
    }  # fmt: skip
    assert await house.store.rows("batches") == [
        {
            "id": "ABAN-USD-1", "market": SYMBOL, "number": 1, "lots": TEN, "notional_atoms": paid,
            "topped_up_atoms": 0, "state": "filled", "filled_atoms": TEN * LOT, "charged_asset": "USD",
            "charged_atoms": paid - 7, "exchange_order_id": "x-ABAN-USD-1", "created_at": opened_ms,
            "closed_at": house.now_ms, "settled_at": 1_700_000_100_000,
        }
    ]  # fmt: skip


async def test_a_partial_fill_completes_in_list_order_and_refunds_the_first_that_is_not_covered_and_all_after_it(
    house: Exchange,
) -> None:
    ada = await house.rich("ada", USD=RICH)
    orders = [await buy(house, ada, lots, f"k{lots}") for lots in (2_000, 2_500, 600)]
    await house.fill(filled("ABAN-USD-1", 4_400, 4_400 * PRICE * VALUE))
    after = await states(house)
    assert [after[order][0] for order in orders] == ["completed", "refunded", "refunded"]
    assert await house.wallet(ada) == {"ABAN": (2_000 * LOT, 0, 0), "USD": (RICH - 2_000 * PRICE * VALUE, 0, 0)}
    assert (await house.system())["inventory", "ABAN"] == 2_400 * LOT


async def test_a_failed_batch_is_refunded_whole(house: Exchange) -> None:
    ada = await house.rich("ada", USD=RICH)
    order = await buy(house, ada, TEN, "k1")
    assert await states(house) == {order: ("sent", False, "ABAN-USD-1", 1)}
    await house.fill(failed("ABAN-USD-1"))
    assert (await states(house))[order][0] == "refunded"
    assert await house.wallet(ada) == {"USD": (RICH, 0, 0)}
    assert await house.system() == {("deposits", "USD"): -RICH}


async def test_a_window_that_was_dissolved_is_refunded(store: Store) -> None:
    house = await open_house(store, WindowTerms(when_too_old="dissolve", max_age_ms=1_000))
    ada = await house.rich("ada", USD=RICH)
    first = await buy(house, ada, 10, "k1")
    house.now_ms += 1_000
    second = await buy(house, ada, 20, "k2")
    assert await states(house) == {
        first: ("refunded", True, "ABAN-USD-1", 1),
        second: ("aggregated", True, "ABAN-USD-2", 1),
    }


async def test_delivered_in_the_worst_order_batches_wait_for_executions_and_fills_for_their_batch(
    house: Exchange,
) -> None:
    ada = await house.rich("ada", USD=RICH)
    placed = await house.placed(house.purchase(ada, TEN, PRICE, "k1"))
    [execution] = await house.execute(placed.command_id)
    records, fill = house.gather(execution), filled("ABAN-USD-1", TEN, 5)
    with pytest.raises(NotYet, match="not closed in the books"):
        await house.fill(fill)
    with pytest.raises(NotYet, match="ABAN-USD is at 2 in the books, its batches are at 3"):
        await house.apply(records)
    assert await house.store.rows("batches") == []
    await house.settle([execution])
    with pytest.raises(NotYet, match="not closed in the books"):
        await house.fill(fill)
    await house.apply(records)
    await house.fill(fill)
    assert (await states(house))[placed.order_id][0] == "completed"


async def test_a_fill_that_comes_again_changes_nothing_and_one_that_says_otherwise_stops(house: Exchange) -> None:
    ada = await house.rich("ada", USD=RICH)
    await buy(house, ada, TEN, "k1")
    fill = filled("ABAN-USD-1", TEN, 5)
    await house.fill(fill, fill)
    before = await house.system()
    await house.fill(fill)
    assert await house.system() == before
    with pytest.raises(Broken, match="was settled with"):
        await house.fill(filled("ABAN-USD-1", TEN, 6))


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_purchases_and_fills_end_in_one_of_two_states_and_all_bought_is_delivered_or_inventory(
    house: Exchange, seed: int
) -> None:
    rng = random.Random(seed)
    users = [await house.rich(f"user{number}", USD=RICH) for number in range(3)]
    closed: list[Closed] = []
    waiting: list[BatchRecord] = []
    bought = 0
    for step in range(60):
        lots = rng.choice([1, 500, 1_500, TEN - 1, TEN, 2 * TEN])
        placed = await house.placed(house.purchase(rng.choice(users), lots, PRICE, f"k{step}"))
        [execution] = await house.execute(placed.command_id)
        await house.settle([execution])
        waiting += house.gather(execution)
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
                await house.fill(failed(batch.batch_id))
    wallets = [row for row in await house.store.rows("wallets") if row["asset"] == "ABAN"]
    inventory = (await house.system()).get(("inventory", "ABAN"), 0)
    assert bought == sum(row["available"] for row in wallets) + inventory
    ends = {"completed", "refunded", "rejected"}
    open_orders = [state for state, *_ in (await states(house)).values() if state not in ends]
    assert bool(open_orders) == (sum(row["pending"] for row in wallets) > 0)
