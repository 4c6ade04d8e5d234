"""An event loop that one seed drives: it decides who runs next, when time passes, and who dies between two steps.

The processes of the exchange are groups of tasks in this loop, told apart by a context variable. A killed one never
runs again, a frozen one keeps its steps until it thaws. So the real coroutines of the journal run in it unchanged.
"""

import asyncio
import contextvars
import heapq
import random
from asyncio import events
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

STEP_SECONDS = 0.0002
PROCESS: contextvars.ContextVar["Process"] = contextvars.ContextVar("process")


class Killed(BaseException):
    """Unwinds the step in which a process dies; nothing of the product may catch it."""


class Step:
    """One callback of one process; a timer is one that waits for its time."""

    __slots__ = ("_when", "arguments", "callback", "canceled", "context", "process")

    def __init__(self, callback, arguments, context, process, when=0.0):
        self.callback = callback
        self.arguments = arguments
        self.context = context
        self.process = process
        self.canceled = False
        self._when = when

    def cancel(self):
        self.canceled = True

    def cancelled(self):
        return self.canceled

    def when(self):
        return self._when


class Process:
    """One process of the exchange, or the world outside, which never dies. `fuse` is how many steps it has to live."""

    def __init__(self, loop: "Loop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.alive = True
        self.frozen = False
        self.why = ""
        self.fuse: int | None = None
        self.point: tuple[str, int] | None = None
        self.ready: deque[Step] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.at_end: list[Callable[[], None]] = []
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        loop.processes.append(self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.loop.create_task(work, context=self.context.copy())
        if self is self.loop.outside:
            task.add_done_callback(self.loop.must_be_well)
        return task

    def die(self, why: str) -> NoReturn:
        """From inside, in the middle of a step."""
        self.alive = False
        self.why = why
        raise Killed(why)

    def check(self) -> None:
        """What is left of a killed process does nothing more to the world."""
        if not self.alive:
            raise Killed(self.why)


class Loop(asyncio.AbstractEventLoop):
    """As much of an event loop as the exchange's coroutines use."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng
        self.now = 0.0
        self.steps = 0
        self.processes: list[Process] = []
        self.points: Counter[str] = Counter()
        self.ended: Callable[[Process], None] = lambda process: None
        self.stopped: BaseException | None = None
        self._timers: list[tuple[float, int, Step]] = []
        self._timer_number = 0
        self.outside = Process(self, "outside")

    # --- what coroutines ask of their loop ---

    def time(self):
        return self.now

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None, **_):
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False
        process = PROCESS.get(self.outside) if context is None else context.get(PROCESS, self.outside)
        process.tasks.append(task)
        if len(process.tasks) > 64:
            process.tasks = [one for one in process.tasks if not one.done()]
        return task

    def call_soon(self, callback, *args, context=None):
        context = context or contextvars.copy_context()
        process = context.get(PROCESS, self.outside)
        step = Step(callback, args, context, process)
        if process.alive:
            process.ready.append(step)
        return step

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        context = context or contextvars.copy_context()
        step = Step(callback, args, context, context.get(PROCESS, self.outside), when)
        self._timer_number += 1
        heapq.heappush(self._timers, (when, self._timer_number, step))
        return step

    def call_exception_handler(self, context):
        """A future that failed and was left alone: whoever made it has died."""

    # --- what the simulation does with it ---

    def stop(self, error: BaseException) -> NoReturn:
        """Something is proved wrong: the run ends here."""
        self.stopped = self.stopped or error
        raise Killed(str(error))

    def must_be_well(self, task: asyncio.Task[Any]) -> None:
        """The world outside has no faults of its own."""
        if (error := task.exception()) is not None:
            self.stop(error)

    def step(self) -> bool:
        """Runs one step of one process; False when nothing is left to do."""
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            step = heapq.heappop(timers)[2]
            if step.process.alive and not step.canceled:
                step.process.ready.append(step)
        ready = [process for process in self.processes if process.ready and not process.frozen]
        if not ready:
            if not timers:
                return False
            self.now = timers[0][0]
            return True
        process = ready[int(self.random.random() * len(ready))]
        step = process.ready.popleft()
        if not step.canceled:
            self._run(process, step)
        return True

    def _run(self, process: Process, step: Step) -> None:
        self.steps += 1
        self.now += STEP_SECONDS
        if process.fuse is not None:
            process.fuse -= 1
            if process.fuse < 0:
                self.kill(process, "between two steps")
                return
        with suppress(Killed):
            step.context.run(step.callback, *step.arguments)
        if not process.alive:
            self._bury(process)

    def kill(self, process: Process, why: str) -> None:
        """From outside, between two steps."""
        if process.alive:
            process.alive = False
            process.why = why
            self._bury(process)

    def _bury(self, process: Process) -> None:
        if process not in self.processes:
            return
        self.processes.remove(process)
        process.ready.clear()
        for task in process.tasks:
            if not task.done():
                with suppress(BaseException):  # the dead say nothing
                    task.get_coro().close()
        for effect in process.at_end:
            with suppress(Killed):  # what it leaves behind may be the proof that ends the run
                effect()
        self.ended(process)

    def reached(self, point: str) -> None:
        """A named crash point of the product was passed by the process in hand."""
        process = PROCESS.get(self.outside)
        if process.point is not None and process.point[0] == point:
            name, left = process.point
            process.point = (name, left - 1)
            if left <= 1:
                process.die(f"at {point}")

    @contextmanager
    def running(self) -> Iterator[None]:
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(before)
