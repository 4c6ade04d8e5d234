import random

import pytest

from agents.marketdata import telling
from agents.marketdata.depth import Impossible
from agents.marketdata.view import View
from schemas.commands import CancelOrder
from schemas.executions import decode_execution
from schemas.views import Delta
from tests.agents.marketdata.market import SYMBOL, Exchange, Reader


def followed(exchange: Exchange, view: View | None = None) -> View:
    view = view or View(SYMBOL)
    for value in exchange.executions[view.seq :]:
        view.apply(decode_execution(value))
    return view


def levels(view: View):
    return list(view.depth.bids), list(view.depth.asks)


def test_the_view_of_a_market_is_the_sum_of_its_resting_orders():
    exchange = Exchange()
    exchange.place("buy", 100, 5)
    exchange.place("buy", 100, 2)
    exchange.place("buy", 99, 1)
    exchange.place("sell", 101, 4, user_id=2)
    exchange.place("buy", 101, 1)
    assert levels(followed(exchange)) == ([(100, 7), (99, 1)], [(101, 3)])


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_view_is_the_engines_book(seed: int):
    exchange, chance, view = Exchange(), random.Random(seed), View(SYMBOL)
    for _ in range(400):
        exchange.anything(chance)
        followed(exchange, view)
        assert levels(view) == exchange.levels()
    assert view.window.last_ticks is not None, "nothing has traded, so nothing was tried"


@pytest.mark.parametrize("seed", range(6))
def test_a_snapshot_anywhere_goes_on_as_if_nothing_had_been(seed: int):
    exchange, chance, restarted = Exchange(), random.Random(seed), View(SYMBOL)
    for _ in range(60):
        for _ in range(chance.randint(1, 12)):
            exchange.anything(chance)
        restarted = View.restore(SYMBOL, followed(exchange, restarted).snapshot())
    assert restarted.snapshot() == followed(exchange).snapshot()
    assert telling.ticker(restarted, exchange.now_ms) == telling.ticker(followed(exchange), exchange.now_ms)


@pytest.mark.parametrize("seed", range(6))
def test_deltas_of_any_length_join_a_book_of_any_age_without_a_hole(seed: int):
    """The agent is restarted in between, from a snapshot that is older than what was told."""
    exchange, chance, view = Exchange(), random.Random(seed), View(SYMBOL)
    book = telling.book(followed(exchange, view))
    telling.delta(view)
    reader = Reader(book.seq, dict(book.bids), dict(book.asks))
    saved = view.snapshot()
    for _ in range(150):
        for _ in range(chance.randint(1, 6)):
            exchange.anything(chance)
        chances = chance.random()
        if chances < 0.1:
            saved = followed(exchange, view).snapshot()
            reader.take(telling.delta(view))
        elif chances < 0.2:
            view = followed(exchange, View.restore(SYMBOL, saved))
            reader.take(telling.delta(view))
        elif followed(exchange, view).seq > reader.seq:
            reader.take(telling.delta(view))
        now = telling.book(view)
        assert (reader.seq, reader.levels()) == (now.seq, (now.bids, now.asks))


def test_a_delta_that_is_dropped_shows_as_a_hole():
    exchange, view = Exchange(), View(SYMBOL)
    followed(exchange, view)
    reader = Reader(view.seq, {}, {})
    telling.delta(view)
    exchange.place("buy", 100, 1)
    telling.delta(followed(exchange, view))
    exchange.place("buy", 99, 1)
    with pytest.raises(AssertionError, match=r"\(1, 3, 3\)"):
        reader.take(telling.delta(followed(exchange, view)))


def test_a_delta_tells_levels_as_they_are_now_and_covers_what_changes_nothing():
    exchange, view = Exchange(), View(SYMBOL)
    telling.delta(followed(exchange, view))
    first = exchange.place("buy", 10_000, 5)
    exchange.place("buy", 9_999, 2)
    exchange.say(CancelOrder, order_id=first, user_id=1)
    exchange.say(CancelOrder, order_id=first, user_id=1)
    delta = telling.delta(followed(exchange, view))
    assert delta == Delta(
        SYMBOL,
        2,
        5,
        "2023-11-14T22:13:20.000Z",
        telling.book(view).checksum,
        [("100.00", "0"), ("99.99", "0.0002")],
        [],
    )


def test_the_parts_of_one_outcome_are_shown_together():
    exchange, view = Exchange(), View(SYMBOL)
    for _ in range(600):
        exchange.place("sell", 100, 1, user_id=2)
    exchange.place("buy", 100, 600)
    parts = [decode_execution(value) for value in exchange.executions[-2:]]
    assert [part.last for part in parts] == [False, True]
    for value in exchange.executions[:-1]:
        view.apply(decode_execution(value))
    assert not view.whole
    assert not View.restore(SYMBOL, view.snapshot()).whole
    view.apply(parts[-1])
    assert (view.whole, levels(view)) == (True, ([], []))


def test_executions_that_take_more_than_there_is_are_of_another_history():
    exchange, view = Exchange(), View(SYMBOL)
    first = exchange.place("buy", 100, 5)
    exchange.say(CancelOrder, order_id=first, user_id=1)
    view.apply(decode_execution(exchange.executions[0]))
    with pytest.raises(Impossible, match="5 lots left the buy side at 100 ticks, where 0 were"):
        view.apply(decode_execution(exchange.executions[2]))


def test_house_sales_are_told_as_trades_and_do_not_move_the_ticker():
    exchange, view = Exchange(), View(SYMBOL)
    exchange.house_price(5000)
    exchange.buy_from_house(5000, 3)
    followed(exchange, view)
    (trade,) = telling.trades(view)
    assert (trade.trade_id, trade.kind, trade.price, trade.amount, trade.taker_side) == (
        "BTC-USD-1", "house", "50.00", "0.0003", "buy",
    )  # fmt: skip
    assert (telling.ticker(view, 0).last, telling.ticker(view, 0).volume) == (None, "0")


def test_trades_are_told_once_and_the_latest_again_after_a_restart():
    exchange, view = Exchange(), View(SYMBOL)
    exchange.place("sell", 100, 150, user_id=2)
    for _ in range(120):
        exchange.place("buy", 100, 1)
    followed(exchange, view)
    assert [trade.trade_seq for trade in telling.trades(view)] == list(range(1, 121))
    assert telling.trades(view) == []
    restarted = View.restore(SYMBOL, view.snapshot())
    assert [trade.trade_seq for trade in telling.trades(restarted)] == list(range(21, 121))
