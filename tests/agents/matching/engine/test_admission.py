"""The order of the reasons: an order that is wrong in every way is mended fault by fault, and told the next one."""

import msgspec

from agents.matching.engine import Market
from schemas.commands import BuyFromHouse, ChangeMarket, Hold, ListPrice, OpenMarket, PlaceOrder
from schemas.executions import Reject, Rejected

OPEN = OpenMarket(
    market="A-B", command_id=1, number=1, base="A", quote="B", base_scale=0, quote_scale=0, tick_size="1", lot_size="1",
    status="halted", band_bps=100, min_notional_atoms=500,
)  # fmt: skip


def opened():
    market = Market("A-B")
    market.apply(OPEN, 0)
    market.apply(ListPrice(market="A-B", command_id=2, number=2, price_ticks=100), 0)
    return market


def reasons(market, command, steps):
    """Send the command, then again and again with one thing mended, and say why it was refused each time."""
    told = []
    for number, step in enumerate([{}, *steps], 10):
        if isinstance(step, str):
            market.apply(ChangeMarket(market="A-B", command_id=9, number=number + 1_000, status=step), 0)
        else:
            command = msgspec.structs.replace(command, **step)
        command = msgspec.structs.replace(command, number=number)
        [event] = market.apply(command, 0)
        told.append(event.reason if isinstance(event, Rejected) else type(event).__name__)
    return told


def test_the_reasons_against_an_order_come_in_their_order():
    order = PlaceOrder(
        market="A-B", command_id=3, number=3, order_id=3, user_id=1, side="buy", kind="limit", time_in_force="ioc",
        post_only=True, lots=0, price_ticks=0, hold=Hold("X", 0),
    )  # fmt: skip
    steps = [
        "cancel_only", "post_only", "open", {"time_in_force": "gtc"}, {"lots": 2**62}, {"price_ticks": 102},
        {"price_ticks": 101}, {"lots": 2}, {"hold": Hold("B", 202)}, {"lots": 5, "hold": Hold("B", 505)},
    ]  # fmt: skip
    assert reasons(opened(), order, steps) == [
        Reject.MARKET_HALTED, Reject.MARKET_CANCEL_ONLY, Reject.MARKET_POST_ONLY, Reject.INVALID_ORDER,
        Reject.INVALID_AMOUNT, Reject.INVALID_PRICE, Reject.OUTSIDE_BAND, Reject.TOO_LARGE, Reject.HOLD_MISMATCH,
        Reject.BELOW_MIN_NOTIONAL, "Rested",
    ]  # fmt: skip


def test_the_reasons_against_a_purchase_come_in_their_order():
    order = BuyFromHouse(
        market="A-B", command_id=3, number=3, order_id=3, user_id=1, lots=0, price_ticks=0, hold=Hold("X", 0)
    )
    steps = [
        "cancel_only", "post_only", "open", {"lots": 2**62}, {"price_ticks": 99}, {"lots": 2}, {"hold": Hold("B", 198)},
        {"lots": 6, "hold": Hold("B", 594)}, {"price_ticks": 100, "hold": Hold("B", 600)},
    ]  # fmt: skip
    assert reasons(opened(), order, steps) == [
        Reject.MARKET_HALTED, Reject.MARKET_CANCEL_ONLY, Reject.MARKET_POST_ONLY, Reject.INVALID_AMOUNT,
        Reject.INVALID_PRICE, Reject.TOO_LARGE, Reject.HOLD_MISMATCH, Reject.BELOW_MIN_NOTIONAL, Reject.PRICE_CHANGED,
        "HouseFilled",
    ]  # fmt: skip


def test_the_same_id_comes_before_any_rule():
    market = opened()
    market.apply(ChangeMarket(market="A-B", command_id=4, number=4, status="open"), 0)
    order = PlaceOrder(
        market="A-B", command_id=5, number=5, order_id=3, user_id=1, side="sell", kind="limit", lots=6,
        price_ticks=100, hold=Hold("A", 6),
    )  # fmt: skip
    market.apply(order, 0)
    market.apply(ChangeMarket(market="A-B", command_id=6, number=6, status="halted"), 0)
    again = msgspec.structs.replace(order, number=7, lots=0)
    assert market.apply(again, 0) == [Rejected(3, 1, 6, Reject.DUPLICATE_ORDER)]
