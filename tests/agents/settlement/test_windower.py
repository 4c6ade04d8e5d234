import random

import pytest

from agents.settlement.terms import WindowTerms
from agents.settlement.window import State
from agents.settlement.windower import due_ms, follow
from schemas.batches import BatchEvent, Closed, Dissolved, Joined, Line
from tests.agents.settlement.executing import DOLLAR, LOT_BASE, PRICE, SYMBOL, VALUE, Market, executions

HOUR = 60 * 60 * 1000
LOT = PRICE * VALUE
TEN = 5_000
"""Lots for ten dollars, to the atom."""


def said(values: list[bytes], terms: WindowTerms | None = None) -> list[BatchEvent]:
    state = State(SYMBOL, 1, terms or WindowTerms())
    return [event for execution in executions(values) for event in follow(state, execution)]


def line(order_id: int, lots: int) -> Line:
    return Line(order_id, 7, lots, lots * LOT_BASE, lots * LOT)


def test_small_purchases_wait_until_together_they_are_worth_the_threshold():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 2_000), market.buy(20, 2, 2_999), market.buy(30, 3, 1)]
    lines = (line(1, 2_000), line(2, 2_999), line(3, 1))
    assert said(values) == [
        Joined("ABAN-USD-1", 1, 1, lines[0]),
        Joined("ABAN-USD-1", 1, 2, lines[1]),
        Joined("ABAN-USD-1", 1, 3, lines[2]),
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, 0, 0, 10, lines),
    ]


def test_a_large_purchase_is_a_batch_of_its_own_beside_the_window():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 1), market.buy(20, 2, TEN), market.buy(30, 3, TEN - 1)]
    assert said(values) == [
        Joined("ABAN-USD-1", 1, 1, line(1, 1)),
        Closed("ABAN-USD-2", 2, TEN, 10 * DOLLAR, 0, 0, 20, (line(2, TEN),)),
        Joined("ABAN-USD-1", 1, 2, line(3, TEN - 1)),
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, 0, 0, 10, (line(1, 1), line(3, TEN - 1))),
    ]


def test_a_window_that_is_too_old_is_topped_up_in_whole_lots_at_the_price_listed_then():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 4_000), market.tick(10 + 24 * HOUR - 1)]
    assert len(said(values)) == 1
    lots = -(-2 * DOLLAR // LOT)
    assert said([*values, market.tick(10 + 24 * HOUR), market.tick(10 + 25 * HOUR)])[1:] == [
        Closed("ABAN-USD-1", 1, 4_000 + lots, 10 * DOLLAR, lots, lots * LOT, 10, (line(1, 4_000),))
    ]


def test_a_window_that_is_too_old_is_dissolved_where_the_terms_say_so():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 4_000), market.buy(10 + 24 * HOUR, 2, 1)]
    assert said(values, WindowTerms(when_too_old="dissolve"))[1:] == [
        Dissolved("ABAN-USD-1", 1, (line(1, 4_000),)),
        Joined("ABAN-USD-2", 2, 1, line(2, 1)),
    ]


def test_a_window_with_too_many_orders_for_a_record_is_topped_up():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 1), market.buy(11, 2, 1)]
    assert said(values, WindowTerms(max_orders=2))[2:] == [
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, TEN - 2, (TEN - 2) * LOT, 10, (line(1, 1), line(2, 1)))
    ]


def test_a_window_is_due_its_age_after_it_was_opened():
    market = Market()
    state = State(SYMBOL, 1, WindowTerms())
    for execution in executions([*market.begin(), market.buy(10, 1, 1), market.buy(20, 2, 1)]):
        follow(state, execution)
    assert due_ms(state) == 10 + 24 * HOUR


@pytest.mark.parametrize("seed", range(20))
def test_random_purchases_end_in_one_batch_each_and_no_batch_is_below_the_threshold(seed: int) -> None:
    """A naive model: a list, and a sum over all of it each time."""
    rng = random.Random(seed)
    market = Market()
    values, bought, now = market.begin(), {}, 10
    for order_id in range(1, 200):
        now += rng.choice([1, HOUR, 5 * HOUR])
        lots = rng.choice([1, 50, 1_000, TEN - 1, TEN, 3 * TEN])
        price = rng.choice([PRICE, PRICE + 1, 1])
        bought[order_id] = lots * price * VALUE
        values.append(market.tick(now))
        values.append(market.buy(now, order_id, lots, price))
    values.append(market.tick(now + 24 * HOUR))
    closed = [event for event in said(values) if isinstance(event, Closed)]
    assert sorted(one.order_id for batch in closed for one in batch.orders) == sorted(bought)
    for batch in closed:
        paid = sum(bought[one.order_id] for one in batch.orders)
        assert batch.notional_atoms == paid + batch.topped_up_atoms >= 10 * DOLLAR
        assert sum(bought[one.order_id] for one in batch.orders[:-1]) < 10 * DOLLAR
    assert sorted(batch.number for batch in closed) == list(range(1, len(closed) + 1))
