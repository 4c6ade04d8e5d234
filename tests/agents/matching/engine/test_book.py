"""The book as a place: who stands where, and that leaving leaves no trace."""

import random

from agents.matching.engine.book import Book
from agents.matching.engine.state import State
from agents.matching.engine.terms import Terms
from tests.agents.matching.engine.auditing import audit


def standing(side):
    return [(level.price, [order.order_id for order in level]) for level in side]


def test_the_best_price_comes_first_and_at_one_price_who_came_first():
    book = Book()
    for order_id, price in enumerate([100, 99, 100, 101, 99], 1):
        book.rest(book.bids, price, order_id, 1, 5, 5)
        book.rest(book.asks, price + 50, order_id + 10, 1, 5, 5)
    assert standing(book.bids) == [(101, [4]), (100, [1, 3]), (99, [2, 5])]
    assert standing(book.asks) == [(149, [12, 15]), (150, [11, 13]), (151, [14])]


def test_an_order_that_shrinks_keeps_its_place_and_one_that_leaves_takes_all_its_lots_along():
    book = Book()
    orders = [book.rest(book.asks, 100, order_id, 1, 5, 5) for order_id in (1, 2, 3)]
    book.shrink(orders[0], 4)
    book.remove(orders[1])
    assert standing(book.asks) == [(100, [1, 3])]
    assert [order.lots for order in orders] == [1, 5, 5]
    assert book.asks.best.lots == 6


def test_whatever_comes_and_goes_the_book_is_whole():
    rng, state = random.Random(4), State(Terms("A", "B", 0, 0, "1", "1", 1, 1, "open", 0, 0, 0, 0, 1))
    book = state.book
    for order_id in range(1, 3_000):
        side, price = (book.bids, rng.randint(1, 50)) if rng.random() < 0.5 else (book.asks, rng.randint(51, 100))
        lots = rng.randint(1, 9)
        book.rest(side, price, order_id, rng.randint(1, 4), lots, lots)
        while book.orders and rng.random() < 0.5:
            order = rng.choice(list(book.orders.values()))
            if order.lots == 1 or rng.random() < 0.5:
                book.remove(order)
            else:
                book.shrink(order, rng.randint(1, order.lots - 1))
        audit(state)
    while book.orders:
        book.remove(next(iter(book.orders.values())))
    audit(state)
    assert (book.bids.levels, book.asks.levels, book.by_user) == ({}, {}, {})
