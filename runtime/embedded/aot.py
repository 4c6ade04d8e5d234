"""The broker's start, remembered: a file of loaded classes and profiles, which halves the work of every later start.

It is trained once per Java and set of jars, in the background after a first start is ready, on a broker of its own in
a throw-away folder. It is never needed: without it, or with one that Java does not like, the broker starts as always.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from runtime.embedded.errand import errand, started
from runtime.embedded.home import make_folder, remove_tree
from runtime.embedded.java import Java
from runtime.embedded.program import Broken, Command, NotReady, Program

DELAY_S = 30.0  # the programs that start after the broker have the machine first
TIMEOUT_S = 300.0
POLL_S = 0.2
REHEARSALS = 20  # a record there and back: what a broker does most is remembered as well

_log = logging.getLogger(__name__)

Broker = Callable[[Path, tuple[str, ...]], Program]
"""Makes a broker with a home in the folder and additional switches for Java."""


@dataclasses.dataclass(frozen=True)
class Archive:
    """The file for one Java, one set of jars and one set of switches."""

    file: Path
    possible: bool

    @staticmethod
    def of(cache: Path, java: Java, jars: tuple[Path, ...], switches: tuple[str, ...]) -> "Archive":
        parts = (str(java.binary), java.version, *map(str, jars), *switches)
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return Archive(cache / "aot" / f"kafka-{key}.aot", java.can_cache)

    def switches(self) -> tuple[str, ...]:
        """For a start: use the file if it is there. What Java says against it is no concern of the log."""
        return (f"-XX:AOTCache={self.file}", "-Xlog:aot=off,cds=off") if self.possible and self.file.exists() else ()


async def train_later(archive: Archive, broker: Broker) -> None:
    """Trains the archive if it is missing; a failure is logged and changes nothing."""
    if not archive.possible or archive.file.exists():
        return
    await asyncio.sleep(DELAY_S)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await train(archive, broker)
    except TimeoutError:
        _log.warning("the broker's start could not be remembered within %.0f s; it starts as before", TIMEOUT_S)
    except (Broken, NotReady, OSError) as error:
        _log.warning("the broker's start could not be remembered (%s); it starts as before", error)


async def train(archive: Archive, broker: Broker) -> None:
    """Runs a broker once in a throw-away folder, lets Java write down what it did, and moves the file into place."""
    make_folder(archive.file.parent)
    folder = archive.file.with_suffix(".training")
    with _only_one(archive.file.with_suffix(".lock")) as mine:
        if not mine or archive.file.exists():
            return
        try:
            remove_tree(folder)
            make_folder(folder)
            await _record_and_create(archive, broker, folder)
        finally:
            remove_tree(folder)


async def _record_and_create(archive: Archive, broker: Broker, folder: Path) -> None:
    notes, result = folder / "notes", folder / "result"
    recording = broker(
        folder / "home", ("-XX:AOTMode=record", f"-XX:AOTConfiguration={notes}", "-Xlog:aot=off,cds=off")
    )
    await recording.prepare()
    await _rehearse(recording)
    command = broker(folder / "home", ("-XX:AOTMode=create", f"-XX:AOTConfiguration={notes}", f"-XX:AOTCache={result}"))
    await command.prepare()
    outcome = await _errand_of(command.command())
    if outcome is not None:
        raise Broken(outcome)
    result.replace(archive.file)


async def _errand_of(command: Command) -> str | None:
    outcome = await errand(_gently(command.argv), env=command.env, cwd=command.cwd, timeout_s=TIMEOUT_S)
    return None if outcome.code == 0 else outcome.last_words()


async def _rehearse(broker: Program) -> None:
    """Start, serve a little, stop in order: Java writes its notes when it ends."""
    command = broker.command()
    async with started(_gently(command.argv), env=command.env, cwd=command.cwd) as child:
        assert child.stdout is not None
        drain = asyncio.create_task(child.stdout.read())
        try:
            while not await _serves(broker):
                if child.returncode is not None:
                    raise Broken("the broker to learn from did not start")
                await asyncio.sleep(POLL_S)
            for _ in range(REHEARSALS):
                await broker.probe()
            child.send_signal(command.stop_signal)
            await child.wait()
        finally:
            drain.cancel()


async def _serves(broker: Program) -> bool:
    try:
        await broker.probe()
    except NotReady:
        return False
    return True


def _gently(argv: tuple[str, ...]) -> tuple[str, ...]:
    """With what the machine has left."""
    nice = shutil.which("nice")
    return (nice, "-n", "19", *argv) if nice else argv


@contextlib.contextmanager
def _only_one(file: Path) -> Iterator[bool]:
    """Whether nobody else trains the same archive now."""
    with file.open("a", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
