"""What runs now: the words of the supervisor, checked against the system and against the process itself.

A row per process, whatever is down. Nothing is changed, and no client library is imported, so asking is cheap.
"""

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable

from runtime.embedded import ask, runfiles
from runtime.embedded.home import LOOPBACK, Home
from runtime.embedded.knock import knock_kafka, knock_postgres, knock_valkey
from runtime.embedded.processes import API, ROWS, api_address, exists
from runtime.embedded.program import NotReady
from runtime.embedded.runfiles import RunFile, State
from runtime.settings import Settings

SUPERVISOR = "supervisor"
Knock = Callable[[Settings], Awaitable[None]]
LAG_METRIC, NEXT_METRIC = "tidemark_lag_records", "tidemark_next_offset"
SAMPLE = re.compile(r'(\w+)\{partition="(\w+)",topic="([^"]+)"\} (\S+)')
ORDER = (
    SUPERVISOR, "kafka", "postgres", "valkey",
    "api", "matching", "wallet", "marketdata", "settlement", "desk", "exchange",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Followed:
    """A partition that a process follows: `next` is the first offset that it has not applied, `lag` how many wait.

    The desk follows no partition but the books: it has a lag only.
    """

    topic: str
    partition: int | None
    next: int | None
    lag: int


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One process. `restarts` counts its lives since the supervisor's start; `lag` is the number of records that it has
    not applied yet, where it says so: the sum of its partitions'."""

    name: str
    pid: int | None
    state: State
    address: str | None
    lag: int | None = None
    partitions: tuple[Followed, ...] = ()
    restarts: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What can be learned without asking a process: the files of the home, and which processes live."""

    settings: Settings
    supervisor: int | None
    files: dict[str, RunFile]
    pids: dict[str, int]
    ports: dict[str, int]

    def address(self, name: str) -> str | None:
        if name in self.files:
            return self.files[name].address
        return f"{LOOPBACK}:{self.ports[name]}" if name in self.ports else None

    def state(self, name: str) -> State:
        """By the supervisor's word, where its word can still be true."""
        if self.supervisor is None:
            return State.STOPPING if name in self.pids else State.DOWN
        state = self.files[name].state if name in self.files else State.DOWN
        return State.RESTARTING if state is State.READY and name not in self.pids else state


async def rows(settings: Settings) -> list[Row]:
    """All rows, in the order of `ORDER`; further instances stand behind the first."""
    known = _look(settings)
    own = [row.name for row in ROWS if exists(row)]
    own += [name for name in known.files if name not in ORDER and name.rpartition("-")[0] in own]
    asked = [_server_row(known, *server) for server in _servers(settings)] + [_own_row(known, name) for name in own]
    found = [_supervisor_row(known), *await asyncio.gather(*asked)]
    return sorted((_counted(row, known) for row in found), key=lambda row: _place(row.name))


def _counted(row: Row, known: Known) -> Row:
    file = known.files.get(row.name)
    return row if file is None else dataclasses.replace(row, restarts=file.restarts)


def all_ready(found: list[Row]) -> bool:
    return all(row.state is State.READY for row in found)


def _look(settings: Settings) -> Known:
    home = Home(settings.home)
    started = (home.path / "secrets.json").exists()
    return Known(
        settings=home.resolve(settings) if started else settings,
        supervisor=home.holder(),
        files=runfiles.read(home),
        pids=home.former_children(),
        ports=home.ports() if started else {},
    )


def _servers(settings: Settings) -> list[tuple[str, str | None, Knock]]:
    """Name, the address that was given for it if one was, and how to ask it."""
    postgres = f"{settings.postgres_host}:{settings.postgres_port}" if settings.postgres_host else None
    valkey = f"{settings.redis_host}:{settings.redis_port}" if settings.redis_host else None
    return [
        ("kafka", settings.kafka_bootstrap, knock_kafka),
        ("postgres", postgres, knock_postgres),
        ("valkey", valkey, knock_valkey),
    ]


def _supervisor_row(known: Known) -> Row:
    if known.supervisor is None:
        return Row(SUPERVISOR, None, State.DOWN, None)
    state = known.files[SUPERVISOR].state if SUPERVISOR in known.files else State.STARTING
    return Row(SUPERVISOR, known.supervisor, state, None)


async def _server_row(known: Known, name: str, given: str | None, knock: Knock) -> Row:
    if given is not None:
        return Row(name, None, State.READY if await _answers(knock(known.settings)) else State.DOWN, given)
    state = known.state(name)
    if state is State.READY and not await _answers(knock(known.settings)):
        state = State.NOT_READY
    return Row(name, known.pids.get(name), state, known.address(name))


async def _own_row(known: Known, name: str) -> Row:
    """A process that somebody started by hand is asked as well: it has an address, though no supervisor."""
    state, address = known.state(name), known.address(name)
    if name == API and address is None:
        address = api_address(known.settings)
    if address is None or state not in (State.READY, State.DOWN):
        return Row(name, known.pids.get(name), state, address)
    if await _answers(_is_ready(address)):
        followed = await _followed(address)
        lag = sum(one.lag for one in followed) if followed else None
        return Row(name, known.pids.get(name), State.READY, address, lag, followed)
    return Row(name, known.pids.get(name), State.DOWN if state is State.DOWN else State.NOT_READY, address)


async def _is_ready(address: str) -> None:
    status, _ = await ask.get(address, "/ready")
    if status != 200:
        raise NotReady(f"{address} answered {status}")


async def _answers(question: Awaitable[None]) -> bool:
    try:
        await question
    except NotReady:
        return False
    return True


async def _followed(address: str) -> tuple[Followed, ...]:
    """What a process follows, by its metrics; nothing where it follows nothing, or does not say."""
    try:
        status, text = await ask.get(address, "/metrics")
    except NotReady:
        return ()
    return followed(text) if status == 200 else ()


def followed(exposition: str) -> tuple[Followed, ...]:
    """The partitions in a page of metrics, in order."""
    values: dict[str, dict[tuple[str, str], int]] = {LAG_METRIC: {}, NEXT_METRIC: {}}
    for metric, partition, topic, value in SAMPLE.findall(exposition):
        if metric in values:
            values[metric][topic, partition] = int(float(value))
    found = [
        Followed(
            topic, int(partition) if partition.isdigit() else None, values[NEXT_METRIC].get((topic, partition)), lag
        )
        for (topic, partition), lag in values[LAG_METRIC].items()
    ]
    return tuple(sorted(found, key=lambda one: (one.topic, -1 if one.partition is None else one.partition)))


def _place(name: str) -> tuple[int, str]:
    first = name if name in ORDER else name.rpartition("-")[0]
    return (ORDER.index(first) if first in ORDER else len(ORDER), name)
