"""Two records of a topic, one as it should be and one as it was found: where they differ, in words. Pure."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import msgspec

MOST_WORDS = 5
SHOWN = 80
ABSENT = object()


def difference(expected: bytes, found: bytes) -> str:
    """One sentence; never empty, since bytes that mean the same may still be other bytes."""
    try:
        should, does = msgspec.json.decode(expected), msgspec.json.decode(found)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"it is not JSON: {error}"
    words = list(_differences(should, does, ""))
    if not words:
        return "it says the same in other bytes"
    more = f"; and {len(words) - MOST_WORDS} more" if len(words) > MOST_WORDS else ""
    return "; ".join(words[:MOST_WORDS]) + more


def _differences(expected: Any, found: Any, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected | found:
            inner = f"{place}{name}"
            yield from _differences(expected.get(name, ABSENT), found.get(name, ABSENT), inner)
    elif isinstance(expected, list) and isinstance(found, list):
        for number, (one, other) in enumerate(zip_longest(expected, found, fillvalue=ABSENT), 1):
            yield from _differences(one, other, f"{_singular(place)} {number}{_kind(one, other)}: ")
    elif expected is ABSENT:
        yield f"{place.removesuffix(': ')} is there, expected none (found {_shown(found)})"
    elif found is ABSENT:
        yield f"{place.removesuffix(': ')} is missing (expected {_shown(expected)})"
    elif type(expected) is not type(found) or expected != found:
        yield f"{place.removesuffix(': ')} is {_shown(found)}, expected {_shown(expected)}"


def _singular(place: str) -> str:
    return place.removesuffix("s")


def _kind(expected: Any, found: Any) -> str:
    """What kind of event it is, where it is one."""
    some = expected if isinstance(expected, dict) else found
    return f" ({some['type']})" if isinstance(some, dict) and "type" in some else ""


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
