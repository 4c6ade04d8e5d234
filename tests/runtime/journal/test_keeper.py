import asyncio
from collections.abc import Mapping

import pytest
from faust.types import TP

from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.errors import Broken
from runtime.journal.keeper import Keeper
from runtime.journal.rounds import Budget, Rhythm
from tests.runtime.journal.records import Fake

TP3 = TP("ns.orders.commands", 3)


class Kafka:
    """A producer whose acknowledgements come when the test says so; it notes the order of everything."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.futures: list[asyncio.Future[None]] = []
        self.gate = asyncio.Event()

    async def send(self, _partition: int, outgoing) -> asyncio.Future[None]:
        self.steps.append(f"send {outgoing.topic}")
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    async def write(self, _topic: str, _partition: int, entries: Mapping[bytes, bytes]) -> int:
        self.steps.append("write " + " ".join(sorted(key.decode() for key in entries)))
        await self.gate.wait()
        self.steps.append("written")
        return 7


class Member:
    """The group, as far as a keeper sees it."""

    changelog = "ns.matching-books-changelog"
    generation = 1

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps
        self.table: dict[bytes, bytes] = {}
        self.is_owner = True

    def entries(self, _partition: int) -> dict[bytes, bytes]:
        return dict(self.table)

    def owns(self, generation: int) -> bool:
        return self.is_owner and generation == self.generation

    def wrote(self, _partition: int, entries: Mapping[bytes, bytes], offset: int) -> None:
        self.steps.append(f"wrote {offset}")
        self.table.update(entries)

    async def commit(self, tp: TP, offset: int) -> None:
        self.steps.append(f"commit {offset}")


class Committed:
    """The reader, as far as a keeper sees it."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    async def committed(self, _topic: str, _partition: int) -> int:
        return self.offset


class Desk:
    """A keeper and all that it touches."""

    def __init__(self, table: dict[bytes, bytes] | None = None, committed: int = -1) -> None:
        self.kafka = Kafka()
        self.steps = self.kafka.steps
        self.member = Member(self.steps)
        self.member.table = table or {}
        self.halts: list[str] = []

        def halt(reason: str, _error: BaseException | None = None) -> None:
            self.halts.append(reason)

        rhythm = Rhythm(commands=2, seconds=1000)
        self.keeper = Keeper(
            PROGRAM, TP3, self.member, self.kafka, Committed(committed), {}, Budget(1.0, 1e12), rhythm, halt
        )

    async def take(self, *values: bytes) -> None:
        start = self.keeper.partition.next_offset
        await self.keeper.take([Fake(start + n, value) for n, value in enumerate(values)])

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    def acknowledge(self) -> None:
        for future in self.kafka.futures:
            if not future.done():
                future.set_result(None)


async def test_a_round_waits_for_each_step_before_the_next():
    desk = Desk()
    assert await desk.keeper.open(0, 0) == 0
    await desk.take(command("open", "M"), command("add", "M", 1, 1))
    await desk.settle()
    assert desk.steps == ["send executions", "send executions"]
    desk.acknowledge()
    await desk.settle()
    assert desk.steps[2:] == ["write 3|M|A|0"]
    desk.kafka.gate.set()
    await desk.settle()
    assert desk.steps[3:] == ["written", "write 3|manifest|A", "written", "wrote 7", "commit 2"]


async def test_work_goes_on_while_a_round_is_written_and_the_round_holds_the_state_of_its_beginning():
    desk = Desk()
    await desk.keeper.open(0, 0)
    await desk.take(command("open", "M"), command("add", "M", 1, 1))
    await desk.take(command("add", "M", 1, 1))
    desk.acknowledge()
    desk.kafka.gate.set()
    await desk.settle()
    assert desk.steps[-1] == "commit 2"
    heir = Desk(desk.member.table)
    assert await heir.keeper.open(0, 3) == 2


@pytest.mark.parametrize("when", ["before the slots", "before the manifest"])
async def test_a_worker_that_lost_its_partition_writes_nothing_more(when):
    desk = Desk()
    await desk.keeper.open(0, 0)
    await desk.take(command("open", "M"), command("add", "M", 1, 1))
    if when == "before the slots":
        desk.member.is_owner = False
    desk.acknowledge()
    await desk.settle()
    desk.member.is_owner = False
    desk.kafka.gate.set()
    await desk.settle()
    assert not any("manifest" in step or "commit" in step for step in desk.steps)
    assert desk.member.table == {}


async def test_a_failed_acknowledgement_is_raised_at_the_next_run_and_halts_a_round():
    desk = Desk()
    await desk.keeper.open(0, 0)
    await desk.take(command("open", "M"), command("add", "M", 1, 1))
    desk.kafka.futures[0].set_exception(ConnectionError("the broker is away"))
    await desk.settle()
    assert "the round failed: ConnectionError('the broker is away')" in desk.halts[0]
    assert desk.halts[0].startswith("ns.orders.commands/3, market M, offset 1")
    with pytest.raises(ConnectionError):
        await desk.take(command("add", "M", 1, 1))


async def test_a_graceful_stop_writes_what_is_left_and_an_idle_one_writes_nothing():
    desk = Desk()
    await desk.keeper.open(0, 0)
    desk.kafka.gate.set()
    await desk.take(command("open", "M"))
    desk.acknowledge()
    await desk.keeper.finish()
    assert desk.steps[-1] == "commit 1"
    before = list(desk.steps)
    await desk.keeper.finish()
    assert desk.steps == before


async def test_a_snapshot_that_kafka_cannot_continue_is_refused():
    desk = Desk()
    await desk.keeper.open(0, 0)
    desk.kafka.gate.set()
    await desk.take(command("open", "M"), command("add", "M", 1, 1))
    desk.acknowledge()
    await desk.settle()
    for begin, end, reason in ((0, 1, "Kafka has lost records of the journal"), (3, 9, "records were deleted")):
        with pytest.raises(Broken, match=reason):
            await Desk(desk.member.table).keeper.open(begin, end)
    with pytest.raises(Broken, match="no usable snapshot, and Kafka begins at 5"):
        await Desk().keeper.open(5, 9)


async def test_a_first_start_is_no_alarm_and_lost_snapshots_are(caplog):
    assert await Desk().keeper.open(0, 9) == 0
    assert "ALARM" not in caplog.text
    assert await Desk(committed=4).keeper.open(0, 9) == 0
    assert "ALARM: ns.orders.commands/3: no snapshot is usable; re-executing from the journal's start" in caplog.text


async def test_a_parked_record_raises_an_alarm(caplog):
    desk = Desk()
    await desk.keeper.open(0, 0)
    await desk.take(command("open", "M"), b"not json", command("far", "M"))
    assert "ALARM: ns.orders.commands/3: 2 records parked, up to offset 2" in caplog.text
