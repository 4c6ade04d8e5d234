import json
from collections.abc import Mapping

import pytest
from faust.types import TP

from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.errors import Broken, NotYet, Unwell
from runtime.journal.partition import Partition
from runtime.journal.sink import Feed, Mark, Run, Sink, Told
from schemas.topics import EXECUTIONS, FILLS
from tests.runtime.journal.records import Fake

TP3 = TP("ns.executions", 3)


class Ledger:
    """A store in memory: what was applied, in which transactions, and the watermarks."""

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        self.runs: list[list[tuple[str, int]]] = []
        self.trouble: Exception | None = None

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        return dict(self.marks)

    async def apply(self, run: Run) -> None:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        assert {name: self.marks.get(name, Mark()) for name in run.before} == run.before
        self.runs.append([(told.market, told.seq) for told in run.records])
        self.marks.update(run.after)


class Commits:
    """The group, as far as a sink sees it."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.end = 6

    async def bounds(self, tp: TP) -> tuple[int, int]:
        return 0, self.end

    async def commit(self, tp: TP, offset: int) -> None:
        self.offsets.append(offset)


def decode(record: Fake) -> Told:
    outcome = json.loads(record.value)
    return Told(outcome["market"], outcome["seq"], outcome["offset"], outcome["events"])


FEED = Feed(EXECUTIONS, decode, weigh=lambda events: 1 + len(events))


def executions(*values: bytes) -> list[Fake]:
    sent = Partition(PROGRAM, 3).run([Fake(n, value) for n, value in enumerate(values)])
    outcomes = [outgoing for outgoing in sent if outgoing.topic == "executions"]
    return [Fake(n, outgoing.value, key=outgoing.key) for n, outgoing in enumerate(outcomes)]


def moved(records: list[Fake], by: int) -> list[Fake]:
    return [Fake(record.offset + by, record.value, key=record.key) for record in records]


def sink(store: Ledger, feed: Feed = FEED, most_weight: int = 1000) -> Sink:
    return Sink(feed, TP3, store, Commits(), most_weight=most_weight, mend="tidemark recover books")


SIX = executions(
    command("open", "M"), command("open", "N"), *[command("add", "M", 1, 1)] * 2, *[command("add", "N", 1, 1)] * 2
)


async def test_a_run_is_one_transaction_with_the_watermarks_inside():
    store = Ledger()
    follower = sink(store)
    assert await follower.open(0, 6) == 0
    await follower.take(SIX)
    assert store.runs == [[("M", 1), ("N", 1), ("M", 2), ("M", 3), ("N", 2), ("N", 3)]]
    assert {name: (mark.seq, mark.source_offset, mark.position) for name, mark in store.marks.items()} == {
        "M": (3, 3, 3),
        "N": (3, 5, 5),
    }
    assert await sink(store).open(0, 6) == 6


async def test_what_is_told_again_is_dropped_wherever_it_begins():
    store = Ledger()
    follower = sink(store)
    await follower.open(0, 6)
    await follower.take(SIX[:4])
    await follower.take(moved(SIX[2:4], 2))
    await follower.take(moved(SIX, 6))
    assert store.runs == [[("M", 1), ("N", 1), ("M", 2), ("M", 3)], [("N", 2), ("N", 3)]]


async def test_a_big_run_is_cut_into_transactions_of_bounded_weight():
    store = Ledger()
    follower = sink(store, most_weight=4)
    await follower.open(0, 6)
    await follower.take(SIX)
    assert store.runs == [[("M", 1), ("N", 1)], [("M", 2), ("M", 3)], [("N", 2), ("N", 3)]]


FORGED = Fake(1, SIX[2].value.replace(b'["add",1,1', b'["add",1,2'), key=b"M")


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ([SIX[0], SIX[3]], "seq 2 is missing in Kafka"),
        ([SIX[0], FORGED], "the record's bytes do not give its chain"),
        ([Fake(0, b'{"seq":1}')], "no chain fields"),
        ([Fake(0, None)], "no chain fields"),
    ],
)
async def test_a_gap_a_forgery_and_a_stranger_are_halts_and_nothing_of_them_is_applied(run, reason):
    store = Ledger()
    follower = sink(store)
    await follower.open(0, 6)
    with pytest.raises(Broken, match=reason):
        await follower.take(run)
    assert store.marks == {}


async def test_another_history_is_noticed_at_the_first_record_that_differs():
    store = Ledger()
    follower = sink(store)
    await follower.open(0, 6)
    await follower.take(SIX)
    other = executions(command("open", "M"), *[command("add", "M", 2, 2)] * 5)
    with pytest.raises(Broken, match=r"told differently|chain parts"):
        await follower.take(moved(other, 6))
    assert follower.at().startswith("market M, offset ")


async def test_a_store_that_was_restored_from_a_backup_gets_the_rest_again():
    store = Ledger()
    follower = sink(store)
    await follower.open(0, 6)
    await follower.take(SIX[:3])
    backup = dict(store.marks)
    await follower.take(SIX[3:])
    store.marks = backup
    restored = sink(store)
    assert await restored.open(0, 6) == 3
    await restored.take(SIX[3:])
    assert store.runs[1] == store.runs[2]


async def test_a_store_ahead_of_kafka_is_refused_with_what_mends_it():
    store = Ledger()
    store.marks = {"M": Mark(9, 9, "x", 50)}
    with pytest.raises(Broken, match=r"the store is at 51, Kafka ends at 6.*tidemark recover books"):
        await sink(store).open(0, 6)


async def test_a_store_that_another_worker_moved_since_the_end_was_read_has_lost_nothing():
    store, group = Ledger(), Commits()
    store.marks = {"M": Mark(9, 9, "x", 8)}
    group.end = 9
    assert await Sink(FEED, TP3, store, group).open(0, 6) == 9


@pytest.mark.parametrize("trouble", [Unwell("away"), NotYet("first another")])
async def test_after_trouble_the_same_run_applies_once(trouble):
    store = Ledger()
    follower = sink(store, most_weight=4)
    await follower.open(0, 6)
    await follower.take(SIX[:2])
    store.trouble = trouble
    with pytest.raises(type(trouble)):
        await follower.take(SIX[2:])
    await follower.take(SIX[2:])
    assert [pair for run in store.runs for pair in run] == [("M", 1), ("N", 1), ("M", 2), ("M", 3), ("N", 2), ("N", 3)]


async def test_a_topic_without_a_chain_is_numbered_by_its_own_offsets():
    store = Ledger()
    feed = Feed(FILLS, lambda record: Told("M", 0, 0, record.value), chained=False)
    follower = sink(store, feed)
    await follower.open(0, 3)
    await follower.take([Fake(0, b"a"), Fake(1, b"b")])
    await follower.take([Fake(1, b"b"), Fake(2, b"c")])
    assert [len(run) for run in store.runs] == [2, 1]
    assert await sink(store, feed).open(0, 3) == 3


async def test_the_commit_follows_the_watermark():
    store, commits = Ledger(), Commits()
    follower = Sink(FEED, TP3, store, commits)
    await follower.open(0, 6)
    await follower.take(SIX[:2])
    await follower.take(SIX[2:])
    await follower.finish()
    assert commits.offsets == [2, 6]
