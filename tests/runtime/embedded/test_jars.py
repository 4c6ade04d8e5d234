import asyncio
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from runtime.embedded import jars
from runtime.embedded.jars import Jar, Lock, ensure_jars, read_lock
from runtime.embedded.program import Broken, Progress

ENVIRON = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


def jar(artifact: str) -> Jar:
    return Jar(hashlib.sha256(content(artifact)).hexdigest(), "org.example", artifact, "1.0")


def content(artifact: str) -> bytes:
    return artifact.encode() * 100


LOCK = Lock(Path("pom.xml"), (jar("broker"), jar("clients"), jar("log")))


@dataclasses.dataclass
class Shelf:
    """A resolver that brings what it has; it counts how often it was asked."""

    wrong: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    fault: Exception | None = None
    asked: list[tuple[str, ...]] = dataclasses.field(default_factory=list)

    async def fetch(
        self, lock: Lock, missing: tuple[Jar, ...], folder: Path, environ: Mapping[str, str], progress: Progress
    ) -> None:
        self.asked.append(tuple(jar.artifact for jar in missing))
        for jar in missing:
            if jar.artifact not in self.absent:
                (folder / jar.file).write_bytes(b"?" if jar.artifact in self.wrong else content(jar.artifact))
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault


@pytest.fixture
def shelves(monkeypatch: pytest.MonkeyPatch) -> tuple[Shelf, Shelf]:
    first, second = Shelf(), Shelf()
    monkeypatch.setattr(jars, "RESOLVERS", (("first", first.fetch), ("second", second.fetch)))
    return first, second


def held(cache: Path) -> list[str]:
    return sorted(
        str(file.relative_to(cache)) for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"
    )


def place(name: str) -> str:
    return f"jars/{LOCK.key}/{name}-1.0.jar"


async def test_jars_are_fetched_once_and_given_in_the_order_of_the_lock(
    tmp_path: Path, shelves: tuple[Shelf, Shelf]
) -> None:
    cache = tmp_path / "a cache"
    first = await ensure_jars(cache, LOCK, ENVIRON)
    assert first == tuple(cache / "jars" / LOCK.key / jar.file for jar in LOCK.jars)
    assert [file.read_bytes() for file in first] == [content(jar.artifact) for jar in LOCK.jars]
    assert await ensure_jars(cache, LOCK, ENVIRON) == first
    assert shelves[0].asked == [("broker", "clients", "log")]


async def test_two_starts_at_once_fetch_once(tmp_path: Path, shelves: tuple[Shelf, Shelf]) -> None:
    first, second = await asyncio.gather(ensure_jars(tmp_path, LOCK, ENVIRON), ensure_jars(tmp_path, LOCK, ENVIRON))
    assert first == second
    assert len(shelves[0].asked) == 1


async def test_only_what_is_missing_is_fetched(tmp_path: Path, shelves: tuple[Shelf, Shelf]) -> None:
    (await ensure_jars(tmp_path, LOCK, ENVIRON))[1].unlink()
    await ensure_jars(tmp_path, LOCK, ENVIRON)
    assert shelves[0].asked == [("broker", "clients", "log"), ("clients",)]


@pytest.mark.parametrize(
    "first",
    [
        Shelf(fault=Broken("no route")),
        Shelf(fault=OSError(28, "full")),
        Shelf(absent=("log",)),
        Shelf(wrong=("broker",)),
    ],
)
async def test_when_one_resolver_fails_the_other_is_tried(
    tmp_path: Path, shelves: tuple[Shelf, Shelf], monkeypatch: pytest.MonkeyPatch, first: Shelf
) -> None:
    monkeypatch.setattr(jars, "RESOLVERS", (("first", first.fetch), ("second", shelves[1].fetch)))
    await ensure_jars(tmp_path, LOCK, ENVIRON)
    assert held(tmp_path) == [place("broker"), place("clients"), place("log")]


async def test_a_fetched_jar_with_a_wrong_hash_is_never_kept(tmp_path: Path, shelves: tuple[Shelf, Shelf]) -> None:
    shelves[0].wrong, shelves[1].fault = ("clients",), Broken("not installed.")
    with pytest.raises(Broken) as caught:
        await ensure_jars(tmp_path, LOCK, ENVIRON)
    assert str(caught.value) == (
        "the jars of the Kafka broker could not be fetched (first: clients-1.0.jar has a wrong hash; "
        "second: not installed): look at the network, or set TIDEMARK_JARS to a folder that holds them. "
        "Nothing was kept."
    )
    assert held(tmp_path) == []


async def test_a_jar_that_changed_on_disk_ends_the_start_and_is_removed(
    tmp_path: Path, shelves: tuple[Shelf, Shelf]
) -> None:
    (await ensure_jars(tmp_path, LOCK, ENVIRON))[0].write_bytes(b"something else")
    with pytest.raises(Broken, match=r"broker-1\.0\.jar in .* did not match the hash in jars\.lock and was removed"):
        await ensure_jars(tmp_path, LOCK, ENVIRON)
    assert held(tmp_path) == [place("clients"), place("log")]
    await ensure_jars(tmp_path, LOCK, ENVIRON)
    assert held(tmp_path) == [place("broker"), place("clients"), place("log")]


async def test_a_given_folder_is_checked_and_never_changed(tmp_path: Path, shelves: tuple[Shelf, Shelf]) -> None:
    given = tmp_path / "given jars"
    given.mkdir()
    environ = {**ENVIRON, "TIDEMARK_JARS": str(given)}
    with pytest.raises(
        Broken, match=r"broker-1\.0\.jar and 2 more is not in .*given jars, the folder that TIDEMARK_JARS"
    ):
        await ensure_jars(tmp_path / "cache", LOCK, environ)
    for row in LOCK.jars:
        (given / row.file).write_bytes(content(row.artifact))
    assert await ensure_jars(tmp_path / "cache", LOCK, environ) == tuple(given / row.file for row in LOCK.jars)
    (given / "log-1.0.jar").write_bytes(b"?")
    with pytest.raises(Broken, match=r"log-1\.0\.jar in .* \(TIDEMARK_JARS\) does not match the hash in jars\.lock"):
        await ensure_jars(tmp_path / "cache", LOCK, environ)
    assert (given / "log-1.0.jar").read_bytes() == b"?"
    assert shelves[0].asked == []


async def test_a_cancelled_fetch_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def endless(
        lock: Lock, missing: tuple[Jar, ...], folder: Path, environ: Mapping[str, str], progress: Progress
    ) -> None:
        (folder / "half").write_bytes(b"half")
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(jars, "RESOLVERS", (("endless", endless),))
    task = asyncio.create_task(ensure_jars(tmp_path, LOCK, ENVIRON))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held(tmp_path) == []


def test_the_lock_names_each_jar_once_and_what_the_pom_asks_for() -> None:
    lock = read_lock()
    coordinates = {f"{jar.group}:{jar.artifact}": jar.version for jar in lock.jars}
    assert len({jar.file for jar in lock.jars}) == len(lock.jars) == len(coordinates)
    assert all(len(jar.sha256) == 64 for jar in lock.jars)
    pom = lock.pom.read_text()
    for name in ("org.apache.kafka:kafka_2.13", "org.apache.logging.log4j:log4j-slf4j-impl"):
        group, artifact = name.split(":")
        assert f"<groupId>{group}</groupId>" in pom
        assert f"<artifactId>{artifact}</artifactId>" in pom
        assert f"<version>{coordinates[name]}</version>" in pom


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jgo", "mvn"])
async def test_each_resolver_brings_what_the_lock_names(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "mvn" and jars.shutil.which("mvn") is None:
        pytest.skip("Maven is not installed")
    monkeypatch.setattr(jars, "RESOLVERS", tuple(row for row in jars.RESOLVERS if row[0] == name))
    found = await ensure_jars(tmp_path / "a cache", read_lock(), os.environ)
    assert len(found) == len(read_lock().jars)
