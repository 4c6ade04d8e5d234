import itertools
import json

import pytest

from agents.settlement.agent import program
from runtime.journal.checkpoint import Round, restore
from runtime.journal.errors import Broken
from runtime.journal.partition import Partition
from tests.agents.settlement.executing import Market
from tests.runtime.journal.records import Fake


def run(partition: Partition, values: list[bytes]) -> list[bytes]:
    start = partition.next_offset
    return [
        outgoing.value
        for outgoing in partition.run([Fake(start + n, value, partition=0) for n, value in enumerate(values)])
    ]


def journal() -> list[bytes]:
    market = Market()
    return [*market.begin(), *(market.buy(10 + n, n, 1_500) for n in range(1, 12))]


def test_each_event_is_a_record_that_names_the_execution_it_follows():
    records = [json.loads(value) for value in run(Partition(program(), 0), journal())]
    assert [(r["seq"], r["follows"], r["offset"], r["events"][0]["type"]) for r in records[:5]] == [
        (1, 3, 2, "joined"),
        (2, 4, 3, "joined"),
        (3, 5, 4, "joined"),
        (4, 6, 5, "joined"),
        (5, 6, 5, "closed"),
    ]
    assert all(after["prev_chain"] == before["chain"] for before, after in itertools.pairwise(records))


def test_executions_that_come_again_are_not_said_again():
    values = journal()
    again = [*values[:7], *values[2:9], *values]
    partition = Partition(program(), 0)
    once = [json.loads(value)["events"] for value in run(Partition(program(), 0), values)]
    assert [json.loads(value)["events"] for value in run(partition, again)] == once


def test_a_gap_in_the_executions_stops_the_windower():
    values = journal()
    with pytest.raises(Broken, match="seq 4 is missing"):
        run(Partition(program(), 0), [*values[:3], *values[4:]])


@pytest.mark.parametrize("cut", [3, 5, 8])
def test_a_restored_windower_goes_on_in_the_same_bytes(cut: int) -> None:
    values = journal()
    whole = run(Partition(program(), 0), values)
    first = Partition(program(), 0)
    before = run(first, values[:cut])
    round_ = Round(1, "0.1.0", first, ({}, {}))
    entries = dict(round_.pieces())
    key, value = round_.manifest_entry()
    second = restore(program(), 0, {**entries, key: value}).partition
    assert before + run(second, values[cut:]) == whole
