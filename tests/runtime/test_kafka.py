"""Topics are made as the table says, differences are told, and clients are bounded in time."""

import asyncio
import dataclasses

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from runtime import kafka
from runtime.settings import SettingsError
from runtime.telemetry import metrics
from schemas.topics import CHANGELOGS, COMMANDS, EXECUTIONS, PARKED, TOPICS, changelog


async def test_topics_are_made_as_the_table_says(kafka_topics):
    assert await kafka.ensure_topics(kafka_topics, (*TOPICS, *CHANGELOGS)) == []


async def test_two_who_start_at_once_both_succeed(stack):
    answers = await asyncio.gather(*(kafka.ensure_topics(stack, (COMMANDS, EXECUTIONS)) for _ in range(4)))
    assert answers == [[], [], [], []]


async def test_every_difference_is_told_and_nothing_is_changed(stack):
    name = stack.topic(COMMANDS.name)
    async with kafka._admin(stack) as admin:
        await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1000"})])
    expected = [
        f"{name} has 2 partitions, and KAFKA_PARTITIONS is 4.",
        f"{name} has message.timestamp.type=CreateTime on the broker, and the table says LogAppendTime.",
        f"{name} has flush.messages=9223372036854775807 on the broker, and the table says 1.",
        f"{name} has retention.ms=1000 on the broker, and the table says -1.",
        f"{name} has max.message.bytes=1048588 on the broker, and the table says 1048576.",
    ]
    assert await kafka.ensure_topics(stack, (COMMANDS,)) == expected
    assert await kafka.ensure_topics(stack, (COMMANDS,)) == expected
    assert metrics.registry.get_sample_value("tidemark_topic_differences") == 5


async def test_another_choice_of_durability_is_told(stack):
    assert await kafka.ensure_topics(stack, (COMMANDS, PARKED)) == []
    fast = dataclasses.replace(stack, journal_flush=False)
    assert await kafka.ensure_topics(fast, (COMMANDS, PARKED)) == [
        f"{stack.topic(COMMANDS.name)} has flush.messages=1 on the broker, and the table says 9223372036854775807."
    ]


async def test_too_few_replicas_are_told(stack):
    await kafka.ensure_topics(stack, (PARKED,))
    three = dataclasses.replace(stack, kafka_replication=3)
    assert await kafka.ensure_topics(three, (PARKED,)) == [
        f"{stack.topic(PARKED.name)} has 1 replicas, and KAFKA_REPLICATION is 3.",
        f"{stack.topic(PARKED.name)} has min.insync.replicas=1 on the broker, and the table says 2.",
    ]


async def test_a_topic_that_the_broker_refuses_stops_the_start_with_a_sentence(stack):
    three = dataclasses.replace(stack, kafka_replication=3)
    with pytest.raises(SettingsError, match=r"Kafka refused to create the topic t\w+\.orders\.parked: .*replica.*\."):
        await kafka.ensure_topics(three, (PARKED,))


async def test_the_changelog_of_an_agent_is_made_like_any_other_topic(stack):
    row = changelog("matching", "books")
    assert await kafka.ensure_topics(stack, (row,)) == []
    assert stack.topic("matching-books-changelog") == stack.topic(row.name)


async def test_a_record_sent_is_a_record_read(stack):
    await kafka.ensure_topics(stack, (COMMANDS,))
    name = stack.topic(COMMANDS.name)
    async with kafka.running(kafka.producer(stack, name="test")) as producer:
        futures = [await producer.send(name, b"%d" % number, key=b"M", partition=1) for number in range(1000)]
        offsets = [(await future).offset for future in futures]
    assert offsets == list(range(1000))
    async with kafka.running(kafka.consumer(stack, name="test")) as consumer:
        consumer.assign([TopicPartition(name, 1)])
        consumer.seek(TopicPartition(name, 1), 0)
        values = []
        while len(values) < 1000:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                assert all(record.timestamp_type == 1 for record in records), "the broker's clock counts"
                values += [record.value for record in records]
    assert values == [b"%d" % number for number in range(1000)]


async def test_a_consumer_without_a_place_to_start_does_not_choose_one(stack):
    await kafka.ensure_topics(stack, (COMMANDS,))
    async with kafka.running(kafka.consumer(stack, COMMANDS.name, name="test", group="nobody")) as consumer:
        with pytest.raises(NoOffsetForPartitionError):
            await consumer.getone()


async def test_a_record_too_large_for_the_journal_is_refused_before_it_is_sent(stack):
    await kafka.ensure_topics(stack, (COMMANDS,))
    async with kafka.running(kafka.producer(stack, name="test")) as producer:
        with pytest.raises(KafkaError, match="MessageSizeTooLarge"):
            await producer.send(stack.topic(COMMANDS.name), b"x" * (2 << 20), partition=0)


async def test_a_broker_that_does_not_answer_is_a_reason_and_an_error_within_bounds(space):
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        nowhere = dataclasses.replace(space, kafka_bootstrap=f"127.0.0.1:{port}")
        with pytest.raises(kafka.UNWELL):
            async with kafka.running(kafka.producer(nowhere, name="test"), start_timeout_s=0.2):
                pytest.fail("it started")


async def test_readiness_says_who_does_not_answer(space):
    assert await kafka.ready(space) is None
    nowhere = dataclasses.replace(space, kafka_bootstrap="127.0.0.1:1")
    assert await kafka.ready(nowhere) == "Kafka at 127.0.0.1:1 does not answer (KafkaConnectionError)."


def test_no_address_is_a_sentence(tmp_path):
    from runtime.settings import Settings

    with pytest.raises(SettingsError, match="KAFKA_BOOTSTRAP is not set"):
        _ = Settings(home=tmp_path).brokers
