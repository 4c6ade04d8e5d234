import dataclasses
import json

import pytest

from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.chain import ORIGIN, unseal
from runtime.journal.errors import Broken
from runtime.journal.partition import Outgoing, Partition
from tests.runtime.journal.records import Fake


def run(*values: bytes | Fake, partition: Partition | None = None) -> list[Outgoing]:
    partition = partition or Partition(PROGRAM, 3)
    start = partition.next_offset
    records = [value if isinstance(value, Fake) else Fake(start + n, value) for n, value in enumerate(values)]
    return partition.run(records)


def told(sent: list[Outgoing], topic: str = "executions") -> list[dict]:
    return [json.loads(outgoing.value) for outgoing in sent if outgoing.topic == topic]


def seqs(sent: list[Outgoing], topic: str = "executions") -> list[tuple[str, int, int]]:
    return [(record["market"], record["seq"], record["offset"]) for record in told(sent, topic)]


def test_every_record_has_an_outcome_in_its_markets_sequence():
    sent = run(command("open", "M"), command("open", "N"), command("add", "M", 7, 5), command("tick", "M"))
    assert seqs(sent) == [("M", 1, 0), ("N", 1, 1), ("M", 2, 2), ("M", 3, 3)]
    assert told(sent)[2]["events"] == [["add", 7, 5, 1000]]
    assert told(sent)[3]["events"] == []


def test_the_chain_of_a_market_is_unbroken_and_begins_at_the_origin():
    sent = run(command("open", "M"), *[command("add", "M", 1, 1)] * 20)
    chain = ORIGIN
    for outgoing in sent:
        sealed = unseal(outgoing.value)
        assert sealed.prev_chain == chain
        chain = sealed.chain


def test_a_second_stream_has_a_sequence_of_its_own_and_no_empty_records():
    sent = run(command("open", "M"), command("add", "M", 1, 1), command("sell", "M", 1, 1), command("sell", "M", 2, 2))
    assert seqs(sent, "trades") == [("M", 1, 2), ("M", 2, 3)]


def test_an_outcome_of_many_events_comes_in_parts_of_five_hundred():
    sent = told(run(command("open", "M"), command("burst", "M", 0, 1001), command("burst", "M", 0, 500)))
    assert [(r["seq"], r["offset"], r["part"], r["last"], len(r["events"])) for r in sent[1:]] == [
        (2, 1, 1, False, 500),
        (3, 1, 2, False, 500),
        (4, 1, 3, True, 1),
        (5, 2, 1, True, 500),
    ]


@pytest.mark.parametrize(
    ("value", "market", "reason"),
    [
        (b"not json", "#3", "JSON is malformed"),
        (b"\xff\xfe", "#3", "JSON is malformed"),
        (None, "#3", "truncated"),
        (b'["add","M",1,NaN]', "#3", "malformed"),
        (b'["add","M",1,1e999]', "#3", "out of range"),
        (b'["dance","M"]', "#3", "Invalid enum value"),
        (command("add", "NOWHERE", 1, 1), "#3", "market 'NOWHERE' is not open in partition 3"),
        (command("open", "#3"), "#3", "cannot be the name of a market"),
        (command("open", "A|B"), "#3", "cannot be the name of a market"),
        (command("far", "M"), "M", "too far ahead"),
    ],
)
def test_a_record_that_cannot_be_used_is_parked_with_its_reason_and_has_an_empty_outcome(value, market, reason):
    partition = Partition(PROGRAM, 3)
    run(command("open", "M"), partition=partition)
    parked, outcome = run(value, partition=partition)
    assert parked.topic == "orders.parked"
    said = json.loads(parked.value)
    assert reason in said["reason"]
    assert (said["partition"], said["offset"], said["bytes"]) == (3, 1, len(value or b""))
    assert (outcome.topic, outcome.key) == ("executions", market.encode())
    assert told([outcome])[0]["events"] == []
    assert seqs(run(command("add", "M", 1, 1), partition=partition))[0][0] == "M"


def test_a_program_that_parks_nothing_passes_over_what_is_not_its_own():
    partition = Partition(dataclasses.replace(PROGRAM, parked=None), 3)
    assert [outgoing.topic for outgoing in run(b"not json", partition=partition)] == ["executions"]
    assert partition.parked == 0
    counting = Partition(PROGRAM, 3)
    run(b"not json", partition=counting)
    assert counting.parked == 1


def test_a_huge_record_is_parked_in_a_form_that_fits():
    parked, _ = run(b"x" * (2 << 20))
    assert len(parked.value) < 100_000


def test_a_record_of_another_schema_version_is_parked():
    parked, _ = run(Fake(0, command("open", "M"), headers=[("v", b"9")]))
    assert json.loads(parked.value)["reason"] == "schema version 9 is not known"


def test_time_in_a_market_never_goes_back():
    partition = Partition(PROGRAM, 3)
    records = [
        Fake(0, command("open", "M"), 5000),
        Fake(1, command("add", "M", 1, 1), 4000),
        Fake(2, command("tick", "M"), 6000),
    ]
    assert [record["time_ms"] for record in told(partition.run(records))] == [5000, 5000, 6000]


def test_a_topic_without_the_brokers_time_is_refused():
    with pytest.raises(Broken, match="LogAppendTime"):
        run(Fake(0, command("open", "M"), timestamp_type=0))


def test_a_partition_stops_before_rules_that_it_does_not_have_and_names_a_release():
    partition = Partition(PROGRAM, 3)
    run(command("open", "M"), command("rules", "M", 0, 2), partition=partition)
    assert partition.markets["M"].machine.rules == 2
    with pytest.raises(
        Broken, match=r"rules version 3 is not in this release.*2 \(since release 0.2.0\): start release the next"
    ):
        run(command("rules", "M", 0, 3), partition=partition)
    assert partition.next_offset == 2
    assert partition.at == ("M", 2)


def test_a_bug_in_a_machine_is_not_swallowed_and_its_place_is_known():
    partition = Partition(PROGRAM, 3)
    run(command("open", "M"), partition=partition)
    with pytest.raises(ArithmeticError):
        run(command("fail", "M"), partition=partition)
    assert partition.at == ("M", 1)


@pytest.mark.parametrize(("step", "place"), [("decode", ("#3", 1)), ("apply", ("M", 1)), ("encode", ("M", 1))])
def test_a_bug_in_any_step_is_known_by_its_record_in_the_midst_of_a_run(step, place):
    def fail_at_one(offset: int) -> None:
        if offset == 1:
            raise ArithmeticError("a bug")

    def decode(record):
        fail_at_one(record.offset)
        return PROGRAM.decode(record)

    def encode(head, command, events, machine):
        fail_at_one(head[3])
        return PROGRAM.streams[0].encode(head, command, events, machine)

    buggy = {
        "decode": dataclasses.replace(PROGRAM, decode=decode),
        "apply": PROGRAM,
        "encode": dataclasses.replace(PROGRAM, streams=(dataclasses.replace(PROGRAM.streams[0], encode=encode),)),
    }[step]
    partition = Partition(buggy, 3)
    with pytest.raises(ArithmeticError):
        run(command("open", "M"), command("fail", "M"), command("add", "M", 1, 1), partition=partition)
    assert partition.at == place


def test_a_record_that_was_applied_is_never_applied_again():
    partition = Partition(PROGRAM, 3)
    run(command("open", "M"), partition=partition)
    with pytest.raises(Broken, match="record 0 was applied already"):
        partition.run([Fake(0, command("open", "M"))])


def test_a_run_cut_anywhere_gives_the_same_bytes():
    values = [
        command("open", "M"),
        *(command("sell", "M", n % 3, n) for n in range(9)),
        b"?",
        command("burst", "M", 0, 700),
    ]
    whole = run(*values)
    for cut in range(len(values)):
        partition = Partition(PROGRAM, 3)
        assert run(*values[:cut], partition=partition) + run(*values[cut:], partition=partition) == whole
