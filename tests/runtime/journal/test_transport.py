"""The protected members of Faust and aiokafka that the journal leans on: a release that moves one fails here first."""

import importlib.metadata
import inspect

import aiokafka
import faust
import pytest
from aiokafka.client import AIOKafkaClient
from faust.app.base import App
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as faust_consumer
from faust.transport.conductor import Conductor
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, ConsumerMessage

from runtime.journal.transport import QuickTableManager, QuickThread, RunConsumer
from tests.runtime.journal.records import Fake

FAUST, AIOKAFKA, MODE = "0.15.3", "0.14.0", "0.7.1"


def test_the_versions_are_those_that_were_tried_on_a_broker():
    installed = [importlib.metadata.version(name) for name in ("faust-streaming", "aiokafka", "mode-streaming")]
    assert installed == [FAUST, AIOKAFKA, MODE]


@pytest.mark.parametrize(
    ("owner", "member", "parameters"),
    [
        (AIOKafkaClient, "add_topic", ["self", "topic"]),
        (AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
        (AIOKafkaConsumerThread, "getmany", ["self", "active_partitions", "timeout"]),
        (AIOKafkaConsumerThread, "_fetch_records", ["self", "consumer", "active_partitions", "timeout", "max_records"]),
        (AIOKafkaConsumerThread, "_ensure_consumer", ["self"]),
        (Consumer, "_new_consumer_thread", ["self"]),
        (Consumer, "_to_message", ["self", "tp", "record"]),
        (faust_consumer.Consumer, "getmany", ["self", "timeout"]),
        (faust_consumer.Consumer, "_wait_next_records", ["self", "timeout"]),
        (faust_consumer.Consumer, "perform_seek", ["self"]),
        (faust_consumer.Consumer, "stop_flow", ["self"]),
        (faust_consumer.ThreadDelegateConsumer, "_commit", ["self", "offsets"]),
        (faust_consumer.ThreadDelegateConsumer, "highwaters", ["self", "partitions"]),
        (faust_consumer.ThreadDelegateConsumer, "earliest_offsets", ["self", "partitions"]),
        (faust_consumer.ThreadDelegateConsumer, "assignment", ["self"]),
        (TableManager, "on_start", ["self"]),
        (TableManager, "_update_channels", ["self"]),
        (Recovery, "on_recovery_completed", ["self", "generation_id"]),
        (Conductor, "acks_enabled_for", ["self", "topic"]),
    ],
)
def test_a_member_that_is_overridden_or_called_is_where_it_was(owner, member, parameters):
    assert list(inspect.signature(getattr(owner, member)).parameters) == parameters


def test_the_names_that_are_read_and_written_are_still_used_where_they_were():
    thread = inspect.getsource(AIOKafkaConsumerThread._create_worker_consumer)
    assert "fetch_max_wait_ms=1500" in thread
    assert "_fetch_max_wait_ms" in inspect.getsource(aiokafka.AIOKafkaConsumer)
    assert "self._client = AIOKafkaClient(" in inspect.getsource(aiokafka.AIOKafkaConsumer)
    assert "_max_poll_records" in inspect.getsource(AIOKafkaConsumerThread.getmany)
    assert "sleep(1.0)" in inspect.getsource(TableManager.on_start)
    assert "self.active_offsets" in inspect.getsource(Recovery.on_rebalance)
    assert "consumer_generation_id" in inspect.getsource(faust_consumer.Consumer.getmany)
    assert "_buffered_partitions" in inspect.getsource(faust_consumer.Consumer.on_buffer_full)
    assert isinstance(faust.App.crash_reason, property)


def test_faust_tells_us_of_an_assignment_after_the_tables_and_before_it_resumes_the_flow():
    for method in (Recovery.on_recovery_completed, Recovery._resume_streams):
        source = inspect.getsource(method)
        told, resumed = source.index("on_rebalance_complete.send()"), source.index("consumer.resume_flow()")
        assert told < source.index("perform_seek()") < resumed
    revoked = inspect.getsource(App._on_partitions_revoked)
    assert revoked.index("flow_control.suspend") < revoked.index("on_partitions_revoked.send")


def test_a_fetch_looks_in_its_own_thread_whether_the_flow_was_stopped_meanwhile():
    source = inspect.getsource(AIOKafkaConsumerThread._fetch_records)
    assert source.index("if not self.consumer.flow_active") < source.index("fetched_records(")


def test_our_classes_are_put_in_where_faust_looks_for_them():
    assert "self.Consumer(" in inspect.getsource(Transport.create_consumer)
    assert issubclass(RunConsumer, Consumer)
    assert issubclass(QuickThread, AIOKafkaConsumerThread)
    assert issubclass(QuickTableManager, TableManager)


class Fetched(RunConsumer):
    """A consumer that has fetched this, without a broker."""

    def __init__(self, fetched) -> None:
        self._fetched = fetched
        self._buffered_partitions = set()
        self.flow_active = True
        self.app = type("App", (), {"consumer_generation_id": 7})()
        self._stopped = type("Event", (), {"is_set": lambda self: False})()
        self._crashed = self._stopped
        self.run_topics = frozenset({"journal"})

    async def _wait_next_records(self, timeout):
        return self._fetched, set(self._fetched)


async def test_a_fetched_run_is_one_event_with_the_records_inside():
    tp = TP("journal", 3)
    records = [Fake(offset) for offset in range(600)]
    events = [(tp, message) async for tp, message in Fetched({tp: records}).getmany(1.0)]
    assert [(where, message.offset, len(message.value)) for where, message in events] == [
        (tp, 0, 256),
        (tp, 256, 256),
        (tp, 512, 88),
    ]
    assert isinstance(events[0][1], ConsumerMessage)
    assert [record for _, message in events for record in message.value] == records
