"""The tree of services under one `tidemark up`: stages of children, started one after another, stopped in reverse.

Nothing here knows what a program is for. A start that fails, or is broken off, stops whatever it had started; a stop
fits into its time, whoever hangs, and being asked twice changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from mode import Service

from runtime.embedded import runfiles
from runtime.embedded.child import NAME, Child
from runtime.embedded.home import Home
from runtime.embedded.logfiles import LogFile
from runtime.embedded.program import Broken, Progress, quiet
from runtime.embedded.runfiles import RunFile, State

STOP_WITHIN_S = 9.0  # of the ten that are promised
RESERVED_PER_STAGE_S = 2.5  # a stage that hangs leaves at least this to each that stops after it
RESERVED_PER_GROUP_S = 2.5  # and so does a group inside a stage
ROTATE_EVERY_S = 10.0

_log = logging.getLogger(__name__)


class Step:
    """Work between two stages, done once per start: migrations, topics, demo data."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self.work = work


class Stage(Service):
    """Children that start side by side; they stop in groups, the last group first."""

    abstract = False
    mundane_level = "debug"

    def __init__(self, name: str, *groups: Sequence[Child]) -> None:
        super().__init__()
        self.name = name
        self.groups = groups
        self.children = tuple(child for group in groups for child in group)
        self._stop_within_s = STOP_WITHIN_S

    @property
    def label(self) -> str:
        return self.name

    async def on_start(self) -> None:
        """Returns when all are ready; the first that cannot be ends the wait for the others."""
        try:
            async with asyncio.TaskGroup() as group:
                for child in self.children:
                    group.create_task(self.add_runtime_dependency(child), name=child.name)
        except BaseExceptionGroup as several:
            broken, others = several.split(Broken)
            if others is not None or broken is None:
                raise
            raise Broken("\n".join(_sentences(broken))) from None

    async def on_stop(self) -> None:
        """Each group may take what the ones behind it do not need."""
        deadline = time.monotonic() + self._stop_within_s
        for behind in range(len(self.groups) - 1, -1, -1):
            left_s = deadline - time.monotonic() - RESERVED_PER_GROUP_S * behind
            for child in self.groups[behind]:
                child.stop_within_s = max(left_s, 0.1)
            await asyncio.gather(*(child.stop() for child in self.groups[behind]))

    def stop_within(self, seconds: float) -> None:
        """The stop that follows may take so long."""
        self._stop_within_s = seconds


def _sentences(several: BaseExceptionGroup) -> Iterator[str]:
    """Of all that is broken, however deep it is wrapped."""
    for error in several.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _sentences(error)
        else:
            yield str(error)


class Supervisor(Service):
    """The root. Its start returns when all is ready; `tidemark up` waits until it is told to stop, or it crashes."""

    abstract = False
    mundane_level = "debug"

    def __init__(self, home: Home, plan: Sequence[Stage | Step], *, progress: Progress = quiet) -> None:
        super().__init__()
        self._home = home
        self._plan = tuple(plan)
        self._progress = progress
        self._begun: list[Stage] = []

    @property
    def label(self) -> str:
        return NAME

    async def on_start(self) -> None:
        self._note(State.STARTING)
        for part in self._plan:
            if self.should_stop:
                return
            if isinstance(part, Step):
                await part.work()
            else:
                self._begun.append(part)
                await self.add_runtime_dependency(part)
        self._note(State.READY)

    async def on_stop(self) -> None:
        """The last to start is the first to stop; each stage may take what the later ones do not need."""
        self._note(State.STOPPING)
        deadline = time.monotonic() + STOP_WITHIN_S
        for index in range(len(self._begun) - 1, -1, -1):
            left_s = deadline - time.monotonic() - RESERVED_PER_STAGE_S * index
            self._begun[index].stop_within(max(left_s, 0.1))
            await self._begun[index].stop()
        runfiles.clear(self._home)

    @Service.timer(ROTATE_EVERY_S)
    async def _rotate_logs(self) -> None:
        rotate_logs(self._home)

    def _note(self, state: State) -> None:
        runfiles.write(self._home, RunFile(name=NAME, state=state))


def rotate_logs(home: Home) -> None:
    """All logs of the home, the supervisor's own among them."""
    for path in home.logs.glob("*.log"):
        try:
            LogFile(path).rotate_if_large()
        except OSError as error:  # a full disk is not made emptier by ending the exchange
            _log.error("%s cannot be rotated: %s", path, error.strerror)


async def run(supervisor: Supervisor, told_to_stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    """From start to stop. Raises Broken when the start failed, and whatever made a service crash."""
    starting = asyncio.create_task(supervisor.start())
    telling = asyncio.create_task(told_to_stop.wait())
    try:
        await asyncio.wait({starting, telling}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            if not supervisor.should_stop:
                on_ready()
            crashing = asyncio.create_task(supervisor.wait_until_stopped())
            await asyncio.wait({crashing, telling}, return_when=asyncio.FIRST_COMPLETED)
            crashing.cancel()
    finally:
        for task in (starting, telling):
            task.cancel()
        await asyncio.wait({starting, telling})
        await supervisor.stop()
    if supervisor.crash_reason is not None:
        raise supervisor.crash_reason
