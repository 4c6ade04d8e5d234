"""Snapshots: the same state gives the same bytes however it came about, and damage is an error with a name."""

import random

import pytest

from agents.matching.engine import Market, UnknownRulesError, UnreadableSnapshotError
from agents.matching.engine.book import Book
from tests.agents.matching.engine.auditing import audit
from tests.agents.matching.engine.streams import MARKET, Stream


def busy(commands=400, seed=2):
    market = Market(MARKET)
    for command in Stream(seed).commands(commands):
        market.apply(command, 7)
    assert len(market.state.book.orders) > 5
    return market


def test_a_restored_market_is_the_same_market():
    market = busy()
    restored = Market.restore(market.snapshot())
    audit(restored.state)
    assert restored.snapshot() == market.snapshot()
    assert restored.symbol == MARKET


def test_the_order_in_which_prices_came_to_be_leaves_no_trace():
    market = busy()
    data, book = market.snapshot(), market.state.book
    levels = [[*level] for side in (book.bids, book.asks) for level in side]
    random.Random(1).shuffle(levels)
    market.state.book = Book()
    sides = {"buy": market.state.book.bids, "sell": market.state.book.asks}
    for order in (order for level in levels for order in level):
        side = sides[order.side.name]
        market.state.book.rest(side, order.price, order.order_id, order.user_id, order.lots, order.total)
    assert market.snapshot() == data


def test_rows_are_made_once_and_again_when_an_order_changes():
    market = busy()
    market.snapshot()
    orders = list(market.state.book.orders.values())
    rows = [order.row for order in orders]
    market.snapshot()
    assert all(order.row is row for order, row in zip(orders, rows, strict=True))
    big = next(order for order in orders if order.lots > 1)
    market.state.book.shrink(big, 1)
    assert Market.restore(market.snapshot()).state.book.orders[big.order_id].lots == big.lots


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:9],
        lambda data: data[:200],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"XXXX" + data[4:],
        lambda data: data[:4] + b"\x02\x00" + data[6:],
        lambda data: data.replace(b'"asks"', b'"task"'),
        lambda data: data.replace(b'"asks":', b'"asks":"'),
        lambda data: data.replace(b'"now_ms":7', b'"now_ms" 7'),
    ],
)
def test_what_is_not_a_whole_snapshot_says_so(damage):
    with pytest.raises(UnreadableSnapshotError):
        Market.restore(damage(busy().snapshot()))


def test_a_snapshot_under_rules_that_this_release_lacks_says_so():
    data = busy().snapshot().replace(b'"rules_version":1', b'"rules_version":7')
    with pytest.raises(UnknownRulesError, match="rules version 7"):
        Market.restore(data)


def test_a_market_that_never_opened_has_a_snapshot_too():
    assert Market.restore(Market("A-B").snapshot()).state is None
