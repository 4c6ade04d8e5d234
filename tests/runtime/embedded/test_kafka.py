import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime.embedded import kafka
from runtime.embedded.aot import Archive
from runtime.embedded.errand import started
from runtime.embedded.home import Home
from runtime.embedded.kafka import KafkaServer, cluster_id
from runtime.embedded.program import Broken, NotReady
from runtime.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home, ö")  # a comma parts log.dirs, and ö is no ASCII


def broker(home: Home) -> KafkaServer:
    return KafkaServer(home, Settings(home=home.path), train=False)


@asynccontextmanager
async def serving(server: KafkaServer) -> AsyncIterator[asyncio.subprocess.Process]:
    await server.prepare()
    command = server.command()
    async with started(command.argv, env=command.env, cwd=command.cwd) as child:
        assert child.stdout is not None
        drain = asyncio.create_task(child.stdout.read())
        async with asyncio.timeout(120):
            while True:
                try:
                    await server.probe()
                    break
                except NotReady:
                    await asyncio.sleep(0.05)
        yield child
        drain.cancel()


def held(home: Home) -> list[str]:
    return sorted(entry.name for entry in home.data.iterdir())


async def test_a_broker_keeps_its_cluster_and_its_records_through_kill_9(home: Home) -> None:
    async with serving(broker(home)) as child:
        written = (home.data / "kafka" / "meta.properties").read_text()
        child.kill()
        await child.wait()
    async with serving(broker(home)) as child:
        await broker(home).probe()  # finds the topic that is there, and a record behind the first one
        assert (home.data / "kafka" / "meta.properties").read_text() == written
        child.terminate()
        assert await child.wait() == 143  # how Java says that it was asked to stop
    assert held(home) == ["kafka"]


async def test_ports_may_change_between_two_starts(home: Home) -> None:
    await broker(home).prepare()
    (home.path / "ports.json").unlink()
    async with serving(broker(home)):
        pass


async def test_no_java_that_works_leaves_nothing_half_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "packaged_java", lambda: None)
    monkeypatch.setattr(os, "environ", {"PATH": "", "JAVA_HOME": "/no/such/place"})
    with pytest.raises(Broken, match="no Java of 17 or newer works"):
        await broker(home).prepare()
    assert held(home) == []


async def test_a_format_that_fails_leaves_nothing_half_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "cluster_id", lambda: "-not-an-id")
    with pytest.raises(Broken, match="the Kafka data folder could not be formatted in"):
        await broker(home).prepare()
    assert held(home) == []
    assert not (home.run / "kafka" / "format.properties").exists()


async def test_a_killed_format_is_swept_away_by_the_next_start(home: Home) -> None:
    home.make()
    (home.data / "kafka.new-4711").mkdir()
    await broker(home).prepare()
    assert held(home) == ["kafka"]


@pytest.mark.parametrize("name", ["kafka", "kafka_controller"])
async def test_a_taken_port_is_one_sentence(home: Home, name: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", home.port(name)))
        other.listen()
        with pytest.raises(Broken, match=f"kept for {name}, is taken by another program"):
            await broker(home).prepare()
    assert held(home) == []


async def test_a_broker_that_is_down_is_not_ready(home: Home) -> None:
    with pytest.raises(NotReady, match=r"kafka on 127\.0\.0\.1:\d+ does not serve yet"):
        await broker(home).probe()


async def test_an_archive_is_used_where_there_is_one(home: Home, tmp_path: Path) -> None:
    server = broker(home)
    await server.prepare()
    used = [argument for argument in server.command().argv if argument.startswith("-XX:AOTCache=")]
    archive = server.archive()
    assert used == ([f"-XX:AOTCache={archive.file}"] if archive.possible and archive.file.exists() else [])
    assert Archive(tmp_path / "none.aot", possible=True).switches() == ()


def test_a_cluster_id_is_never_read_as_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([b"\xf8" + bytes(15), b"\x00" * 16])
    monkeypatch.setattr(kafka.secrets, "token_bytes", lambda _count: next(drawn))
    assert cluster_id() == "A" * 22
