from decimal import Decimal

import pytest

from api import json_body
from schemas.errors import Refusal


def test_numbers_are_read_from_their_text_and_never_through_a_float():
    body = json_body.read(b'{"a": 1234567890123456.123456789, "b": 0.1, "c": 7, "d": 1e-3, "e": "0.1", "f": -0}')
    assert body == {
        "a": Decimal("1234567890123456.123456789"), "b": Decimal("0.1"), "c": 7, "d": Decimal("0.001"), "e": "0.1",
        "f": 0,
    }  # fmt: skip
    assert not any(isinstance(value, float) for value in body.values())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty; send a JSON object."),
        (b"[1]", "The body must be a JSON object."),
        (b'{"a": NaN}', "The body has the number NaN, which JSON does not know."),
        (b'{"a": -Infinity}', "The body has the number -Infinity, which JSON does not know."),
        (b'{"a": {"b": 1, "b": 2}}', "The body names one field twice."),
        (b'{"a": 1' + b"0" * 100 + b"}", "The body has a number of more than 100 characters."),
        (b'{"a": 0.' + b"0" * 100 + b"}", "The body has a number of more than 100 characters."),
        (b'{"a": ["\\u0000"]}', "The body has a text with a NUL or half a surrogate pair in it."),
        (b'{"\\udc00": 1}', "The body has a text with a NUL or half a surrogate pair in it."),
        (b"\xff", "The body is not UTF-8 text."),
        (b'{"a":' * 30_000, "The body is nested too deeply."),
        (b"{'a': 1}", "The body is not JSON: expecting property name enclosed in double quotes, at character 1."),
    ],
)
def test_what_is_not_an_exact_object_is_refused_with_a_sentence(body, message):
    with pytest.raises(Refusal) as refused:
        json_body.read(body)
    assert (refused.value.code.name, refused.value.message) == ("malformed", message)


def test_a_whole_surrogate_pair_is_a_letter_like_any_other():
    assert json_body.read(b'{"a": "\\ud83c\\udf0a"}') == {"a": "\N{WATER WAVE}"}
