"""Partitions verified at once, a process each: one word for all, and nobody is left behind."""

import json

import pytest

from ops.replay.verdicts import verdicts
from runtime import kafka
from runtime.journal.errors import Refused, Unwell
from runtime.journal.verifying import Stretch
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TRADES
from tests.ops.conftest import Verb
from tests.ops.replay.exchange import commands, forged, journaled, told, truth

TOPICS = (COMMANDS, EXECUTIONS, TRADES, CHANGELOGS[0])
FORGERS = {0: truth, 1: forged("trades", 2, kind="house"), 3: truth}


async def exchange(settings: Settings) -> None:
    await kafka.ensure_topics(settings, TOPICS)
    for partition, forge in FORGERS.items():
        await told(settings, await journaled(settings, commands(), partition), forge, partition)


async def test_each_partition_gets_its_verdict_in_order(stack: Settings, verb: Verb) -> None:
    await exchange(stack)
    at_once = await verb("replay", "verify", "--all", "--json", "--jobs", "2")
    found = json.loads(at_once.out)
    assert (at_once.code, at_once.err, found["ok"]) == (1, "", False)
    told_of = [(one["partition"], one["commands"], one["difference"] is None) for one in found["verdicts"]]
    assert told_of == [(0, 38, True), (1, 38, False), (3, 38, True)]
    one_by_one = json.loads((await verb("replay", "verify", "--all", "--json", "--jobs", "1")).out)
    for verdict in (*found["verdicts"], *one_by_one["verdicts"]):
        del verdict["seconds"]
    assert one_by_one == found
    person = await verb("replay", "verify", "--all", "--jobs", "3")
    assert person.out.count("  The same.\n") == 2
    assert "  DIFFERENT: trades at 2: seq 2 of BTC-USD, which answers journal offset 12: kind is" in person.out


async def test_what_stops_one_stops_all_with_its_reason(space: Settings) -> None:
    await kafka.ensure_topics(space, TOPICS)
    try:
        stretches = [Stretch(partition=number) for number in range(3)]
        with pytest.raises(Refused, match="is empty: nothing was ever journaled there"):
            verdicts(space, stretches, 2, lambda _stretch, _done, _of: None)
        with pytest.raises(Unwell, match=r"bounds of .* cannot be had"):
            verdicts(space, [Stretch(partition=number) for number in (77, 78)], 2, lambda _stretch, _done, _of: None)
    finally:
        await kafka.delete_topics(space, [space.topic(topic.name) for topic in TOPICS])
