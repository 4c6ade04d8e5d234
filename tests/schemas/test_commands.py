"""Commands on the wire: readable JSON there and back, and a reason for every byte string that is none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import CancelAll, Hold, PlaceOrder, Tick, Undecodable, decode_command, encode_command

ORDER = PlaceOrder(
    market="BTC-USD", command_id=7, number=3, order_id=11, user_id=5, side="buy", kind="limit", lots=2, price_ticks=99,
    hold=Hold("USD", 198), client_order_id="mine", body_digest="ab", reply="api-1",
)  # fmt: skip


def test_a_person_can_read_a_command():
    assert json.loads(encode_command(ORDER)) == {
        "type": "place_order", "market": "BTC-USD", "command_id": 7, "number": 3, "order_id": 11, "user_id": 5,
        "side": "buy", "kind": "limit", "lots": 2, "quote_atoms": None, "price_ticks": 99, "time_in_force": "gtc",
        "post_only": False, "self_trade": "expire_taker", "hold": {"asset": "USD", "atoms": 198},
        "placed_by": None, "client_order_id": "mine", "body_digest": "ab", "reply": "api-1",
    }  # fmt: skip


@pytest.mark.parametrize("command", [ORDER, CancelAll(market="A", command_id=1, number=1, user_id=2), Tick(market="A")])
def test_there_and_back(command):
    assert decode_command(encode_command(command)) == command


def test_what_a_later_writer_adds_is_passed_over():
    assert decode_command(b'{"type":"tick","market":"A","more":[1,2]}') == Tick(market="A")


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"type":"tick"}', b'{"type":"tock","market":"A"}',
        b'{"type":"tick","market":"\xff"}', b'{"type":"tick","market":5}', b'{"type":"tick","market":"A","x":NaN}',
        b'{"type":"tick","market":"A","x":' + b"[" * 100_000, b'{"market":"A"}',
        b'{"type":"cancel_all","market":"A","command_id":1,"number":1,"user_id":1.0}',
        b'{"type":"cancel_all","market":"A","command_id":1,"number":0,"user_id":1}',
        b'{"type":"cancel_all","market":"A","command_id":true,"number":1,"user_id":1}',
        b'{"type":"cancel_all","market":"A","command_id":9223372036854775808,"number":1,"user_id":1}',
        encode_command(ORDER).replace(b'"buy"', b'"bye"'),
        encode_command(ORDER).replace(b"198", b"1e400"),
        encode_command(ORDER).replace(b'"lots":2', b'"lots":"2"'),
    ],
)  # fmt: skip
def test_what_is_no_command_is_a_value_with_a_reason(value):
    result = decode_command(value)
    assert isinstance(result, Undecodable)
    assert result.reason


def test_another_schema_version_is_not_guessed_at():
    assert decode_command(encode_command(ORDER), 2) == Undecodable("schema version 2 is not known, only 1")


@given(st.binary(max_size=60))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_bytes_raise(value):
    assert decode_command(value) is not None
