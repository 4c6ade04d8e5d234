"""The table of what runs: right when all is well, when all is down, and at every mixture between."""

import contextlib
import dataclasses
import os
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from runtime.embedded import processes, runfiles, status
from runtime.embedded.home import Home, write_whole
from runtime.embedded.processes import Row as Process
from runtime.embedded.runfiles import RunFile, State
from runtime.embedded.status import Followed, Row, all_ready, followed, rows
from runtime.settings import Settings
from runtime.telemetry import metrics
from tests.runtime.embedded.small_servers import answering, http

READY = {
    "/ready": http(200, "{}"),
    "/metrics": http(
        200,
        "# HELP tidemark_lag_records\n"
        'tidemark_lag_records{partition="3",topic="b"} 4.0\ntidemark_lag_records{partition="0",topic="b"} 3.0\n'
        'tidemark_next_offset{partition="3",topic="b"} 1.2e+07\ntidemark_next_offset{partition="0",topic="b"} 5.0\n',
    ),
}
FOLLOWED = (Followed("b", 0, 5, 3), Followed("b", 3, 12_000_000, 4))
BROKER = struct.pack("!iih", 6, 7, 0)


class Instance:
    """A home in which a supervisor seems to run, with one process that stands for all children."""

    def __init__(self, home: Home, pid: int) -> None:
        self.home = home
        self.pid = pid
        self.settings = Settings(home=home.path)

    def child(self, name: str, state: State, address: str, *, lives: bool = True) -> None:
        runfiles.write(self.home, RunFile(name=name, state=state, address=address))
        if lives:
            self.home.remember_child(name, self.pid)
        if name in ("kafka", "postgres", "valkey"):
            ports = self.home.ports() | {name: int(address.rpartition(":")[2])}
            write_whole(self.home.path / "ports.json", str(ports).replace("'", '"'))


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    home = Home(tmp_path / "home", cache=tmp_path / "cache")
    home.make()
    existing = (Process("wallet", "agents.wallet"), Process("api", "api"))
    monkeypatch.setattr(status, "ROWS", existing)
    monkeypatch.setattr(status, "exists", lambda row: True)
    child = subprocess.Popen((sys.executable, "-c", "import time; time.sleep(600)"))
    yield Instance(home, child.pid)
    child.kill()
    child.wait()


@contextlib.asynccontextmanager
async def running(instance: Instance) -> AsyncIterator[dict[str, str]]:
    """Everything up and ready; yields the addresses."""
    async with contextlib.AsyncExitStack() as stack:
        answers = {
            "kafka": BROKER,
            "postgres": b"R\0\0\0",
            "valkey": b"+OK\r\n+PONG\r\n",
            "wallet": READY,
            "api": READY,
        }
        addresses = {name: await stack.enter_async_context(answering(answer)) for name, answer in answers.items()}
        stack.enter_context(instance.home.lock())
        runfiles.write(instance.home, RunFile(name="supervisor", state=State.READY))
        instance.home.secret("redis_password")
        for name, address in addresses.items():
            instance.child(name, State.READY, address)
        yield addresses


async def test_all_is_ready(instance: Instance) -> None:
    async with running(instance) as at:
        found = await rows(instance.settings)
    pid = instance.pid
    assert found == [
        Row("supervisor", os.getpid(), State.READY, None),
        Row("kafka", pid, State.READY, at["kafka"]),
        Row("postgres", pid, State.READY, at["postgres"]),
        Row("valkey", pid, State.READY, at["valkey"]),
        Row("api", pid, State.READY, at["api"], 7, FOLLOWED),
        Row("wallet", pid, State.READY, at["wallet"], 7, FOLLOWED),
    ]
    assert all_ready(found)


async def test_all_is_down_and_asking_makes_nothing(tmp_path: Path, instance: Instance) -> None:
    found = await rows(Settings(home=tmp_path / "fresh", port=1))
    down = [Row(name, None, State.DOWN, None) for name in ("supervisor", "kafka", "postgres", "valkey")]
    own = [Row("api", None, State.DOWN, "127.0.0.1:1"), Row("wallet", None, State.DOWN, None)]
    assert found == [*down, *own]
    assert not (tmp_path / "fresh").exists()


async def state_of(instance: Instance, name: str) -> tuple[State, int | None]:
    return next((row.state, row.pid) for row in await rows(instance.settings) if row.name == name)


@pytest.mark.parametrize("state", [State.STARTING, State.RESTARTING, State.STOPPING])
async def test_the_word_of_the_supervisor_counts_while_a_process_is_on_its_way(
    instance: Instance, state: State
) -> None:
    async with running(instance) as at:
        instance.child("wallet", state, at["wallet"])
        assert await state_of(instance, "wallet") == (state, instance.pid)


async def test_one_that_lives_and_does_not_answer_is_not_ready(instance: Instance) -> None:
    async with running(instance), answering(b"-LOADING\r\n") as loading, answering(http(503, "{}")) as no:
        instance.child("valkey", State.READY, loading)
        instance.child("wallet", State.READY, no)
        assert await state_of(instance, "valkey") == (State.NOT_READY, instance.pid)
        assert await state_of(instance, "wallet") == (State.NOT_READY, instance.pid)


async def test_one_that_has_just_died_is_restarting(instance: Instance) -> None:
    async with running(instance):
        instance.home.forget_child("kafka")
        assert await state_of(instance, "kafka") == (State.RESTARTING, None)


async def test_without_a_supervisor_what_still_lives_is_stopping(instance: Instance) -> None:
    async with running(instance):
        pass
    instance.home.forget_child("kafka")
    assert await state_of(instance, "supervisor") == (State.DOWN, None)
    assert await state_of(instance, "postgres") == (State.STOPPING, instance.pid)
    assert await state_of(instance, "kafka") == (State.DOWN, None)


async def test_a_server_of_somebody_else_is_asked_where_it_is(instance: Instance) -> None:
    async with answering(BROKER) as kafka:
        settings = dataclasses.replace(instance.settings, kafka_bootstrap=kafka, redis_host="127.0.0.1", redis_port=1)
        found = {row.name: row for row in await rows(settings)}
    assert found["kafka"] == Row("kafka", None, State.READY, kafka)
    assert found["valkey"] == Row("valkey", None, State.DOWN, "127.0.0.1:1")


async def test_a_process_started_by_hand_is_seen(instance: Instance) -> None:
    async with answering(READY) as address:
        settings = dataclasses.replace(instance.settings, port=int(address.rpartition(":")[2]))
        found = {row.name: row for row in await rows(settings)}
    assert found["api"] == Row("api", None, State.READY, address, 7, FOLLOWED)


async def test_a_second_instance_stands_behind_the_first(instance: Instance) -> None:
    async with running(instance) as at:
        instance.child("api-2", State.READY, at["api"])
        names = [row.name for row in await rows(instance.settings)]
    assert names == ["supervisor", "kafka", "postgres", "valkey", "api", "api-2", "wallet"]


async def test_the_real_servers_are_ready_from_outside(stack: Settings) -> None:
    states = {row.name: row.state for row in await rows(stack)}
    assert [states[name] for name in ("kafka", "postgres", "valkey")] == [State.READY] * 3


def test_what_a_process_follows_is_read_from_the_page_that_it_serves() -> None:
    """And the desk, which waits for batches in the books, has a lag and no offset."""
    metrics.LAG.labels("executions", 10).set(2)
    metrics.NEXT_OFFSET.labels("executions", 10).set(123_456_789)
    metrics.LAG.labels("exchange.batches", "all").set(1)
    try:
        found = followed(metrics.exposition().decode())
    finally:
        metrics.LAG.clear()
        metrics.NEXT_OFFSET.clear()
    assert found == (Followed("exchange.batches", None, None, 1), Followed("executions", 10, 123_456_789, 2))


def test_the_order_knows_every_process() -> None:
    assert {row.name for row in processes.ROWS} < set(status.ORDER)
