"""The one place where decimal text becomes whole numbers (atoms, ticks, lots) and whole numbers become decimal text.

Everything is exact: the text of a number is read digit by digit into integers, no float is ever made or accepted, and
what does not fit its scale or its step is refused with a sentence that names the field and the rule.
"""

import dataclasses
import enum
import re
from decimal import Decimal

MAX_SCALE = 8
MAX_UNITS = 1 << 62
"""No amount of atoms, ticks or lots is larger: two of them add up inside a `bigint`."""
MAX_TEXT = 100
MAX_EXPONENT = 40
PLAIN = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", re.ASCII)


class Rule(enum.Enum):
    """Why a number was refused."""

    NOT_A_NUMBER = "not_a_number"
    TOO_LONG = "too_long"
    EXPONENT = "exponent_out_of_range"
    TOO_MANY_DECIMALS = "too_many_decimals"
    OFF_STEP = "off_step"
    NOT_POSITIVE = "not_positive"
    NEGATIVE = "negative"
    TOO_LARGE = "too_large"
    INEXACT = "inexact"


class MoneyError(ValueError):
    """A number broke a rule: `field` and `rule` say which, the text is a sentence for a person."""

    def __init__(self, field: str, rule: Rule, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.rule = rule


@dataclasses.dataclass(frozen=True, slots=True)
class Exact:
    """The number mantissa / 10**places, in lowest terms."""

    mantissa: int
    places: int

    def __str__(self) -> str:
        return units_text(self.mantissa, self.places)


def exact(value: str | int | Decimal, field: str) -> Exact:
    """Reads a number from its text; a `Decimal` or an `int` is what a JSON number became."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        if isinstance(value, float):
            raise TypeError(f"{field} came as a float: read JSON numbers as Decimal, from their text.")
        raise MoneyError(field, Rule.NOT_A_NUMBER, f"{field} must be a decimal number, as a string or a JSON number.")
    text = _text(value)
    if len(text) > MAX_TEXT:
        raise MoneyError(field, Rule.TOO_LONG, f"{field} has more than {MAX_TEXT} characters.")
    match = PLAIN.fullmatch(text)
    if match is None:
        raise MoneyError(field, Rule.NOT_A_NUMBER, f"{field} must be a plain decimal number such as 12.5.")
    sign, whole, fraction, exponent = match.groups()
    shift = int(exponent or 0)
    if abs(shift) > MAX_EXPONENT:
        raise MoneyError(field, Rule.EXPONENT, f"{field} has an exponent beyond {MAX_EXPONENT}.")
    mantissa = int(sign + whole + (fraction or ""))
    return _lowest(mantissa, len(fraction or "") - shift)


def _text(value: str | int | Decimal) -> str:
    """A huge integer is not written out: its text would be refused anyway, and Python limits how long it may be."""
    if isinstance(value, int) and value.bit_length() > 4 * MAX_TEXT:
        return "9" * (MAX_TEXT + 1)
    return str(value)


def _lowest(mantissa: int, places: int) -> Exact:
    if mantissa == 0:
        return Exact(0, 0)
    while places > 0 and mantissa % 10 == 0:
        mantissa //= 10
        places -= 1
    return Exact(mantissa, places) if places >= 0 else Exact(mantissa * 10**-places, 0)


def atoms(value: str | int | Decimal, scale: int, field: str, *, lowest: int = 1) -> int:
    """The number of atoms of an asset with this scale; `lowest` is 1 (positive), 0, or a negative bound."""
    number = exact(value, field)
    if number.places > scale:
        decimals = "no decimals" if scale == 0 else f"at most {scale} decimals"
        raise MoneyError(field, Rule.TOO_MANY_DECIMALS, f"{field} may have {decimals}.")
    return _bounded(number.mantissa * 10 ** (scale - number.places), field, lowest)


def _bounded(units: int, field: str, lowest: int) -> int:
    if units > MAX_UNITS:
        raise MoneyError(field, Rule.TOO_LARGE, f"{field} is too large.")
    if units >= lowest:
        return units
    if lowest > 0:
        raise MoneyError(field, Rule.NOT_POSITIVE, f"{field} must be more than zero.")
    raise MoneyError(
        field, Rule.NEGATIVE, f"{field} must not be negative." if lowest == 0 else f"{field} is too small."
    )


def units_text(units: int, places: int, least: int = 0) -> str:
    """The number units / 10**places as plain decimal text: zeros at the end go, but for `least` decimals."""
    digits = str(abs(units)).rjust(places + 1, "0")
    whole, fraction = digits[: len(digits) - places], digits[len(digits) - places :]
    fraction = fraction.rstrip("0").ljust(least, "0")
    return ("-" if units < 0 else "") + (f"{whole}.{fraction}" if fraction else whole)


def money_text(amount_atoms: int, scale: int) -> str:
    """An amount of money, as people write it: at least two decimals."""
    return units_text(amount_atoms, scale, least=2)


def quantity_text(amount_atoms: int, scale: int) -> str:
    """A quantity of an asset: as many decimals as it needs."""
    return units_text(amount_atoms, scale)


def ratio_text(numerator: int, denominator: int, places: int, least: int = 0) -> str:
    """A quotient rounded half away from zero to some decimals. For showing only: nothing is booked from it."""
    if denominator <= 0:
        raise ValueError(f"a ratio over {denominator}")
    scaled, rest = divmod(abs(numerator) * 10**places, denominator)
    rounded = scaled + (2 * rest >= denominator)
    return units_text(-rounded if numerator < 0 else rounded, places, least)


@dataclasses.dataclass(frozen=True, slots=True)
class MarketUnits:
    """The steps of one market. One tick times one lot is a whole number of quote atoms, so every value is exact."""

    tick: Exact
    lot: Exact
    base_scale: int
    quote_scale: int
    lot_base_atoms: int
    tick_lot_quote_atoms: int

    def ticks(self, price: str | int | Decimal, field: str = "price") -> int:
        return _steps(exact(price, field), self.tick, field)

    def lots(self, quantity: str | int | Decimal, field: str = "amount") -> int:
        return _steps(exact(quantity, field), self.lot, field)

    def price_text(self, ticks: int) -> str:
        return units_text(ticks * self.tick.mantissa, self.tick.places, least=2)

    def lots_text(self, lots: int) -> str:
        return units_text(lots * self.lot.mantissa, self.lot.places)

    def base_atoms(self, lots: int) -> int:
        return lots * self.lot_base_atoms

    def quote_atoms(self, price_ticks: int, lots: int) -> int:
        """What this many lots cost at this price."""
        return price_ticks * lots * self.tick_lot_quote_atoms

    def average_price_text(self, paid_quote_atoms: int, lots: int) -> str:
        """What one unit cost on average, for showing: rounded to the decimals of the quote asset."""
        return ratio_text(
            paid_quote_atoms * 10**self.lot.places,
            lots * self.lot.mantissa * 10**self.quote_scale,
            max(self.quote_scale, self.tick.places),
            least=2,
        )


def _steps(number: Exact, step: Exact, field: str) -> int:
    """How often the step fits into the number, which must be a whole number of times, and at least once."""
    shift = max(number.places, step.places)
    count, rest = divmod(number.mantissa * 10 ** (shift - number.places), step.mantissa * 10 ** (shift - step.places))
    if rest:
        raise MoneyError(field, Rule.OFF_STEP, f"{field} must be a multiple of {step}.")
    return _bounded(count, field, 1)


def market_units(
    tick_size: str | int | Decimal, lot_size: str | int | Decimal, base_scale: int, quote_scale: int
) -> MarketUnits:
    """The units of a market, or a `MoneyError` that says why such a market cannot be exact."""
    lot_base_atoms = atoms(lot_size, base_scale, "lot_size")
    tick, lot = exact(tick_size, "tick_size"), exact(lot_size, "lot_size")
    _bounded(tick.mantissa, "tick_size", 1)
    excess = tick.places + lot.places - quote_scale
    product = tick.mantissa * lot.mantissa * 10 ** max(-excess, 0)
    tick_lot_quote_atoms, rest = divmod(product, 10 ** max(excess, 0))
    if rest:
        smallest = units_text(1, quote_scale)
        raise MoneyError(
            "tick_size",
            Rule.INEXACT,
            f"tick_size times lot_size must be a multiple of {smallest}, the quote's smallest unit.",
        )
    _bounded(tick_lot_quote_atoms, "tick_size", 1)
    return MarketUnits(tick, lot, base_scale, quote_scale, lot_base_atoms, tick_lot_quote_atoms)
