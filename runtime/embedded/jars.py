"""Fetches jars and believes only the lock: `sha256  group:artifact:version`, one line per jar.

Jars are kept once per user, in a folder named after the lock. A jar gets its place there by a rename, after its hash
was compared, so whatever is in the folder was right; one that is not any more is removed and ends the start.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runtime.embedded.errand import errand
from runtime.embedded.home import make_folder, remove_tree
from runtime.embedded.program import Broken, Progress, quiet
from runtime.settings import PROJECT_ROOT

PARTS = Path(__file__).parent / "parts"
FETCH_TIMEOUT_S = 600


@dataclasses.dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


@dataclasses.dataclass(frozen=True)
class Lock:
    """The jars, the file that asks for them, and what they are for."""

    pom: Path
    jars: tuple[Jar, ...]
    purpose: str = "the Kafka broker"
    size: str = "45 MB"

    @property
    def key(self) -> str:
        """Names this very set of jars."""
        return hashlib.sha256("".join(jar.sha256 for jar in self.jars).encode()).hexdigest()[:12]


Resolver = Callable[[Lock, tuple[Jar, ...], Path, Mapping[str, str], Progress], Coroutine[None, None, None]]


def read_lock(folder: Path = PARTS) -> Lock:
    """Reads `jars.lock` beside its `pom.xml`."""
    rows = (line.split() for line in (folder / "jars.lock").read_text(encoding="ascii").splitlines())
    return Lock(folder / "pom.xml", tuple(Jar(sha256, *coordinate.split(":")) for sha256, coordinate in rows))


async def ensure_jars(
    cache: Path, lock: Lock, environ: Mapping[str, str], progress: Progress = quiet
) -> tuple[Path, ...]:
    """The verified files of the lock, in its order, fetched if need be. Raises Broken."""
    if environ.get("TIDEMARK_JARS"):
        return await _given(Path(environ["TIDEMARK_JARS"]), lock)
    folder = cache / "jars" / lock.key
    make_folder(folder)
    async with _one_fetcher(folder.with_suffix(".lock"), progress):
        wrong, missing = await asyncio.to_thread(compare, folder, lock.jars)
        for jar in wrong:
            (folder / jar.file).unlink()
        if wrong:
            raise Broken(
                f"{_names(wrong)} in {folder} did not match the hash in jars.lock and was removed: "
                f"start again to fetch it, and ask who changed it."
            )
        if missing:
            await _fetch(folder, lock, missing, environ, progress)
    return tuple(folder / jar.file for jar in lock.jars)


async def _given(folder: Path, lock: Lock) -> tuple[Path, ...]:
    """The jars of a folder that somebody else filled; nothing there is changed."""
    wrong, missing = await asyncio.to_thread(compare, folder, lock.jars)
    if missing:
        raise Broken(f"{_names(missing)} is not in {folder}, the folder that TIDEMARK_JARS names: put it there.")
    if wrong:
        raise Broken(f"{_names(wrong)} in {folder} (TIDEMARK_JARS) does not match the hash in jars.lock: replace it.")
    return tuple(folder / jar.file for jar in lock.jars)


async def _fetch(
    folder: Path, lock: Lock, missing: tuple[Jar, ...], environ: Mapping[str, str], progress: Progress
) -> None:
    """Tries each resolver in a folder of its own, then moves what was proved right into place."""
    faults = []
    for name, resolver in RESOLVERS:
        beside = folder.with_name(f"{folder.name}.{os.getpid()}")
        progress(f"Fetching {len(missing)} jars of {lock.purpose} with {name} ({lock.size}, once per user) ...")
        try:
            beside.mkdir(mode=0o700)
            await resolver(lock, missing, beside, environ, progress)
            wrong, absent = await asyncio.to_thread(compare, beside, missing)
            if not wrong and not absent:
                for jar in missing:
                    (beside / jar.file).replace(folder / jar.file)
                return
            faults.append(f"{name}: {_names(wrong or absent)} " + ("has a wrong hash" if wrong else "did not come"))
        except Broken as broken:
            faults.append(f"{name}: {broken}".rstrip("."))
        except OSError as error:
            faults.append(f"{name}: {error.strerror}")
        finally:
            remove_tree(beside)
    raise Broken(
        f"the jars of {lock.purpose} could not be fetched ({'; '.join(faults)}): look at the network, "
        f"or set TIDEMARK_JARS to a folder that holds them. Nothing was kept."
    )


async def with_jgo(
    _lock: Lock, missing: tuple[Jar, ...], folder: Path, environ: Mapping[str, str], progress: Progress
) -> None:
    """Needs only Python. The lock names every jar, so nothing is resolved: each is fetched by its coordinate."""
    done = 0

    def count(line: str) -> None:
        nonlocal done
        if line.startswith("fetched "):
            done += 1
            if done % 10 == 0 or done == len(missing):
                progress(f"  {done} of {len(missing)} jars")

    argv = (sys.executable, "-m", "runtime.embedded.jars", str(folder))
    wanted = "".join(f"{jar.group}:{jar.artifact}:{jar.version}\n" for jar in missing)
    outcome = await errand(argv, env=environ, cwd=PROJECT_ROOT, timeout_s=FETCH_TIMEOUT_S, stdin=wanted, on_line=count)
    if outcome.code != 0:
        raise Broken(outcome.last_words())


async def with_maven(
    lock: Lock, _missing: tuple[Jar, ...], folder: Path, environ: Mapping[str, str], _progress: Progress
) -> None:
    """Where Maven is installed: it knows the mirrors of the house, which jgo does not."""
    maven = shutil.which("mvn", path=environ.get("PATH", ""))
    if maven is None:
        raise Broken("not installed")
    argv = (maven, "-B", "-q", "-f", str(lock.pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    outcome = await errand(argv, env=environ, cwd=folder, timeout_s=FETCH_TIMEOUT_S)
    if outcome.code != 0:
        raise Broken(outcome.last_words())


RESOLVERS: tuple[tuple[str, Resolver], ...] = (("jgo", with_jgo), ("mvn", with_maven))


def compare(folder: Path, jars: tuple[Jar, ...]) -> tuple[tuple[Jar, ...], tuple[Jar, ...]]:
    """Which jars are wrong there, and which are missing."""
    missing = tuple(jar for jar in jars if not (folder / jar.file).is_file())
    present = [jar for jar in jars if jar not in missing]
    with ThreadPoolExecutor(max_workers=2) as threads:
        hashes = list(threads.map(lambda jar: _sha256(folder / jar.file), present))
    return tuple(jar for jar, found in zip(present, hashes, strict=True) if found != jar.sha256), missing


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _names(jars: tuple[Jar, ...]) -> str:
    more = f" and {len(jars) - 1} more" if len(jars) > 1 else ""
    return f"{jars[0].file}{more}"


@contextlib.asynccontextmanager
async def _one_fetcher(file: Path, progress: Progress) -> AsyncIterator[None]:
    """Two starts of one user at once fetch once."""
    with file.open("a", encoding="ascii") as stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("Waiting for another start that fetches the same jars ...")
                told = True
                await asyncio.sleep(0.1)
        yield


def _fetch_with_jgo(folder: Path, coordinates: list[str]) -> None:
    """Runs in a process of its own, so that it can be ended at any moment."""
    from jgo.maven import MavenContext  # imported here: it is large, and only a first start needs it

    context = MavenContext(repo_cache=folder / "repository", local_repos=[])

    def fetch(coordinate: str) -> None:
        group, artifact, version = coordinate.split(":")
        path = context.project(group, artifact).at_version(version).artifact().resolve()
        path.replace(folder / path.name)
        sys.stdout.write(f"fetched {coordinate}\n")
        sys.stdout.flush()

    with ThreadPoolExecutor(max_workers=8) as threads:
        futures = [threads.submit(fetch, coordinate) for coordinate in coordinates]
        try:
            for future in futures:
                future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


if __name__ == "__main__":
    _fetch_with_jgo(Path(sys.argv[1]), sys.stdin.read().split())
