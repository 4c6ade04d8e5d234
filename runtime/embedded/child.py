"""Keeps one program running: start it, probe it until it is ready, start it again when it ends, stop it in time.

A child that ends is started again for as long as we run; only one that was never ready fails the start, with the
reason and the last lines of its log.
"""

import asyncio
import dataclasses
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from mode import Service

from runtime.embedded import life, runfiles
from runtime.embedded.home import Home
from runtime.embedded.life import Life
from runtime.embedded.logfiles import LogFile, stamp
from runtime.embedded.program import RESTARTS, Broken, Command, NotReady, Program, Progress, quiet
from runtime.embedded.runfiles import RunFile, State

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
FIRST_PROBE_PAUSE_S = 0.02
LONGEST_PROBE_PAUSE_S = 0.5
LIVES_OF_A_FIRST_START = 3
STILL_WAITING_EVERY_S = 5.0
LINES_IN_A_MESSAGE = 8
NAME = "supervisor"

_log = logging.getLogger(__name__)


class Backoff:
    """The pause before the next start: it doubles, and starts afresh once a child was ready for a while."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def pause_s(self, was_ready_for_s: float) -> float:
        """The pause after a life that was ready for so long."""
        pause_s = FIRST_PAUSE_S if was_ready_for_s >= HEALTHY_AFTER_S else self._next_s
        self._next_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s


def _counted(command: Command, restarts: int) -> Command:
    return dataclasses.replace(command, env={**command.env, RESTARTS: str(restarts)})


class Child(Service):
    """One program under the supervisor. Its start returns when it is ready, or raises Broken."""

    abstract = False
    mundane_level = "debug"

    def __init__(
        self,
        program: Program,
        home: Home,
        *,
        ready_timeout_s: float,
        progress: Progress = quiet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.name = program.name
        self.log_file = LogFile(home.logs / f"{program.name}.log")
        self.stop_within_s = float("inf")  # who stops us may have less time than the command asks for
        self.restarts = 0
        self._program = program
        self._home = home
        self._ready_timeout_s = ready_timeout_s
        self._progress = progress
        self._clock = clock
        self._life: Life | None = None
        self._first_ready = asyncio.Event()
        self._ready_since: float | None = None
        self._why_not = "it has not been asked yet"
        self._ended: str | None = None

    @property
    def label(self) -> str:
        return self.name

    @property
    def running(self) -> Life | None:
        """The present life, unless it is over."""
        return None if self._life is None or self._life.over else self._life

    async def on_start(self) -> None:
        """Returns when the child is ready for the first time."""
        self._note(State.STARTING)
        await self._program.prepare()
        keeper = self.add_future(self._keep())
        first_ready = asyncio.ensure_future(self._first_ready.wait())
        try:
            await self._wait_for_either(first_ready, keeper)
        finally:
            first_ready.cancel()
        if not self._first_ready.is_set() and not self.should_stop:
            tries = f"in {self.restarts} attempts: it {self._ended}"
            raise Broken(f"{self.name} did not get ready {tries}.{self._last_lines()}")

    async def _wait_for_either(self, *futures: asyncio.Future[Any]) -> None:
        """Says now and then what it waits for; raises Broken when that takes too long."""
        deadline = self._clock() + self._ready_timeout_s
        while (left_s := deadline - self._clock()) > 0:
            pause_s = min(left_s, STILL_WAITING_EVERY_S)
            done, _ = await asyncio.wait(futures, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            self._progress(f"{self.name} is not ready yet: {self._why_not}")
        late = f"was not ready within {self._ready_timeout_s:g} s: {self._why_not}"
        raise Broken(f"{self.name} {late}.{self._last_lines()}")

    async def on_stop(self) -> None:
        """Asks, waits, kills. The keeper sees that we stop, and ends."""
        if (running := self.running) is not None:
            self._note(State.STOPPING)
            limit_s = min(self._command.stop_timeout_s, self.stop_within_s)
            if not await running.stop(self._command.stop_signal, limit_s):
                _log.warning("%s did not stop within %.1f s and was killed", self.name, limit_s)
        self._home.forget_child(self.name)
        self._note(State.DOWN)

    async def _keep(self) -> None:
        """Life after life, until we stop, or until a first start has failed often enough."""
        backoff = Backoff()
        while not self._stopping():
            self._ended = await self._live()
            if self._stopping():
                return
            self.restarts += 1
            if not self._first_ready.is_set() and self.restarts >= LIVES_OF_A_FIRST_START:
                return
            pause_s = backoff.pause_s(0 if self._ready_since is None else self._clock() - self._ready_since)
            self._note(State.RESTARTING)
            self._say(f"{self._ended}; it starts again in {pause_s:g} s")
            self._progress(
                f"{self.name} {self._ended}; it starts again in {pause_s:g} s. See `tidemark logs {self.name}`."
            )
            _log.warning("%s %s; it starts again in %g s.%s", self.name, self._ended, pause_s, self._last_lines())
            await self.sleep(pause_s)

    def _stopping(self) -> bool:
        return self.should_stop  # a property that changes while we wait, which a type checker does not expect

    async def _live(self) -> str:
        """One life, from its start to its end; returns how it ended, in words."""
        self._ready_since = None
        try:
            self._life = self._start()
        except Broken as error:
            return f"could not be started ({error})"
        ending = asyncio.create_task(self._life.ended())
        probing = asyncio.create_task(self._probe_until_ready())
        try:
            await asyncio.wait({ending, probing}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await probing  # a fault of ours in there is raised here
            return life.in_words(await ending)
        finally:
            probing.cancel()
            ending.cancel()

    def _start(self) -> Life:
        self.log_file.rotate_if_large()
        log = self.log_file.open()
        try:
            self._command = _counted(self._program.command(), self.restarts)
            new = life.start(self._command, log)
        finally:
            os.close(log)
        self._home.remember_child(self.name, new.pid)
        self._note(State.STARTING)
        self._say(f"started with process id {new.pid}")
        return new

    async def _probe_until_ready(self) -> None:
        pause_s = FIRST_PROBE_PAUSE_S
        while True:
            try:
                await self._program.probe()
                break
            except NotReady as reason:
                self._why_not = str(reason)
            await asyncio.sleep(pause_s)
            pause_s = min(1.5 * pause_s, LONGEST_PROBE_PAUSE_S)
        self._ready_since = self._clock()
        self._first_ready.set()
        self._note(State.READY)
        self._progress(f"{self.name} is ready" + (f" at {self._program.address}" if self._program.address else ""))
        _log.info("%s is ready", self.name)

    def _note(self, state: State) -> None:
        file = RunFile(
            name=self.name, state=state, address=self._program.address, restarts=self.restarts, reason=self._ended
        )
        runfiles.write(self._home, file)

    def _say(self, line: str) -> None:
        """Marks the child's own log, so that a reader sees where one life ends."""
        self.log_file.say(f"{stamp()} {NAME}: {self.name} {line}")

    def _last_lines(self) -> str:
        """What the last life said last, without the supervisor's own lines."""
        lines = self.log_file.last_lines(LINES_IN_A_MESSAGE + 2)
        starts = [number for number, line in enumerate(lines) if f" {NAME}: {self.name} started" in line]
        said = [line for line in lines[starts[-1] if starts else 0 :] if f" {NAME}: {self.name} " not in line]
        if not said:
            return f" It wrote nothing to {self.log_file.path}."
        return f" The last lines of {self.log_file.path}:" + "".join(f"\n    {line}" for line in said)
