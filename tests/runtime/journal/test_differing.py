import json

import pytest

from runtime.journal.differing import difference

EVENTS = [{"type": "rested", "lots": 5}, {"type": "traded", "lots": 4, "price_ticks": 100}]


def told(**changes: object) -> bytes:
    return json.dumps({"market": "M", "seq": 7, "events": EVENTS} | changes).encode()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (told(seq=8), "seq is 8, expected 7"),
        (told(seq="7"), 'seq is "7", expected 7'),
        (
            told(events=[EVENTS[0], EVENTS[1] | {"lots": 6, "price_ticks": 99}]),
            "event 2 (traded): lots is 6, expected 4; event 2 (traded): price_ticks is 99, expected 100",
        ),
        (
            told(events=EVENTS[:1]),
            'event 2 (traded) is missing (expected {"type":"traded","lots":4,"price_ticks":100})',
        ),
        (told(extra=None), "extra is there, expected none (found null)"),
        (told(market="M", seq=7).replace(b" ", b""), "it says the same in other bytes"),
        (b"{", "it is not JSON: Input data was truncated"),
        (
            told(**dict.fromkeys("abcdefg", 1)),
            "; ".join(f"{name} is there, expected none (found 1)" for name in "abcde") + "; and 2 more",
        ),
    ],
)
def test_a_difference_names_event_and_field_and_what_was_expected(found: bytes, words: str) -> None:
    assert difference(told(), found) == words


def test_what_is_long_is_cut() -> None:
    assert len(difference(told(), told(market="x" * 1000))) < 120
