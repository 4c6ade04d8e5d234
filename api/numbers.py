"""What `schemas/money.py` refuses, as a client is told: malformed numbers are 400, sound ones off a rule are 422."""

import contextlib
from collections.abc import Iterator

from schemas.errors import AMOUNT_TOO_LARGE, INVALID_FIELD, INVALID_MARKET, NOT_ON_LOT, NOT_ON_TICK, Code, Refusal
from schemas.money import MoneyError, Rule


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Inside it, numbers may be converted."""
    try:
        yield
    except MoneyError as error:
        raise Refusal(_code(error), str(error), error.field) from None


def _code(error: MoneyError) -> Code:
    match error.rule:
        case Rule.OFF_STEP:
            return NOT_ON_TICK if error.field == "price" else NOT_ON_LOT
        case Rule.TOO_LARGE:
            return AMOUNT_TOO_LARGE
        case Rule.INEXACT:
            return INVALID_MARKET
    return INVALID_FIELD
