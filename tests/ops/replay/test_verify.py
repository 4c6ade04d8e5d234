"""`tidemark replay verify` on real topics: true ones pass, and each forgery is named at its very place."""

import json
from typing import Any

import pytest

from runtime import kafka
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, TRADES
from tests.ops.conftest import Said, Verb
from tests.ops.replay.exchange import (
    BTC,
    ETH,
    Forge,
    commands,
    dropped,
    flipped,
    forged,
    journaled,
    kept,
    listed,
    order,
    repeated,
    told,
    truth,
)  # fmt: skip

TOPICS = (COMMANDS, EXECUTIONS, TRADES, CHANGELOGS[0])
BOTH = {
    "executions": {"same": 38, "repeats": 0, "differing": 0, "pending": 0},
    "trades": {"same": 8, "repeats": 0, "differing": 0, "pending": 0},
}


async def exchange(settings: Settings, forge: Forge = truth) -> None:
    await kafka.ensure_topics(settings, TOPICS)
    await listed(settings)
    await told(settings, await journaled(settings, commands()), forge)


def one(said: Said) -> dict[str, Any]:
    assert not said.err, said.err
    verdicts = json.loads(said.out)["verdicts"]
    assert len(verdicts) == 1
    verdict: dict[str, Any] = verdicts[0]
    return verdict


async def test_a_true_history_is_the_same(stack: Settings, verb: Verb) -> None:
    await exchange(stack)
    said = await verb("replay", "verify", "--all", "--json")
    verdict = one(said)
    assert (said.code, said.err) == (0, "")
    assert (verdict["partition"], verdict["first"], verdict["next"], verdict["commands"]) == (1, 0, 38, 38)
    assert (verdict["topics"], verdict["difference"]) == (BOTH, None)
    person = await verb("replay", "verify", "--market", BTC)
    assert (person.code, person.out.splitlines()[-1]) == (0, "  The same.")
    assert person.out.splitlines()[1:3] == ["  executions: 19 same", "  trades: 4 same"]


async def test_repeats_of_a_worker_that_died_are_no_difference(stack: Settings, verb: Verb) -> None:
    await exchange(stack, repeated)
    said = await verb("replay", "verify", "--all", "--json")
    assert (said.code, one(said)["difference"]) == (0, None)
    assert one(said)["topics"]["executions"] == BOTH["executions"] | {"repeats": 35}


@pytest.mark.parametrize(
    ("forge", "difference"),
    [
        (
            forged("executions", 12, time_ms=7),
            {"topic": "executions", "market": BTC, "seq": 8, "offset": 12, "position": 12, "words": "time_ms is 7, "},
        ),
        (
            forged("trades", 3, price="100.01"),
            {"topic": "trades", "market": ETH, "seq": 2, "offset": 16, "position": 3,
             "words": 'price is "100.01", expected "100.00"'},
        ),
        (
            dropped("executions", 15),
            {"topic": "executions", "market": ETH, "seq": 7, "offset": 15, "position": None,
             "words": "it is missing: seq 8 comes at 15"},
        ),
        (
            dropped("trades", 4),
            {"topic": "trades", "market": BTC, "seq": 3, "offset": 20, "position": None,
             "words": "it is missing: seq 4 comes at 5"},
        ),
        (
            flipped("executions", 9, 40),
            {"topic": "executions", "market": ETH, "seq": 5, "offset": 9, "position": 9, "words": ""},
        ),
    ],
)  # fmt: skip
async def test_a_forgery_is_named_at_its_offset(
    stack: Settings, verb: Verb, forge: Forge, difference: dict[str, Any]
) -> None:
    await exchange(stack, forge)
    for which in (["--all"], ["--market", difference["market"]]):
        said = await verb("replay", "verify", *which, "--json")
        found = one(said)["difference"]
        assert said.code == 1
        assert found | {"words": ""} == difference | {"words": ""}
        assert found["words"].startswith(difference["words"])


async def test_a_stretch_is_judged_from_a_snapshot_or_an_offset(stack: Settings, verb: Verb) -> None:
    """The forgery at 5 lies before both."""
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    given = commands()
    records = await journaled(stack, given)
    await told(stack, records, forged("executions", 5, time_ms=7))
    early = [record for record in records if record.offset < 10]
    await kept(stack, await told(stack, early, lambda _sent: []))
    snapshot = await verb("replay", "verify", "--market", BTC, "--from-snapshot", "--json")
    verdict = one(snapshot)
    assert (snapshot.code, verdict["first"], verdict["commands"], verdict["difference"]) == (0, 10, 14, None)
    for first, code in ((5, 1), (6, 0), (10, 0), (21, 0)):
        said = await verb("replay", "verify", f"--market={BTC}", f"--from-offset={first}", "--json")
        assert (said.code, one(said)["first"]) == (code, first)
        assert {row["repeats"] for row in one(said)["topics"].values()} == {0}, "what lies before is not told again"
    stretch = await verb("replay", "verify", "--market", BTC, "--from-offset", "12", "--to-offset", "20", "--json")
    assert (stretch.code, one(stretch)["first"], one(stretch)["next"]) == (0, 12, 21)
    before = await verb("replay", "verify", "--market", BTC, "--to-offset", "4", "--json")
    assert (before.code, one(before)["next"]) == (0, 5)


async def test_a_snapshot_at_the_end_leaves_nothing_to_compare_and_that_is_said(stack: Settings, verb: Verb) -> None:
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    records = await journaled(stack, commands())
    await kept(stack, await told(stack, records))
    said = await verb("replay", "verify", "--market", BTC, "--from-snapshot")
    end = records[-1].offset + 1
    assert (said.code, said.out) == (
        0,
        f"partition 1, {BTC}: the newest snapshot is at offset {end}, where the journal ends: NOTHING was compared.\n",
    )


async def test_what_was_not_told_yet_is_pending(stack: Settings, verb: Verb) -> None:
    """No worker has said that it told it, so nothing is lost."""
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    await told(stack, await journaled(stack, commands()))
    await journaled(stack, [order(BTC, 20, "sell", 1, 10_300)])
    said = await verb("replay", "verify", "--market", BTC, "--json")
    assert (said.code, one(said)["topics"]["executions"]["pending"]) == (0, 1)


async def test_what_a_checkpoint_says_was_told_is_missing_when_it_is_not_there(stack: Settings, verb: Verb) -> None:
    await kafka.ensure_topics(stack, TOPICS)
    await listed(stack)
    await kept(stack, await told(stack, await journaled(stack, commands()), dropped("trades", 7)))
    said = await verb("replay", "verify", "--market", ETH, "--json")
    words = "it is missing, and nothing comes after it"
    assert (said.code, one(said)["difference"]) == (
        1,
        {"topic": "trades", "market": ETH, "seq": 4, "offset": 32, "position": None, "words": words},
    )


async def test_what_makes_no_sense_is_refused_with_a_sentence(stack: Settings, verb: Verb) -> None:
    await exchange(stack)
    topic = stack.topic(COMMANDS.name)
    refusals = {
        ("--market", "DOGE-USD"): "There is no market DOGE-USD: `tidemark shell` or GET markets lists them.",
        ("--market", BTC, "--to-offset", "99"): f"{topic}/1 ends at 38: offset 99 is not there yet.",
        ("--market", BTC, "--from-offset", "9", "--to-offset", "3"): "The stretch ends at 3, before it begins at 9.",
        ("--market", ETH, "--to-offset", "0"): "ETH-USD is not open in partition 1 before offset 1.",
        ("--market", BTC, "--partition", "3"): f"{topic}/3 is empty: nothing was ever journaled there.",
        ("--market", BTC, "--partition", "9"): "There is no partition 9: they go from 0 to 3.",
        ("--market", BTC, "--from-snapshot"): "No snapshot of partition 1 is usable: verify from the start.",
        ("--all", "--to-offset", "3"): "an offset belongs to one partition: name the --market.",
    }
    for words, sentence in refusals.items():
        said = await verb("replay", "verify", *words)
        assert (said.code, said.out, said.err) == (2, "", f"tidemark: {sentence}\n")


async def test_a_server_that_is_away_is_a_sentence(database: Settings, verb: Verb) -> None:
    said = await verb("replay", "verify", "--market", BTC, KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidemark: Kafka does not answer at 127.0.0.1:1 (")
