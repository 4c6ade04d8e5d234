"""The rules at the door, without a door: what an order is in whole numbers, or which rule it breaks first."""

import dataclasses
from decimal import Decimal

import pytest

from api.admission import Origin, Reference, exchange_order, purchase
from api.catalogue import Listed
from ledger.hold_rules import NewOrder
from ledger.reads import Market
from schemas import money
from schemas.bodies.orders import NewExchangeOrder, NewPurchase
from schemas.errors import Refusal

MARKET = Market(
    id=1, symbol="BTC-USD", base="BTC", quote="USD", partition=0, is_house=True, base_scale=8, quote_scale=8,
    tick_size=Decimal("0.01"), lot_size=Decimal("0.0001"), status="open", maker_fee_bps=0, taker_fee_bps=0,
    band_bps=0, min_notional_atoms=10_000_000, house_price_ticks=5_000_000, version=1,
)  # fmt: skip
UNITS = money.market_units("0.01", "0.0001", 8, 8)
ORIGIN = Origin(7, None, "key", "digest")
BODY = {"market": "BTC-USD", "side": "buy", "amount": "0.5", "price": "100"}
PRICES = Reference(best_bid_ticks=9_900, best_ask_ticks=10_000, last_ticks=9_950, house_ticks=5_000_000)
ORDER = NewOrder(
    user_id=7, market="BTC-USD", kind="limit", side="buy", time_in_force="gtc", self_trade="expire_taker", lots=5_000,
    price_ticks=10_000, hold_asset="USD", hold_atoms=5_000_000_000, key="key", digest="digest",
)  # fmt: skip


def admitted(body, reference=PRICES, **market):
    listed = Listed(dataclasses.replace(MARKET, **market), UNITS)
    return exchange_order(NewExchangeOrder.model_validate(BODY | body), listed, reference, 500, ORIGIN)


def refused(*arguments, **more):
    with pytest.raises(Refusal) as error:
        admitted(*arguments, **more)
    return error.value.code.name, error.value.field


def market_order(side, **size):
    return {"type": "market", "price": None, "side": side, "amount": None, **size}


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({}, {}),
        ({"side": "sell"}, {"side": "sell", "hold_asset": "BTC", "hold_atoms": 50_000_000}),
        ({"post_only": True}, {"post_only": True}),
        ({"price": Decimal("1E+2"), "amount": 1}, {"lots": 10_000, "hold_atoms": 10_000_000_000}),
        # 10,000 ticks and five percent more.
        (market_order("buy", amount="0.5"), {"kind": "market", "price_ticks": 10_500, "hold_atoms": 5_250_000_000}),
        (
            market_order("buy", quote_amount="20"),
            {"kind": "market", "price_ticks": 10_500, "lots": None, "quote_atoms": 2 * 10**9, "hold_atoms": 2 * 10**9},
        ),
        # 9,900 ticks and five percent less; the hold of a sell is the base itself.
        (
            market_order("sell", amount="0.5"),
            {"kind": "market", "side": "sell", "price_ticks": 9_405, "hold_asset": "BTC", "hold_atoms": 50_000_000},
        ),
    ],
)  # fmt: skip
def test_an_order_holds_what_it_may_need_at_worst(body, changes):
    assert admitted(body) == dataclasses.replace(ORDER, **changes)


@pytest.mark.parametrize(
    ("reference", "ticks"),
    [
        (Reference(best_ask_ticks=200, last_ticks=300, house_ticks=400), 210),
        (Reference(best_bid_ticks=100, last_ticks=300, house_ticks=400), 315),
        (Reference(house_ticks=400), 420),
        (Reference(best_ask_ticks=1), 2),  # rounded away from the trade, so that the collar is never less than asked
    ],
)
def test_a_market_order_is_protected_by_the_best_price_that_is_known(reference, ticks):
    assert admitted(market_order("buy", quote_amount="20"), reference).price_ticks == ticks


def test_a_market_without_any_price_takes_no_market_order():
    assert refused(market_order("buy", amount="1"), Reference()) == ("no_price", None)


@pytest.mark.parametrize(
    ("status", "post_only", "answer"),
    [
        ("open", False, None), ("open", True, None), ("post_only", True, None),
        ("post_only", False, ("market_not_open", "market")), ("cancel_only", True, ("market_not_open", "market")),
        ("halted", False, ("market_not_open", "market")),
    ],
)  # fmt: skip
def test_the_status_decides_who_may_come(status, post_only, answer):
    if answer is None:
        assert admitted({"post_only": post_only}, status=status).post_only is post_only
    else:
        assert refused({"post_only": post_only}, status=status) == answer


@pytest.mark.parametrize(("price", "is_in"), [("109.45", True), ("109.46", False), ("89.55", True), ("89.54", False)])
def test_the_band_is_measured_from_the_last_trade(price, is_in):
    if is_in:
        assert admitted({"price": price}, band_bps=1_000).kind == "limit"
    else:
        assert refused({"price": price}, band_bps=1_000) == ("outside_band", "price")


def test_a_band_without_a_price_to_measure_from_lets_everything_through():
    assert admitted({}, Reference(), band_bps=1).kind == "limit"


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"price": "100.005"}, ("not_on_tick", "price")),
        ({"amount": "0.00005"}, ("not_on_lot", "amount")),
        ({"amount": "0.0009"}, ("below_min_notional", "amount")),
        (market_order("buy", quote_amount="0.09"), ("below_min_notional", "quote_amount")),
        (market_order("buy", quote_amount="0.000000001"), ("invalid_field", "quote_amount")),
        ({"amount": "40000000000", "price": "2"}, ("amount_too_large", "amount")),
        ({"amount": "40000000000000"}, ("amount_too_large", "amount")),
    ],
)
def test_a_number_off_the_market_is_refused(body, answer):
    assert refused(body) == answer


def test_a_purchase_holds_its_total_at_the_price_that_is_shown():
    body = NewPurchase.model_validate({"crypto": "BTC", "amount": "0.5"})
    assert purchase(body, Listed(MARKET, UNITS), ORIGIN) == dataclasses.replace(
        ORDER, kind="purchase", time_in_force=None, self_trade=None, price_ticks=5_000_000,
        hold_atoms=2_500_000_000_000,
    )  # fmt: skip
    with pytest.raises(Refusal) as error:
        purchase(body, Listed(dataclasses.replace(MARKET, house_price_ticks=None), UNITS), ORIGIN)
    assert error.value.code.name == "no_price"
