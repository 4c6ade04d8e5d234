"""Forged histories: each is named at its very place, whatever was done to it."""

import dataclasses
import json
from collections.abc import Callable, Sequence

import pytest

from agents.matching.agent import PROGRAM
from runtime.journal.chain import seal, unseal
from runtime.journal.comparing import Verification
from runtime.journal.partition import Partition
from schemas.commands import Hold, OpenMarket, PlaceOrder, encode_command
from tests.runtime.journal.records import Fake

MARKETS = ("BTC-USD", "ETH-USD")
Topics = dict[str, list[Fake]]


def opening(market: str) -> OpenMarket:
    base = market.removesuffix("-USD")
    return OpenMarket(
        market=market, command_id=1, number=1, base=base, quote="USD", base_scale=8, quote_scale=8,
        tick_size="0.01", lot_size="0.0001",
    )  # fmt: skip


def order(market: str, number: int, side: str, lots: int) -> PlaceOrder:
    hold = Hold("USD", lots * 10_000) if side == "buy" else Hold(market.removesuffix("-USD"), lots * 10_000)
    return PlaceOrder(
        market=market, command_id=number, number=number, order_id=number, user_id=number, side=side, kind="limit",
        lots=lots, price_ticks=100, hold=hold,
    )  # fmt: skip


def journal() -> list[Fake]:
    """Two markets in one partition, trades in both, and a record that nobody can read."""
    values = [encode_command(opening(market)) for market in MARKETS]
    for number in range(2, 14, 2):
        for market in MARKETS:
            values += [encode_command(order(market, number, "sell", 3)), b"nonsense"][: 1 + (number == 6)]
            values.append(encode_command(order(market, number + 1, "buy", 2)))
    return [Fake(offset, value) for offset, value in enumerate(values)]


def said(records: Sequence[Fake], partition: Partition | None = None) -> Topics:
    """What a matching worker writes."""
    topics: Topics = {"executions": [], "trades": []}
    for outgoing in (partition or Partition(PROGRAM, 3)).run(records):
        if outgoing.topic in topics:
            topic = topics[outgoing.topic]
            topic.append(Fake(len(topic), outgoing.value, key=outgoing.key))
    return topics


def again(topic: Sequence[Fake]) -> list[Fake]:
    """Numbered as a topic is."""
    return [dataclasses.replace(record, offset=position) for position, record in enumerate(topic)]


def verified(
    records: Sequence[Fake], topics: Topics, *, at_once: int = 5, market: str | None = None, start: int = 0
) -> Verification:
    """The journal in runs of a few records, the topics a little ahead or behind."""
    partition: Partition = Partition(PROGRAM, 3)
    partition.run([record for record in records if record.offset < start])
    verification = Verification(partition, market)
    for begin in range(start, len(records), at_once):
        verification.execute(records[begin : begin + at_once])
        for topic, found in topics.items():
            verification.find(topic, again(found)[begin - start : begin - start + at_once])
        verification.judge()
    for topic, found in topics.items():
        verification.find(topic, again(found)[begin - start + at_once :])
    verification.finish(len(records))
    return verification


def counts(verification: Verification) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    return {
        (one.topic, one.market): (one.same, one.repeats, one.differing, one.pending)
        for one in verification.comparisons.values()
        if one.same + one.repeats + one.differing + one.pending
    }


def changed(record: Fake, change: Callable[[dict], object], *, reseal: bool = False) -> Fake:
    """The record with other fields; resealed, its own chain holds."""
    if not reseal:
        fields = json.loads(record.value)
        change(fields)
        return dataclasses.replace(record, value=json.dumps(fields, separators=(",", ":")).encode())
    sealed = unseal(record.value)
    fields = json.loads(sealed.body)
    change(fields)
    value, _ = seal(json.dumps(fields, separators=(",", ":")).encode(), sealed.prev_chain)
    return dataclasses.replace(record, value=value)


@pytest.mark.parametrize("at_once", [1, 5, 100])
@pytest.mark.parametrize("market", [None, "BTC-USD"])
def test_a_true_history_is_the_same(at_once: int, market: str | None) -> None:
    verification = verified(journal(), said(journal()), at_once=at_once, market=market)
    whole = {
        ("executions", "BTC-USD"): (13, 0, 0, 0), ("trades", "BTC-USD"): (8, 0, 0, 0),
        ("executions", "ETH-USD"): (13, 0, 0, 0), ("trades", "ETH-USD"): (8, 0, 0, 0),
        ("executions", "#3"): (2, 0, 0, 0),
    }  # fmt: skip
    assert counts(verification) == {key: row for key, row in whole.items() if market in (None, key[1])}
    assert verification.difference is None


def test_a_worker_that_died_has_said_things_again_and_that_is_no_difference() -> None:
    records, first = journal(), said(journal())
    topics = {name: [*found[:9], *found[2:11], *found[0:]] for name, found in first.items()}
    verification = verified(records, topics)
    assert verification.difference is None
    assert sum(one.repeats for one in verification.comparisons.values()) == 7 + 11 + 7 + 11


@pytest.mark.parametrize("at_once", [1, 5, 100])
@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize("place", range(28))
def test_a_forged_execution_is_named_at_its_offset(place: int, reseal: bool, at_once: int) -> None:
    records, topics = journal(), said(journal())
    topics["executions"][place] = changed(
        topics["executions"][place], lambda fields: fields.update(time_ms=7), reseal=reseal
    )
    first = verified(records, topics, at_once=at_once).difference
    assert first is not None
    assert (first.topic, first.position, first.offset) == ("executions", place, place)
    assert "time_ms is 7, expected 1000" in first.words


@pytest.mark.parametrize("place", range(16))
def test_a_forged_trade_is_named_with_the_field(place: int) -> None:
    records, topics = journal(), said(journal())
    answers = json.loads(topics["trades"][place].value)["offset"]
    topics["trades"][place] = changed(topics["trades"][place], lambda fields: fields.update(price="9.99"))
    first = verified(records, topics).difference
    assert first is not None
    assert first[:5] == ("trades", topics["trades"][place].key.decode(), first.seq, answers, place)
    assert first.words == 'price is "9.99", expected "1.00"'


@pytest.mark.parametrize("at_once", [1, 5, 100])
@pytest.mark.parametrize("topic", ["executions", "trades"])
def test_a_record_that_was_dropped_is_missed(topic: str, at_once: int) -> None:
    records = journal()
    for place in range(14):
        topics = said(records)
        gone = topics[topic].pop(place)
        fields = json.loads(gone.value)
        first = verified(records, topics, at_once=at_once).difference
        assert first is not None
        assert first[:5] == (
            topic,
            fields["market"],
            fields.get("seq", fields.get("trade_seq")),
            fields["offset"],
            None,
        )
        assert first.words.startswith("it is missing: seq ")


@pytest.mark.parametrize("topic", ["executions", "trades"])
def test_a_last_record_that_is_not_there_is_pending_until_it_must_be_there(topic: str) -> None:
    records, topics = journal(), said(journal())
    gone = json.loads(topics[topic].pop().value)
    verification = verified(records, topics)
    assert (verification.difference, counts(verification)[topic, gone["market"]][3]) == (None, 1)
    verification.give_up(gone["offset"])
    assert verification.difference is None
    verification.give_up(gone["offset"] + 1)
    first = verification.difference
    assert first is not None
    assert (first.offset, first.words) == (gone["offset"], "it is missing, and nothing comes after it")


@pytest.mark.parametrize("at_once", [3, 100])
def test_any_flipped_byte_is_named_at_its_offset(at_once: int) -> None:
    records, whole = journal(), said(journal())
    for topic, place in (("executions", 6), ("trades", 3)):
        for at in range(len(whole[topic][place].value)):
            topics = {name: list(found) for name, found in whole.items()}
            value = bytearray(topics[topic][place].value)
            value[at] ^= 1
            topics[topic][place] = dataclasses.replace(topics[topic][place], value=bytes(value))
            verification = verified(records, topics, at_once=at_once)
            positions = {one.first.position for one in verification.comparisons.values() if one.first}
            assert place in positions, (topic, place, at, value, verification.difference)


def test_a_record_that_the_journal_does_not_give_is_named() -> None:
    records, topics = journal(), said(journal())
    forged = changed(topics["executions"][9], lambda fields: fields.update(seq=99, offset=8), reseal=True)
    topics["executions"].insert(9, forged)
    first = verified(records, topics).difference
    assert first is not None
    assert (first.position, first.words) == (9, "the journal gives no such record")


def test_a_record_that_answers_what_the_journal_does_not_have_is_named() -> None:
    records, topics = journal(), said(journal())
    topics["trades"].append(changed(topics["trades"][0], lambda fields: fields.update(trade_seq=10, offset=99)))
    first = verified(records, topics).difference
    assert first is not None
    assert (first.offset, first.position, first.words) == (99, 16, "the journal has no such offset")


def test_a_record_told_otherwise_later_is_named() -> None:
    records, topics = journal(), said(journal())
    topics["executions"].append(changed(topics["executions"][4], lambda fields: fields.update(time_ms=7), reseal=True))
    first = verified(records, topics).difference
    assert first is not None
    assert (first.position, first.words) == (28, "it was told otherwise before")


def test_a_repeat_that_only_kept_its_chain_is_named() -> None:
    records, topics = journal(), said(journal())
    topics["executions"].append(changed(topics["executions"][4], lambda fields: fields.update(time_ms=7)))
    first = verified(records, topics).difference
    assert first is not None
    assert (first.position, first.words) == (28, "it was told otherwise before")


@pytest.mark.parametrize("places", [(5, 20), (6, 19), (19, 6), (20, 5)])
def test_of_several_differences_the_one_of_the_earliest_command_is_told(places: tuple[int, int]) -> None:
    records, topics = journal(), said(journal())
    for place in places:
        topics["executions"][place] = changed(topics["executions"][place], lambda fields: fields.update(time_ms=7))
    assert len({topics["executions"][place].key for place in places}) == 2
    first = verified(records, topics).difference
    assert first is not None
    assert first.position == min(places)


def test_a_record_under_the_key_of_another_market_does_not_hide() -> None:
    records, topics = journal(), said(journal())
    forged = changed(topics["executions"][3], lambda fields: fields.update(seq=40), reseal=True)
    topics["executions"].append(dataclasses.replace(forged, key=b"ETH-USD"))
    assert json.loads(forged.value)["market"] == "BTC-USD"
    for market in (None, "BTC-USD"):
        first = verified(records, topics, market=market).difference
        assert first is not None
        assert first.position == 28


@pytest.mark.parametrize("start", [2, 7, 20])
def test_from_an_offset_on_nothing_before_it_is_looked_at(start: int) -> None:
    records, topics = journal(), said(journal())
    topics["executions"][1] = changed(topics["executions"][1], lambda fields: fields.update(time_ms=7))
    verification = verified(records, topics, start=start)
    assert verification.difference is None
    assert sum(one.same for one in verification.comparisons.values() if one.topic == "executions") == 28 - start


def test_what_was_told_of_later_commands_waits_for_another_time() -> None:
    records = journal()
    verification = Verification(Partition(PROGRAM, 3))
    verification.execute(records[:10])
    for topic, found in said(records).items():
        verification.find(topic, found)
    verification.judge()
    verification.finish(len(records))
    assert verification.difference is None


def test_a_difference_is_a_sentence() -> None:
    records, topics = journal(), said(journal())
    topics["trades"][2] = changed(topics["trades"][2], lambda fields: fields.update(kind="house"))
    assert str(verified(records, topics).difference) == (
        'trades at 2: seq 2 of BTC-USD, which answers journal offset 7: kind is "house", expected "book".'
    )
