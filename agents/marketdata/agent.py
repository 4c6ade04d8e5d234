"""The marketdata agent: how a market's view reads `executions`, and the process that shows views and candles."""

import asyncio
from collections.abc import Callable

from agents.marketdata.app import Publisher
from agents.marketdata.candles.agent import FEED, MEND
from agents.marketdata.candles.store import CONSUMER, CandleStore
from agents.marketdata.store import ViewStore
from agents.marketdata.view import View
from runtime import postgres
from runtime import redis as redis_edge
from runtime.journal.chain import ORIGIN, unseal
from runtime.journal.halt import beside
from runtime.journal.machine import Asked, Parked, Program, Record
from runtime.journal.process import membership
from runtime.journal.watermark import Arrival, Mark, Verdict, judge
from runtime.journal.worker import MachineWorker, SinkWorker
from runtime.settings import Settings
from schemas.executions import ChainedExecution, decode_execution
from schemas.topics import EXECUTIONS

CONNECTIONS = 4
Touch = Callable[[str], None]


class Board:
    """A market's view, as the journal's machine: it drops repeats, and stops where Kafka has a gap or another chain."""

    __slots__ = ("_touch", "view")

    def __init__(self, view: View, touch: Touch) -> None:
        self.view = view
        self._touch = touch

    def apply(self, execution: ChainedExecution, _now_ms: int) -> tuple[()]:
        view = self.view
        arrival = Arrival(
            view.market, execution.seq, execution.offset, execution.prev_chain, execution.chain, position=-1
        )
        if judge(Mark(view.seq, view.source_offset, view.chain), arrival) is Verdict.NEW:
            view.apply(execution)
            self._touch(view.market)
        return ()

    def snapshot(self) -> bytes:
        return self.view.snapshot()

    @property
    def rules(self) -> int:
        return 1


def decode(record: Record) -> Asked[ChainedExecution] | Parked:
    """A market begins with its first execution; what belongs to no market shows nothing."""
    unseal(record.value or b"")
    execution = decode_execution(record.value or b"")
    if execution.market.startswith("#"):
        return Parked("it belongs to no market")
    return Asked(execution.market, execution, opens=execution.seq == 1)


def program(touch: Touch) -> Program[ChainedExecution, None]:
    """Nothing goes to Kafka but the snapshots: what others see is shown by the publisher."""
    return Program(
        name="marketdata",
        journal=EXECUTIONS,
        table="views",
        decode=decode,
        open=lambda market: Board(View(market, chain=ORIGIN), touch),
        restore=lambda market, state: Board(View.restore(market, state), touch),
        streams=(),
    )


class MarketdataWorker:
    """One marketdata worker: the views' journal, the candles' sink, and the publisher beside them."""

    def __init__(self, settings: Settings) -> None:
        store = ViewStore(settings, redis_edge.client(settings, name="marketdata"))
        self._settings = settings
        self._store = store
        self._pool: postgres.Pool
        self._publisher = Publisher(store, self._views)
        self._machine = MachineWorker(settings, program(self._publisher.touch), membership=membership(settings))
        candles = CandleStore(lambda: self._pool, self._publisher.tell_candles)
        self._candles = SinkWorker(settings, CONSUMER, [FEED], candles, membership=membership(settings), mend=MEND)
        self._task: asyncio.Task[None] | None = None

    def unready(self) -> str | None:
        return self._machine.unready() or self._candles.unready() or self._publisher.unready()

    async def start(self) -> None:
        self._task = beside(self._publisher.run(), "the publisher of the views")
        self._pool = await postgres.pool(self._settings, min_size=0, max_size=CONNECTIONS, application="marketdata")
        await self._machine.start()
        await self._candles.start()

    async def stop(self) -> None:
        await self._candles.stop()
        await self._machine.stop()
        await self._pool.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._store.close()

    def _views(self) -> dict[str, View]:
        return {market: board.view for _, market, board in self._machine.machines(Board)}
