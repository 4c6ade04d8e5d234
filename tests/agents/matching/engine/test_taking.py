"""The dry pass says what the real one does."""

import random

import pytest

from agents.matching.engine.book import Book
from agents.matching.engine.taking import Taker, can_fill, take


def crowded(rng):
    book = Book()
    for order_id in range(1, rng.randint(2, 25)):
        lots = rng.randint(1, 6)
        book.rest(book.asks, rng.randint(10, 14), order_id, rng.randint(1, 3), lots, lots)
    return book


@pytest.mark.parametrize("self_trade", ["expire_taker", "expire_maker", "expire_both"])
@pytest.mark.parametrize("by_money", [False, True])
def test_asking_agrees_with_doing_and_changes_nothing(self_trade, by_money):
    rng, answers = random.Random(1), set()
    for _ in range(1_500):
        book = crowded(rng)
        lots, budget = (0, rng.randint(5, 300)) if by_money else (rng.randint(1, 40), None)
        taker = Taker(rng.randint(1, 4), book.asks, rng.randint(10, 15), lots, budget, self_trade)
        if book.asks.best.key > taker.reach:
            continue
        before = [(order.order_id, order.lots) for level in book.asks for order in level]
        answer = can_fill(book, taker)
        assert [(order.order_id, order.lots) for level in book.asks for order in level] == before
        take(book, taker)
        assert answer == (not taker.lots and not taker.stopped)
        answers.add(answer)
    assert answers == {True, False}


def test_a_taker_by_money_has_enough_when_the_rest_buys_no_lot():
    book = Book()
    book.rest(book.asks, 30, 1, 1, 5, 5)
    taker = Taker(2, book.asks, 50, 0, 100, "expire_taker")
    assert [(maker.order_id, lots) for maker, lots in take(book, taker)] == [(1, 3)]
    assert (taker.lots, taker.budget) == (0, 10)
