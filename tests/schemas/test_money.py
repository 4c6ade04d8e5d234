"""Decimal text in, whole numbers inside, the same decimal text out; and every refusal names its field and its rule."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.money import (
    MAX_SCALE,
    MAX_UNITS,
    Exact,
    MarketUnits,
    MoneyError,
    Rule,
    atoms,
    exact,
    market_units,
    money_text,
    quantity_text,
    ratio_text,
    units_text,
)

scales = st.integers(0, MAX_SCALE)
amounts = st.integers(1, MAX_UNITS)
BTC_USD = market_units("0.01", "0.0001", 8, 8)


def refusal(function, *args, **kwargs):
    with pytest.raises(MoneyError) as caught:
        function(*args, **kwargs)
    return caught.value.field, caught.value.rule, str(caught.value)


@given(amounts, scales)
def test_text_of_an_amount_reads_back_as_the_same_amount(amount, scale):
    assert atoms(money_text(amount, scale), scale, "amount") == amount
    assert atoms(quantity_text(amount, scale), scale, "amount") == amount


@given(st.integers(-MAX_UNITS, MAX_UNITS), scales)
def test_text_agrees_with_the_decimal_module_and_has_no_exponent(units, scale):
    text = units_text(units, scale)
    assert Decimal(text) == Decimal(units).scaleb(-scale)
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith("0")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**10))
def test_a_string_and_a_json_number_mean_the_same(number):
    assert exact(number, "price") == exact(str(number), "price") == exact(format(number, "f"), "price")


@given(st.text())
def test_any_text_is_read_or_refused_and_never_crashes(text):
    try:
        number = exact(text, "amount")
    except MoneyError as error:
        refused = error
    else:
        assert Decimal(str(number)) == Decimal(text)
        return
    assert refused.field == "amount"
    assert str(refused).startswith("amount ")


@given(st.integers(1, 10**6), st.integers(0, 8), st.integers(1, 10**6), st.integers(0, 8), scales, amounts, amounts)
def test_in_every_market_that_opens_a_price_times_a_quantity_is_exact(tick, tick_places, lot, lot_places, scale, p, q):
    try:
        units = market_units(units_text(tick, tick_places), units_text(lot, lot_places), 8, scale)
    except MoneyError:
        return
    price, quantity = Decimal(units.price_text(p % 10**6)), Decimal(units.lots_text(q % 10**6))
    assert Decimal(units_text(units.quote_atoms(p % 10**6, q % 10**6), scale)) == price * quantity
    assert Decimal(units_text(units.base_atoms(q % 10**6), 8)) == quantity


@given(st.integers(1, 10**12))
def test_ticks_and_lots_read_back_as_themselves(count):
    assert BTC_USD.ticks(BTC_USD.price_text(count)) == count
    assert BTC_USD.lots(BTC_USD.lots_text(count)) == count


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**12), st.integers(0, 10))
def test_a_shown_quotient_is_within_half_a_unit_of_the_true_one(numerator, denominator, places):
    shown = exact(ratio_text(numerator, denominator, places), "shown")
    error = abs(shown.mantissa * denominator * 10 ** (places - shown.places) - numerator * 10**places)
    assert 2 * error <= denominator


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        ("12.5", 2, 1250),
        ("12.500000000000000000", 2, 1250),
        (12, 2, 1200),
        ("1e2", 0, 100),
        (Decimal("1E+2"), 0, 100),
        (Decimal("1234567890.12345678"), 8, 123456789012345678),
        ("0.00000001", 8, 1),
        ("007", 0, 7),
        ("1e-8", 8, 1),
        ("4611686018427387904", 0, MAX_UNITS),
    ],
)
def test_numbers_that_fit_are_read_exactly(value, scale, expected):
    assert atoms(value, scale, "amount") == expected


@pytest.mark.parametrize(
    ("value", "rule", "message"),
    [
        ("", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        (" 5", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        ("1_000", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        ("٣", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        (".5", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        ("NaN", Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        (Decimal("Infinity"), Rule.NOT_A_NUMBER, "amount must be a plain decimal number such as 12.5."),
        (None, Rule.NOT_A_NUMBER, "amount must be a decimal number, as a string or a JSON number."),
        (True, Rule.NOT_A_NUMBER, "amount must be a decimal number, as a string or a JSON number."),
        ("1" * 101, Rule.TOO_LONG, "amount has more than 100 characters."),
        (1 << 1000, Rule.TOO_LONG, "amount has more than 100 characters."),
        ("1e41", Rule.EXPONENT, "amount has an exponent beyond 40."),
        (Decimal("1E-999999"), Rule.EXPONENT, "amount has an exponent beyond 40."),
        ("0.001", Rule.TOO_MANY_DECIMALS, "amount may have at most 2 decimals."),
        ("0", Rule.NOT_POSITIVE, "amount must be more than zero."),
        ("-0.00", Rule.NOT_POSITIVE, "amount must be more than zero."),
        (-5, Rule.NOT_POSITIVE, "amount must be more than zero."),
        ("46116860184273879.05", Rule.TOO_LARGE, "amount is too large."),
        ("1e40", Rule.TOO_LARGE, "amount is too large."),
    ],
)
def test_numbers_that_do_not_fit_are_refused_with_field_and_rule(value, rule, message):
    assert refusal(atoms, value, 2, "amount") == ("amount", rule, message)


def test_a_float_is_our_own_mistake_and_not_an_answer():
    with pytest.raises(TypeError, match="price came as a float"):
        exact(1.5, "price")


def test_an_integer_too_long_for_python_to_write_is_refused_like_any_other():
    assert refusal(exact, 10**5000, "amount")[1] is Rule.TOO_LONG


def test_zero_and_negative_amounts_pass_only_where_they_are_asked_for():
    assert atoms("0", 2, "balance", lowest=0) == 0
    assert atoms("-1.5", 2, "change", lowest=-MAX_UNITS) == -150
    assert refusal(atoms, "-1", 2, "balance", lowest=0) == ("balance", Rule.NEGATIVE, "balance must not be negative.")
    assert refusal(atoms, -MAX_UNITS, 2, "change", lowest=-MAX_UNITS) == (
        "change", Rule.NEGATIVE, "change is too small.",
    )  # fmt: skip


def test_an_asset_without_decimals_says_so():
    assert refusal(atoms, "1.5", 0, "amount")[2] == "amount may have no decimals."


def test_prices_and_quantities_must_lie_on_the_steps():
    assert BTC_USD.ticks("50000.00") == 5_000_000
    assert BTC_USD.lots("0.0003") == 3
    assert refusal(BTC_USD.ticks, "50000.005") == ("price", Rule.OFF_STEP, "price must be a multiple of 0.01.")
    assert refusal(BTC_USD.lots, "0.00001") == ("amount", Rule.OFF_STEP, "amount must be a multiple of 0.0001.")
    assert refusal(BTC_USD.lots, "0") == ("amount", Rule.NOT_POSITIVE, "amount must be more than zero.")


def test_a_market_knows_its_units():
    assert MarketUnits(Exact(1, 2), Exact(1, 4), 8, 8, lot_base_atoms=10_000, tick_lot_quote_atoms=100) == BTC_USD
    assert BTC_USD.quote_atoms(5_000_000, 3) == 1_500_000_000
    assert market_units("50", "20", 0, 2).tick_lot_quote_atoms == 100_000


def test_a_market_whose_values_would_need_rounding_is_refused():
    assert refusal(market_units, "0.01", "0.0001", 8, 2) == (
        "tick_size", Rule.INEXACT, "tick_size times lot_size must be a multiple of 0.01, the quote's smallest unit.",
    )  # fmt: skip
    assert refusal(market_units, "0.01", "0.0001", 3, 8)[:2] == ("lot_size", Rule.TOO_MANY_DECIMALS)
    assert refusal(market_units, "0", "1", 8, 8)[:2] == ("tick_size", Rule.NOT_POSITIVE)


def test_money_shows_two_decimals_and_quantities_as_many_as_they_need():
    assert [money_text(n, 8) for n in (0, 10**8, 12_345, 150_000_000)] == ["0.00", "1.00", "0.00012345", "1.50"]
    assert [quantity_text(n, 8) for n in (0, 10**8, 20_000_000)] == ["0", "1", "0.2"]
    assert money_text(-5, 0) == "-5.00"
    assert BTC_USD.price_text(5_000_000) == "50000.00"
    assert BTC_USD.lots_text(10_000) == "1"


def test_an_average_price_is_rounded_for_showing_only():
    assert BTC_USD.average_price_text(10_000_000_000, 30_000) == "33.33333333"
    assert BTC_USD.average_price_text(BTC_USD.quote_atoms(5_000_000, 7), 7) == "50000.00"


def test_rounding_goes_half_away_from_zero():
    assert [ratio_text(n, 8, 1) for n in (1, -1, 2, 6, 10)] == ["0.1", "-0.1", "0.3", "0.8", "1.3"]
    with pytest.raises(ValueError, match="a ratio over 0"):
        ratio_text(1, 0, 2)
