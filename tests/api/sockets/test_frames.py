import json

import msgspec
import pytest

from api.sockets import frames
from schemas.errors import UNKNOWN_CHANNEL, Refusal


def payload(frame: bytes) -> bytes:
    """What a client reads: FIN and TEXT, no mask, and a length in one of its three forms."""
    assert frame[0] == 0x81
    match frame[1]:
        case 126:
            length, rest = int.from_bytes(frame[2:4], "big"), frame[4:]
        case 127:
            length, rest = int.from_bytes(frame[2:10], "big"), frame[10:]
        case length:
            rest = frame[2:]
    assert len(rest) == length
    return rest


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 300_000])
def test_a_frame_says_its_length_in_the_shortest_form(length):
    frame = frames.framed(b"x" * length)
    assert payload(frame) == b"x" * length
    assert len(frame) - length == (2 if length < 126 else 4 if length < 65_536 else 10)


def test_data_goes_out_as_it_came():
    frame = frames.data("orderbook:BTC-USD", "delta", b'{"first_seq":7,"bids":[]}')
    assert payload(frame) == b'{"channel":"orderbook:BTC-USD","type":"delta","data":{"first_seq":7,"bids":[]}}'


def test_answers_have_the_fields_of_the_contract():
    said = [
        frames.subscribed(["orders"], 7), frames.unsubscribed(["orders"], "a"), frames.PONG, frames.pong(1), frames.BYE,
        frames.authenticated(2), frames.error(Refusal(UNKNOWN_CHANNEL, "There is none."), None),
        frames.error(Refusal(UNKNOWN_CHANNEL, "There is none."), 3, ["x"]),
    ]  # fmt: skip
    assert [json.loads(payload(frame)) for frame in said] == [
        {"op": "subscribed", "channels": ["orders"], "id": 7},
        {"op": "unsubscribed", "channels": ["orders"], "id": "a"},
        {"op": "pong"},
        {"op": "pong", "id": 1},
        {"op": "bye"},
        {"op": "authenticated", "id": 2},
        {"op": "error", "code": "unknown_channel", "message": "There is none.", "id": None},
        {"op": "error", "code": "unknown_channel", "message": "There is none.", "id": 3, "channels": ["x"]},
    ]


def test_what_a_client_may_say():
    assert frames.decode('{"op":"auth","token":"t"}') == frames.Auth(token="t")
    assert frames.decode('{"op":"subscribe","channels":["orders"],"id":1}') == frames.Subscribe(["orders"], {}, 1)
    assert frames.decode('{"op":"subscribe","channels":["a"],"since_seq":{"a":4}}') == frames.Subscribe(["a"], {"a": 4})
    assert frames.decode('{"op":"unsubscribe","channels":[]}') == frames.Unsubscribe([])
    assert frames.decode('{"op":"ping"}') == frames.Ping()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "null", "{}", '{"op":"shout"}', '{"op":"subscribe"}', '{"op":"subscribe","channels":"orders"}',
     '{"op":"subscribe","channels":[1]}', '{"op":"ping","more":1}', '{"op":"subscribe","channels":[],"id":1.5}',
     '{"op":"subscribe","channels":["a"],"since_seq":{"a":"4"}}', "[" * 10_000],
)  # fmt: skip
def test_everything_else_is_refused(text):
    with pytest.raises(msgspec.DecodeError):
        frames.decode(text)


def test_the_id_of_a_wrong_frame_is_told_when_it_has_one():
    ids = [frames.id_of(text) for text in ('{"op":"shout","id":"a"}', '{"id":4}', '{"id":[1]}', "nothing", "[]")]
    assert ids == ["a", 4, None, None, None]
