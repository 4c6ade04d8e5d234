"""The wallet agent: follows executions, batches and fills into the books, and tells who waits what became of it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import redis.asyncio

from agents.wallet.store import BooksStore
from ledger.batch_rules import lines_of
from ledger.proving import prove_for_ever
from ledger.settlement import Decided
from runtime import postgres
from runtime import redis as redis_edge
from runtime.journal.halt import beside
from runtime.journal.machine import Record
from runtime.journal.process import membership
from runtime.journal.sink import Feed, Told
from runtime.journal.worker import SinkWorker
from runtime.settings import Settings
from runtime.updates import Updates
from schemas.batches import BatchRecord, Fill, decode_batch_record, decode_fill
from schemas.executions import ChainedExecution, decode_execution
from schemas.results import Result, encode_results, results_channel
from schemas.topics import BATCHES, EXECUTIONS, FILLS

MEND = "Start with the Kafka that these books belong to; do not delete the books."
CONNECTIONS = 4
WAITING_MESSAGES = 256
log = logging.getLogger(__name__)


def told(record: Record) -> Told[ChainedExecution]:
    execution = decode_execution(record.value or b"")
    return Told(execution.market, execution.seq, execution.offset, execution)


FEED: Feed[ChainedExecution] = Feed(EXECUTIONS, told, weigh=lambda execution: 1 + len(execution.events))


def told_batch(record: Record) -> Told[BatchRecord]:
    batch = decode_batch_record(record.value or b"")
    return Told(batch.market, batch.seq, batch.offset, batch)


def told_fill(record: Record) -> Told[Fill]:
    """The desk may say a fill again, so it is numbered by where it lies, and applied by its batch's state."""
    fill = decode_fill(record.value or b"")
    return Told(fill.market, record.offset + 1, record.offset, fill)


FEEDS: tuple[Feed[Any], ...] = (
    FEED,
    Feed(BATCHES, told_batch, weigh=lambda batch: sum(len(lines_of(event)) for event in batch.events)),
    Feed(FILLS, told_fill, chained=False, weigh=lambda _fill: 100),
)


class Announcer:
    """Publishes results beside the settling, never in its way: when Redis is slow, announcements are dropped."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self._settings = settings
        self._redis = connection
        self._waiting: asyncio.Queue[tuple[str, list[Result]]] = asyncio.Queue(WAITING_MESSAGES)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = beside(self._publish(), "the announcer")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()

    def announce(self, decided: Sequence[Decided]) -> None:
        """Called after the commit; returns at once."""
        by_reply: dict[str, list[Result]] = defaultdict(list)
        for one in decided:
            if one.reply:
                by_reply[one.reply].append(one.result)
        for message in by_reply.items():
            try:
                self._waiting.put_nowait(message)
            except asyncio.QueueFull:
                log.warning("%d results are not announced: Redis is too slow", len(message[1]))

    async def _publish(self) -> None:
        """Whatever waits goes at once, in one round trip."""
        while True:
            messages = [await self._waiting.get()]
            while not self._waiting.empty():
                messages.append(self._waiting.get_nowait())
            pipeline = self._redis.pipeline(transaction=False)
            for reply, results in messages:
                pipeline.publish(self._settings.redis_key(results_channel(reply)), encode_results(results))
            try:
                await pipeline.execute()
            except redis_edge.UNWELL as error:
                log.warning("%d results are not announced: %r", sum(len(results) for _, results in messages), error)


class WalletWorker:
    """One wallet worker: its connections, its sink, its announcer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: postgres.Pool
        connection = redis_edge.client(settings, name="wallet")
        self._announcer = Announcer(settings, connection)
        self._updates = Updates(settings, connection, "wallet")
        self._beside: list[asyncio.Task[None]] = []
        store = BooksStore(lambda: self._pool, self._announcer.announce, self._updates.touch)
        self._sink = SinkWorker(settings, "wallet", FEEDS, store, membership=membership(settings), mend=MEND)

    def unready(self) -> str | None:
        return self._sink.unready()

    async def start(self) -> None:
        self._pool = await postgres.pool(self._settings, max_size=CONNECTIONS, application="wallet")
        self._announcer.start()
        proofs = asyncio.create_task(prove_for_ever(self._settings), name="proofs")
        self._beside = [beside(self._updates.run(), "the teller of updates"), proofs]
        await self._sink.start()

    async def stop(self) -> None:
        await self._sink.stop()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._announcer.stop()
        await self._pool.close()
