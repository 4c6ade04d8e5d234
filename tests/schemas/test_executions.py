"""Executions on the wire: readable JSON there and back; the same events give the same bytes."""

import json

import pytest

from schemas.commands import CancelAll, Tick
from schemas.executions import (
    ChainedExecution,
    Declined,
    Event,
    Expired,
    Expiry,
    Reject,
    Rested,
    Traded,
    decode_events,
    decode_execution,
    encode_events,
    encode_execution,
)

PLACE = ("BTC-USD", 9, 2, 41, 1_700_000_000_000, 1, True)
EVENTS = [
    Traded(1, 100, 2, 20_000, 20_000, "buy", 5, 50, 1, 0, 6, 60, 2, None, 0),
    Expired(6, 60, "buy", 105, None, 17, Expiry.UNFILLED, was_resting=False),
    Rested(7, 70, "sell", 110, 3),
    Declined(8, None, Reject.UNKNOWN_ORDER),
]


def test_events_come_back_as_they_were():
    assert decode_events(encode_events(EVENTS)) == EVENTS
    assert encode_events(decode_events(encode_events(EVENTS))) == encode_events(EVENTS)


def test_a_person_can_read_an_execution():
    command = CancelAll(market="BTC-USD", command_id=77, number=3, user_id=5, reply="api-2")
    assert json.loads(encode_execution(PLACE, command, EVENTS[2:3])) == {
        "market": "BTC-USD", "seq": 9, "partition": 2, "offset": 41, "time_ms": 1_700_000_000_000, "part": 1,
        "last": True, "command": "cancel_all", "command_id": 77, "reply": "api-2",
        "events": [{"type": "rested", "order_id": 7, "user_id": 70, "side": "sell", "price_ticks": 110, "lots": 3}],
    }  # fmt: skip


@pytest.mark.parametrize(("command", "name"), [(Tick(market="BTC-USD"), "tick"), (None, None)])
def test_a_record_without_a_sender_answers_nobody(command, name):
    told = json.loads(encode_execution(PLACE, command, []))
    assert (told["command"], told["command_id"], told["reply"]) == (name, None, "")


def test_readers_find_the_chain_behind():
    value = encode_execution(PLACE, Tick(market="BTC-USD"), EVENTS)[:-1] + b',"prev_chain":"aa","chain":"bb"}'
    assert decode_execution(value) == ChainedExecution(*PLACE, "tick", None, "", EVENTS, "aa", "bb")


def test_every_event_and_reason_has_a_name_of_its_own():
    tags = [kind.__struct_config__.tag for kind in Event.__args__]
    assert len(tags) == len(set(tags))
    assert not {*map(str, Reject)} & {*map(str, Expiry)}
