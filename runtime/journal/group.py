"""One member of a consumer group: the Faust app, its table, and what Kafka has given to this process.

Faust brings runs of records, recovers the table from its changelog and takes part in the group. Its acks, its commits
and its supervision of agents are switched off: the journal decides those itself.
"""

import asyncio
import dataclasses
import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import faust
import mode
from aiokafka.errors import KafkaError
from faust.types import TP

from runtime.journal import transport
from runtime.journal.checkpoint import partition_of
from runtime.journal.errors import Unwell
from runtime.journal.machine import Record
from runtime.settings import Settings

BUFFERED_RUNS = 1024
BROKER_SECONDS = 3.0
REQUEST_SECONDS = 10.0
"""A broker that is starting takes a connection and is silent: each such wait ends here, else recovery takes minutes."""
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Membership:
    """How a member behaves in its group. With an instance id a restart takes its partitions back at once."""

    instance_id: str | None = None
    session_seconds: float = 6.0
    heartbeat_seconds: float = 1.5


class Group:
    """The edge to Faust. `assigned` and `revoked` are called with the partitions of the followed topics only."""

    def __init__(
        self, settings: Settings, name: str, topics: Sequence[str], table: str | None, membership: Membership
    ) -> None:
        self.topics = tuple(settings.topic(topic) for topic in topics)
        self._membership = membership
        self.app = _app(settings, name, membership, instance_id(membership, self.topics))
        transport.install(self.app, frozenset(self.topics))
        self._table = self.app.Table(table, key_type=bytes, value_type=bytes) if table else None
        self._beat = self._worked = 0.0
        self.assigned: Callable[[set[TP]], Awaitable[None]]
        self.revoked: Callable[[], Awaitable[None]]
        self.arrived: Callable[[TP, Sequence[Record]], Awaitable[None]]
        self._declare()

    def _declare(self) -> None:
        topic = self.app.topic(
            *self.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", acks=False
        )

        async def follow(stream: Any) -> None:
            async for event in stream.events():
                await self.arrived(event.message.tp, event.message.value)

        async def on_complete(app: Any, **_: Any) -> None:
            # Faust resumes the flow itself after this; without the stop it would first throw away what its still
            # running fetcher has put in the queues.
            app.consumer.stop_flow()
            await self.assigned(self.partitions())

        async def on_revoked(_app: Any, _revoked: Any, **_: Any) -> None:
            await self.revoked()

        self.app.agent(topic, name="follow")(follow)
        signals: Any = self.app
        signals.on_rebalance_complete.connect(on_complete)
        signals.on_partitions_revoked.connect(on_revoked)

    async def start(self) -> None:
        Path(self.app.conf.datadir).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.app.finalize()
        await self.app.start()

    async def stop(self) -> None:
        await self.app.stop()

    def crashed(self) -> BaseException | None:
        """Why Faust gave up, if it did."""
        reason: BaseException | None = self.app.crash_reason
        return reason

    def partitions(self) -> set[TP]:
        return {tp for tp in self.app.consumer.assignment() if tp.topic in self.topics}

    def beat(self) -> float:
        """Called many times a second; answers for how long the process neither got to it nor worked: it was frozen."""
        now, worked = asyncio.get_running_loop().time(), time.process_time()
        frozen = (now - self._beat) - (worked - self._worked) if self._beat else 0.0
        self._beat, self._worked = now, worked
        return frozen

    @property
    def session_seconds(self) -> float:
        return self._membership.session_seconds

    @property
    def generation(self) -> int:
        return int(self.app.consumer_generation_id)

    def owns(self, generation: int) -> bool:
        """Whether what was assigned in this generation is still ours, as far as this process can know."""
        asleep = asyncio.get_running_loop().time() - self._beat
        return generation == self.generation and not self.app.rebalancing and asleep < self.session_seconds / 2

    async def ends(self, tps: Iterable[TP]) -> Mapping[TP, int]:
        """Where the broker says that these partitions end; cached marks lie when the fetcher is dead."""
        ends: Mapping[TP, int] = await self.app.consumer.highwaters(*tps)
        return ends

    async def bounds(self, tp: TP) -> tuple[int, int]:
        """The first offset and the end of a partition, as the broker says now."""
        try:
            async with asyncio.timeout(BROKER_SECONDS):
                begins = await self.app.consumer.earliest_offsets(tp)
                return begins[tp], (await self.ends([tp]))[tp]
        except (KafkaError, TimeoutError) as error:
            raise Unwell(f"the bounds cannot be had: {error!r}") from error

    async def commit(self, tp: TP, offset: int) -> None:
        """Shows the group's lag; nothing depends on it."""
        consumer: Any = self.app.consumer
        await consumer._commit({tp: offset})

    @property
    def changelog(self) -> str:
        assert self._table is not None
        return str(self._table.changelog_topic.get_topic_name())

    def entries(self, partition: int) -> dict[bytes, bytes]:
        """The table's records of one partition; those of partitions that moved away stay in it, and are not ours."""
        assert self._table is not None
        return {key: value for key, value in self._table.data.items() if partition_of(key) == partition}

    def wrote(self, partition: int, entries: Mapping[bytes, bytes], offset: int) -> None:
        """The table as the changelog has it now; Faust need not read our own records again after a rebalance."""
        assert self._table is not None
        self._table.data.update(entries)
        tables: Any = self.app.tables
        tables.recovery.active_offsets[TP(self.changelog, partition)] = offset


def instance_id(membership: Membership, topics: Sequence[str]) -> str | None:
    """Kafka gives a member that comes back by its id its former partitions, whatever topics it asks for now. So a
    release that follows other topics is another member; the former one leaves with its session."""
    if membership.instance_id is None:
        return None
    return f"{membership.instance_id}-{zlib.crc32(' '.join(sorted(topics)).encode()):08x}"


def _app(settings: Settings, name: str, membership: Membership, instance: str | None) -> faust.App:
    group = settings.group(name)
    return faust.App(
        group,
        broker=[f"kafka://{address}" for address in settings.brokers],
        store="memory://",
        datadir=str(settings.home / "run" / f"faust-{name}"),
        autodiscover=False,
        web_enabled=False,
        TableManager=transport.QuickTableManager,
        agent_supervisor=mode.CrashingSupervisor,
        processing_guarantee="at_least_once",
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_allow_declare=False,
        worker_redirect_stdouts=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=BUFFERED_RUNS,
        stream_recovery_delay=0,
        broker_commit_every=10**9,
        broker_max_poll_records=2000,
        broker_session_timeout=membership.session_seconds,
        broker_heartbeat_interval=membership.heartbeat_seconds,
        broker_rebalance_timeout=max(6.0, membership.session_seconds),
        broker_request_timeout=max(REQUEST_SECONDS, membership.session_seconds + 4),
        broker_max_poll_interval=120,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        consumer_group_instance_id=instance,
        producer_acks=-1,
        producer_linger=0,
        producer_request_timeout=REQUEST_SECONDS,
    )
