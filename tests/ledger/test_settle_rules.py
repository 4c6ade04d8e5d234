"""The rules of settlement by themselves: what an execution may do to an order, and what it must not."""

from collections.abc import Sequence

import pytest

from ledger.settle_rules import settle
from ledger.settlement import Assets, Mismatch, Order, Settlement, Wallet
from schemas.executions import Canceled, ChainedExecution, Event, HouseFilled, Reject, Rejected, Rested

SYMBOL = "BTC-USD"
ASSETS = {SYMBOL: Assets("BTC", "USD")}


def order(state: str = "pending", *, held: int = 500, filled: int = 0) -> Order:
    return Order(7, 3, "buy", state, lots=5, filled_lots=filled, filled_quote_atoms=0, held_remaining=held)


def settled(events: Sequence[Event], known: Order) -> Settlement:
    execution = ChainedExecution(
        market=SYMBOL, seq=9, partition=0, offset=4, time_ms=1000, part=1, last=True, command="place_order",
        command_id=70, reply="api-1", events=events, prev_chain="", chain="",
    )  # fmt: skip
    return settle([execution], ASSETS, {known.order_id: known}, {70: known.order_id})


def test_a_rejected_order_gives_its_hold_back_and_is_done() -> None:
    done = settled([Rejected(7, 3, 500, Reject.WOULD_TAKE)], order())
    assert done.wallets == {(3, "USD"): Wallet(available=500, held=-500)}
    assert [(one.state, one.reason, one.held_remaining) for one in done.orders.values()] == [
        ("rejected", "would_take", 0)
    ]
    assert [(one.result.outcome, one.reply) for one in done.decided] == [("rejected", "api-1")]


def test_a_late_reject_of_an_order_that_rests_changes_nothing() -> None:
    done = settled([Rejected(7, 3, 500, Reject.TOO_LATE)], order("open"))
    assert (done.wallets, done.orders) == ({}, {})


def test_a_late_reject_of_a_purchase_that_was_filled_changes_nothing() -> None:
    """Until it is gathered a filled purchase is pending, and its hold is spent."""
    done = settled([Rejected(7, 3, 500, Reject.TOO_LATE)], order(held=0, filled=5))
    assert (done.wallets, done.orders) == ({}, {})


def test_a_purchase_pays_from_its_hold_and_what_it_bought_is_pending() -> None:
    done = settled([HouseFilled(1, 7, 3, 90, 5, 50_000, 450, 50)], order())
    assert done.wallets == {
        (3, "USD"): Wallet(available=50, held=-500),
        (3, "BTC"): Wallet(pending=50_000),
    }
    assert dict(done.system) == {("house", SYMBOL, "USD"): 450, ("house", SYMBOL, "BTC"): -50_000}


@pytest.mark.parametrize(
    ("events", "known", "why"),
    [
        ([Rested(7, 3, "buy", 100, 5)], order("canceled", held=0), "is canceled and cannot change"),
        ([Canceled(7, 3, "buy", 100, 5, 600)], order("open"), "holds 500, and 600 are taken"),
        ([Canceled(7, 3, "buy", 100, 5, 400)], order("open"), "still holds 100"),
        ([Rested(8, 3, "buy", 100, 5)], order(), "order 8 is not in the books"),
    ],
)
def test_an_event_that_cannot_have_happened_to_this_order_is_a_mismatch(
    events: Sequence[Event], known: Order, why: str
) -> None:
    with pytest.raises(Mismatch, match=why):
        settled(events, known)
