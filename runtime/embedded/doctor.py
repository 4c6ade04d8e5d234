"""Looks for everything that would stop a start, all at once, and says for each what is wrong and what mends it.

A check changes nothing and does not stop at what another check found. The quick ones precede every start.
"""

import asyncio
import dataclasses
import importlib.util
import os
import resource
import shlex
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from runtime.embedded.home import Home, port_in_use
from runtime.embedded.listeners import listener
from runtime.embedded.processes import API, ROWS, exists
from runtime.embedded.program import Broken
from runtime.settings import Settings

FREE_DISK_BYTES = 1 << 30
FREE_MEMORY_BYTES = 600 << 20
OPEN_FILES = 1024
INSTALL = "make install"
SERVER_PORTS = ("kafka", "kafka_controller", "postgres", "valkey")


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and the command that mends it."""

    name: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what} Mend it by: {self.mend}"


def examine_quickly(settings: Settings, home: Home, *, servers_only: bool = False) -> list[Problem]:
    """What can be seen without starting anything: a few milliseconds. The holder of the lock may ask."""
    checks = (_folder, _path, _disk, _memory, _open_files, _ports_of_servers)
    found = [problem for check in checks for problem in check(settings, home)]
    return found if servers_only else [*found, *_port_of_api(settings, home)]


async def examine(settings: Settings, home: Home) -> list[Problem]:
    """Everything. The slow checks run side by side."""
    slow = (_java, _jars, _packages, _postgres_folder, _postgres_as_root, _external)
    found = await asyncio.gather(*(_collect(check(settings, home)) for check in slow))
    return [*_lock(home), *examine_quickly(settings, home), *(problem for problems in found for problem in problems)]


async def _collect(problems: AsyncIterator[Problem]) -> list[Problem]:
    return [problem async for problem in problems]


def _lock(home: Home) -> Iterator[Problem]:
    if (holder := home.holder()) is not None:
        yield Problem("lock", f"{home.path} is held by the supervisor with process id {holder}.", f"kill {holder}")


def _folder(_settings: Settings, home: Home) -> Iterator[Problem]:
    there = _nearest(home.path)
    mend = "set TIDEMARK_HOME to a folder of yours"
    if not there.is_dir():
        yield Problem("folder", f"{there} is not a folder, so {home.path} cannot be one inside it.", mend)
    elif (reason := _why_not_writable(there)) is not None:
        what = f"{there} cannot be written to ({reason})."
        yield Problem("folder", what, f"sudo chown {os.getuid()} {_quoted(there)}, or {mend}")


def _path(_settings: Settings, home: Home) -> Iterator[Problem]:
    if os.pathsep in str(home.cache):
        what = f"The path {home.cache} has a {os.pathsep!r} in it, which Java takes for the end of a path."
        yield Problem("path", what, "set XDG_CACHE_HOME to another folder")
    try:
        os.fsencode(home.path).decode("utf-8")
    except UnicodeError:
        yield Problem("locale", f"{home.path!r} is not UTF-8 in this locale.", "export LC_ALL=C.UTF-8")


def _disk(_settings: Settings, home: Home) -> Iterator[Problem]:
    there = _nearest(home.path)
    if there.is_dir() and (free := shutil.disk_usage(there).free) < FREE_DISK_BYTES:
        what = f"Only {free >> 20} MB are free under {there}, and {FREE_DISK_BYTES >> 20} MB are needed."
        yield Problem("disk", what, f"make room there, or set TIDEMARK_HOME to another disk (df -h {_quoted(there)})")


def _memory(settings: Settings, _home: Home) -> Iterator[Problem]:
    if settings.kafka_bootstrap is None and (free := free_memory()) is not None and free < FREE_MEMORY_BYTES:
        what = f"Only {free >> 20} MB of memory are free, and {FREE_MEMORY_BYTES >> 20} MB are needed."
        yield Problem("memory", what, "end something large (ps aux --sort=-rss | head)")


def free_memory(proc: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that can be had without swapping, within the limit of our control group; None where nobody says."""
    if not proc.exists():
        return None
    fields = dict(line.split(":", 1) for line in proc.read_text(encoding="ascii").splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = (_number(group / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, limit - used)


def _number(path: Path) -> int | None:
    text = path.read_text(encoding="ascii").strip() if path.exists() else ""
    return int(text) if text.isdigit() else None


def _open_files(_settings: Settings, _home: Home) -> Iterator[Problem]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        mend = (
            f"ulimit -n {OPEN_FILES}" if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES else "ask root for more"
        )
        yield Problem("open files", f"A process may open only {soft} files, and {OPEN_FILES} are needed.", mend)


def _ports_of_servers(_settings: Settings, home: Home) -> Iterator[Problem]:
    kept = home.ports() if os.access(home.path / "ports.json", os.R_OK) and not _in_use_by_us(home) else {}
    for name in SERVER_PORTS:
        if name in kept and port_in_use(port := kept[name]):
            what = f"Port {port}, kept for {name}, is taken by {listener(port) or 'another program'}."
            yield Problem("port", what, f"stop it, or choose new ports: rm {_quoted(home.path / 'ports.json')}")


def _port_of_api(settings: Settings, home: Home) -> Iterator[Problem]:
    planned = exists(next(row for row in ROWS if row.name == API))
    if planned and not _in_use_by_us(home) and port_in_use(settings.port):
        what = f"Port {settings.port} of the API is taken by {listener(settings.port) or 'another program'}."
        yield Problem("port", what, "stop it, or set TIDEMARK_PORT to a free port")


def _in_use_by_us(home: Home) -> bool:
    """By the children of the supervisor that runs, or by what one left behind and is still ending."""
    return bool(home.former_children()) or (home.holder() or os.getpid()) != os.getpid()


async def _java(settings: Settings, _home: Home) -> AsyncIterator[Problem]:
    from runtime.embedded.java import find_java, packaged_java

    if settings.kafka_bootstrap is None:
        try:
            await find_java(os.environ, packaged=packaged_java())
        except Broken as error:
            yield Problem("java", _sentence(error), INSTALL)


async def _jars(settings: Settings, home: Home) -> AsyncIterator[Problem]:
    """A jar that is missing is fetched by the start; a wrong one is not believed."""
    from runtime.embedded.jars import compare, read_lock

    if settings.kafka_bootstrap is not None:
        return
    lock = read_lock()
    given = os.environ.get("TIDEMARK_JARS")
    folder = Path(given) if given else home.cache / "jars" / lock.key
    wrong, missing = await asyncio.to_thread(compare, folder, lock.jars)
    for file in (folder / jar.file for jar in wrong):
        yield Problem("jar", f"{file} does not match its hash in jars.lock.", f"rm {_quoted(file)}")
    if missing and given:
        what = f"{missing[0].file} and {len(missing) - 1} more are not in {folder}, the folder of TIDEMARK_JARS."
        yield Problem("jar", what, "put them there, or unset TIDEMARK_JARS")
    elif missing and importlib.util.find_spec("jgo") is None and shutil.which("mvn") is None:
        yield Problem("jar", "Kafka's jars are missing, and neither jgo nor mvn is there to fetch them.", INSTALL)


async def _packages(settings: Settings, _home: Home) -> AsyncIterator[Problem]:
    """The servers' own programs are there for this machine."""
    from runtime.embedded.postgres import postgres_binary
    from runtime.embedded.valkey import valkey_binary

    wanted: list[Callable[[], Path]] = []
    if settings.postgres_host is None:
        wanted.append(lambda: postgres_binary("postgres"))
    if settings.redis_host is None:
        wanted.append(valkey_binary)
    for find in wanted:
        try:
            if not (binary := find()).is_file():
                raise Broken(f"{binary} is missing.")
        except Broken as error:
            yield Problem("package", _sentence(error), INSTALL)


async def _postgres_folder(settings: Settings, home: Home) -> AsyncIterator[Problem]:
    from runtime.embedded.postgres import postgres_major

    version = home.data / "postgres" / "PG_VERSION"
    if settings.postgres_host is not None or not version.exists():
        return
    found, ours = version.read_text(encoding="ascii").strip(), postgres_major()
    if found != ours:
        what = f"{version.parent} was made by PostgreSQL {found}, and this is {ours}."
        mend = (
            f"save it with PostgreSQL {found} (pg_dumpall > books.sql), mv {_quoted(version.parent)} elsewhere, restore"
        )
        yield Problem("data", what, mend)


async def _postgres_as_root(settings: Settings, home: Home) -> AsyncIterator[Problem]:
    from runtime.embedded.postgres import postgres_binary
    from runtime.embedded.roads import choose_road

    there = _nearest(home.path)
    if settings.postgres_host is not None or os.geteuid() != 0 or _why_not_writable(there) is not None:
        return
    with tempfile.TemporaryDirectory(dir=there) as folder:  # a road may open the folder it is tried on
        try:
            await choose_road(postgres_binary("postgres"), Path(folder))
        except Broken as error:
            yield Problem("root", _sentence(error), "start as another user (su -c 'make run' USER)")


async def _external(settings: Settings, _home: Home) -> AsyncIterator[Problem]:
    from runtime.embedded.servers import check_external

    for fault in await check_external(settings):
        yield Problem("external server", fault, "correct the address in config.env or the environment, or remove it")


def _why_not_writable(folder: Path) -> str | None:
    """Found out by writing: the bits of a folder say nothing of a disk that is full or read-only."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return None


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(one for one in (path, *path.parents) if one.exists())


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _sentence(error: Broken) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
