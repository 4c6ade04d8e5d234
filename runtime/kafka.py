"""Kafka's edge: topics as the table wants them, and producers and consumers that never lose, reorder or wait for ever.

Records are raw bytes here; what they mean is decided elsewhere. A difference between the table of topics and the
broker is told, never silently kept and never silently changed: what a topic was made with is an operator's to alter.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from runtime.crashpoints import crashpoint
from runtime.settings import Settings, SettingsError
from runtime.telemetry import metrics
from schemas.topics import MAX_RECORD_BYTES, Topic

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_MS = 10_000
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
TOPICS_TIMEOUT_S = 60.0
BATCH_BYTES = 1 << 18
"""A flushed topic costs one fsync per batch: with 16 times the default, a burst goes through three times as fast."""
FETCH_WAIT_MS = 100
"""The broker's answer to an empty fetch; the default of half a second is felt in every recovery."""
UNWELL: tuple[type[Exception], ...] = (KafkaError, OSError, TimeoutError)
"""What the world being unwell looks like from here: the outcome is unknown, and the step may be repeated."""


class _Client(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


C = TypeVar("C", bound=_Client)


def producer(
    settings: Settings,
    *,
    name: str,
    max_request_bytes: int = MAX_RECORD_BYTES,
    max_batch_bytes: int = BATCH_BYTES,
    linger_ms: int = 0,
    request_timeout_ms: int = REQUEST_TIMEOUT_MS,
) -> AIOKafkaProducer:
    """A producer whose answer means that every replica in sync has the record, once and in order.

    Use `send` and keep the futures: several `send_batch` at once to one partition time out in this library.
    Any error means that the outcome is unknown: stop this producer and take a new one.
    """
    return AIOKafkaProducer(
        bootstrap_servers=settings.brokers,
        client_id=settings.group(name),
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=request_timeout_ms,
        max_request_size=max_request_bytes,
        max_batch_size=max_batch_bytes,
        linger_ms=linger_ms,
    )


def consumer(
    settings: Settings,
    *topics: str,
    name: str,
    group: str | None = None,
    reset: str = "none",
    max_records: int | None = None,
) -> AIOKafkaConsumer:
    """A consumer that commits nothing by itself and never jumps: where it starts is its owner's decision.

    Without topics the owner assigns partitions. Topics and group are given as the table names them.
    """
    return AIOKafkaConsumer(
        *(settings.topic(topic) for topic in topics),
        bootstrap_servers=settings.brokers,
        client_id=settings.group(name),
        group_id=settings.group(group) if group else None,
        enable_auto_commit=False,
        auto_offset_reset=reset,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_poll_records=max_records,
    )


@contextlib.asynccontextmanager
async def running(client: C, *, start_timeout_s: float = START_TIMEOUT_S) -> AsyncIterator[C]:
    """The client, started within a bound and stopped within a bound, whatever happens between."""
    try:
        async with asyncio.timeout(start_timeout_s):
            await client.start()
        yield client
    finally:
        await stop(client)


async def stop(client: _Client) -> None:
    """Stops a client; one that cannot say goodbye to its broker in time is left to the garbage collector."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await client.stop()
    except UNWELL as error:
        log.warning("a Kafka client did not stop in order: %r", error)


async def ready(settings: Settings) -> str | None:
    """None when a broker answers, else the reason: a part of a site."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S), _admin(settings):
            return None
    except UNWELL as error:
        return f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__})."


@contextlib.asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.brokers, client_id=settings.group("admin"), request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def ensure_topics(settings: Settings, topics: Iterable[Topic]) -> list[str]:
    """Creates what is missing; returns every difference between the table and the broker as a sentence.

    Any number of processes may do this at once. A broker that refuses a topic raises SettingsError.
    """
    rows = {settings.topic(topic.name): topic for topic in topics}
    async with asyncio.timeout(TOPICS_TIMEOUT_S), _admin(settings) as admin:
        if missing := [name for name in rows if name not in await _existing(admin)]:
            await _create(admin, settings, {name: rows[name] for name in missing})
            crashpoint("topics.after_create")
        found = await _settled(admin, rows)
        configs = await _configs(admin, rows)
    differences = []
    for name, topic in rows.items():
        differences += _compare(settings, topic, name, found[name], configs[name])
    metrics.TOPIC_DIFFERENCES.set(len(differences))
    return differences


async def delete_topics(settings: Settings, names: Iterable[str]) -> None:
    """Deletes topics, given as the broker names them. Tests clean up with it; no process of the exchange does this."""
    async with asyncio.timeout(TOPICS_TIMEOUT_S), _admin(settings) as admin:
        if present := [name for name in names if name in await _existing(admin)]:
            await admin.delete_topics(present, timeout_ms=REQUEST_TIMEOUT_MS)


async def _existing(admin: AIOKafkaAdminClient) -> dict[str, Any]:
    """All topics of the broker: asking for one by name may create it where automatic creation is on."""
    return {topic["topic"]: topic for topic in await admin.describe_topics()}


async def _create(admin: AIOKafkaAdminClient, settings: Settings, missing: Mapping[str, Topic]) -> None:
    new = [
        NewTopic(
            name,
            settings.kafka_partitions,
            settings.kafka_replication,
            topic_configs=topic.config(flush=settings.journal_flush, replication=settings.kafka_replication),
        )
        for name, topic in missing.items()
    ]
    answer = await admin.create_topics(new, timeout_ms=REQUEST_TIMEOUT_MS)
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another process was faster: as good
            raise SettingsError(f"Kafka refused to create the topic {name}: {_reason(error, message)}")
    log.info("topics created", extra={"topics": ",".join(missing)})


def _reason(error: type[Exception], message: Sequence[str | None]) -> str:
    text = (message[0] if message else None) or error.__name__
    return text if text.endswith(".") else f"{text}."


async def _settled(admin: AIOKafkaAdminClient, rows: Mapping[str, Topic]) -> dict[str, Any]:
    """The topics once every partition has a leader: a topic that was created a moment ago may not have one yet."""
    while True:
        found = await _existing(admin)
        if all(name in found and _is_led(found[name]) for name in rows):
            return found
        await asyncio.sleep(0.02)


def _is_led(topic: Mapping[str, Any]) -> bool:
    return all(partition["leader"] >= 0 for partition in topic["partitions"])


async def _configs(admin: AIOKafkaAdminClient, rows: Mapping[str, Topic]) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, None) for name in rows]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(wanted):
        for code, message, _kind, name, entries in response.resources:
            if code:
                raise SettingsError(f"Kafka does not tell how {name} is set: {_reason(for_code(code), [message])}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _compare(
    settings: Settings, topic: Topic, name: str, found: Mapping[str, Any], config: Mapping[str, str]
) -> list[str]:
    sentences = []
    partitions = found["partitions"]
    if len(partitions) != settings.kafka_partitions:
        sentences.append(
            f"{name} has {len(partitions)} partitions, and KAFKA_PARTITIONS is {settings.kafka_partitions}."
        )
    replicas = min(len(partition["replicas"]) for partition in partitions)
    if replicas < settings.kafka_replication:
        sentences.append(f"{name} has {replicas} replicas, and KAFKA_REPLICATION is {settings.kafka_replication}.")
    wanted = topic.config(flush=settings.journal_flush, replication=settings.kafka_replication)
    for key, value in wanted.items():
        if config.get(key) != value:
            sentences.append(f"{name} has {key}={config.get(key)} on the broker, and the table says {value}.")
    return sentences
