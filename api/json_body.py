"""Reads a JSON body exactly: numbers become Decimal or int from their text, and what JSON allows twice is refused once.

A number that passes through a float is a bug, so the reader never makes one.
"""

import json
from decimal import Decimal
from typing import Any, NoReturn

from schemas.errors import MALFORMED, Refusal

MAX_NUMBER = 100


def read(body: bytes) -> dict[str, Any]:
    """The body as an object, or a refusal that says what is wrong with it."""
    if not body.strip():
        raise _malformed("The body is empty; send a JSON object.")
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, parse_float=_decimal, parse_int=_whole, parse_constant=_constant, object_pairs_hook=_object
        )
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is not JSON: {error.msg.lower()}, at character {error.pos}.") from None
    except RecursionError:
        raise _malformed("The body is nested too deeply.") from None
    if not isinstance(value, dict):
        raise _malformed("The body must be a JSON object.")
    if "\\u" in text:
        _refuse_unwritable(value)
    return value


def _malformed(message: str) -> Refusal:
    return Refusal(MALFORMED, message)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER:
        raise _malformed(f"The body has a number of more than {MAX_NUMBER} characters.")
    return Decimal(text)


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise _malformed(f"The body has a number of more than {MAX_NUMBER} characters.")
    return int(text)


def _constant(name: str) -> NoReturn:
    raise _malformed(f"The body has the number {name}, which JSON does not know.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed("The body names one field twice.")
    return found


def _refuse_unwritable(value: object) -> None:
    """Half a surrogate pair or a NUL is valid JSON, and no text that PostgreSQL could keep."""
    if isinstance(value, str):
        if "\0" in value or (not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise _malformed("The body has a text with a NUL or half a surrogate pair in it.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _refuse_unwritable(name)
            _refuse_unwritable(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_unwritable(inner)
