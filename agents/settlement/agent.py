"""The windower's process: how a market's windows read `executions`, what they say, and who wakes them when they age."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from agents.settlement.terms import RULES_VERSION, VERSIONS, WindowTerms
from agents.settlement.window import State, restore, snapshot
from agents.settlement.windower import due_ms, follow
from runtime import kafka
from runtime.journal.chain import ORIGIN, unseal
from runtime.journal.halt import beside
from runtime.journal.machine import Asked, Head, Parked, Program, Record, Stream
from runtime.journal.process import membership
from runtime.journal.watermark import Arrival, Mark, Verdict, judge
from runtime.journal.worker import MachineWorker
from runtime.settings import Settings
from runtime.telemetry import metrics
from schemas.batches import BatchEvent, encode_batch_record
from schemas.commands import Tick, encode_command
from schemas.executions import ChainedExecution, decode_execution
from schemas.topics import BATCHES, COMMANDS, EXECUTIONS

LOOK_SECONDS = 0.5
AGAIN_MS = 5_000
log = logging.getLogger(__name__)


class Windows:
    """A market's windows, as the journal's machine: repeats are dropped, and a gap or another chain is Broken."""

    __slots__ = ("_mark", "state")

    def __init__(self, state: State, place: tuple[int, int, str] = (0, -1, ORIGIN)) -> None:
        self.state = state
        self._mark = Mark(*place)

    def apply(self, execution: ChainedExecution, _now_ms: int) -> Sequence[BatchEvent]:
        came = Arrival(
            execution.market, execution.seq, execution.offset, execution.prev_chain, execution.chain, position=-1
        )
        if judge(self._mark, came) is Verdict.REPEAT:
            return ()
        self._mark = Mark(came.seq, came.source_offset, came.chain)
        return follow(self.state, execution)

    def snapshot(self) -> bytes:
        return snapshot(self.state, self._mark[:3])

    @property
    def rules(self) -> int:
        return self.state.rules


def decode(record: Record) -> Asked[ChainedExecution] | Parked:
    """A market begins with its first execution; what belongs to no market has no purchases."""
    unseal(record.value or b"")
    execution = decode_execution(record.value or b"")
    if execution.market.startswith("#"):
        return Parked("it belongs to no market")
    return Asked(execution.market, execution, opens=execution.seq == 1)


def encode(head: Head, execution: ChainedExecution | None, events: Sequence[BatchEvent], _windows: object) -> bytes:
    assert execution is not None, "a record that belongs to no market has no batches"
    return encode_batch_record(head, execution.seq, events)


def program(versions: Mapping[int, WindowTerms] = VERSIONS) -> Program[ChainedExecution, BatchEvent]:
    """A closed batch may name thousands of orders, so it has a record of its own."""
    return Program(
        name="settlement",
        journal=EXECUTIONS,
        table="windows",
        decode=decode,
        open=lambda market: Windows(State(market, RULES_VERSION, versions[RULES_VERSION])),
        restore=lambda market, data: Windows(*restore(market, data, versions)),
        streams=(Stream(BATCHES.name, encode, per_record=1),),
        rules=dict.fromkeys(versions, "0.1.0"),
    )


class SettlementWorker:
    """One windower: the journal's worker, and the task that appends a `Tick` where a window is due."""

    def __init__(
        self,
        settings: Settings,
        versions: Mapping[int, WindowTerms] = VERSIONS,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._clock_ms = clock_ms
        self._machine = MachineWorker(settings, program(versions), membership=membership(settings))
        self._ticked: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def unready(self) -> str | None:
        return self._machine.unready()

    async def start(self) -> None:
        await self._machine.start()
        self._task = beside(self._wake(), "the clock of the windows")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._machine.stop()

    async def _wake(self) -> None:
        """This clock only says when to ask; whether a window is too old, the record's own time decides."""
        async with kafka.running(kafka.producer(self._settings, name="settlement-ticks")) as producer:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._show()
                for partition, market in self._due():
                    log.info("%s: a window is due", market)
                    topic = self._settings.topic(COMMANDS.name)
                    await (await producer.send(topic, encode_command(Tick(market=market)), market.encode(), partition))

    def _due(self) -> Iterator[tuple[int, str]]:
        now_ms = self._clock_ms()
        for partition, state in self._states():
            due = due_ms(state)
            if due is not None and now_ms >= due and now_ms - self._ticked.get(state.market, 0) >= AGAIN_MS:
                self._ticked[state.market] = now_ms
                yield partition, state.market

    def _show(self) -> None:
        opened = [state.window.opened_ms for _, state in self._states() if state.window is not None]
        metrics.WINDOWS_OPEN.set(len(opened))
        metrics.WINDOW_AGE.set((self._clock_ms() - min(opened)) // 1000 if opened else 0)

    def _states(self) -> Iterator[tuple[int, State]]:
        """The windows of every market that this worker has, each with its partition."""
        return ((partition, windows.state) for partition, _, windows in self._machine.machines(Windows))
