"""A verdict for each stretch of a journal, several at once: a partition keeps one core busy, and a machine has more.

Each process proves one partition at a time and says over a pipe how far it is; all end with the one that started them.
"""

import asyncio
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import uvloop

from agents.matching.agent import PROGRAM
from runtime.collector import spare
from runtime.embedded.program import Broken
from runtime.journal import errors
from runtime.journal.comparing import counted
from runtime.journal.verifying import Stretch, verify
from runtime.settings import Settings

TOLD_EVERY_S = 0.1
Verdict = dict[str, Any]
Tell = Callable[[Stretch, int, int], None]
"""Of this stretch so many offsets are executed, of so many."""


def verdicts(settings: Settings, stretches: Sequence[Stretch], jobs: int, tell: Tell) -> list[Verdict]:
    """In the order of the stretches; raises the first refusal or failure."""
    if jobs == 1 or len(stretches) == 1:
        return [_run(settings, stretch, functools.partial(tell, stretch)) for stretch in stretches]
    waiting, found = list(stretches), dict[Stretch, Verdict]()
    running: dict[Connection, tuple[SpawnProcess, Stretch]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                _start(settings, waiting.pop(0), running)
            for pipe in multiprocessing.connection.wait(list(running)):
                assert isinstance(pipe, Connection)
                process, stretch = running[pipe]
                said = _heard(pipe, process, stretch)
                if isinstance(said, tuple):
                    tell(stretch, *said)
                else:
                    found[stretch] = said
                    process.join()
                    del running[pipe]
    finally:
        for process, _ in running.values():
            process.kill()
    return [found[stretch] for stretch in stretches]


def _start(settings: Settings, stretch: Stretch, running: dict[Connection, tuple[SpawnProcess, Stretch]]) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(settings, stretch, there), daemon=True)
    process.start()
    there.close()
    running[here] = process, stretch


def _heard(pipe: Connection, process: SpawnProcess, stretch: Stretch) -> tuple[int, int] | Verdict:
    try:
        said = pipe.recv()
    except EOFError:
        process.join()
        raise Broken(
            f"The proof of partition {stretch.partition} ended without a word (exit code {process.exitcode})."
        ) from None
    if isinstance(said, Exception):
        raise said
    assert isinstance(said, tuple | dict)
    return said


def _work(settings: Settings, stretch: Stretch, pipe: Connection) -> None:
    """The other process. Ctrl-C is for the one that started it; when that is gone, nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told = 0.0

    def tell(done: int, of: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= TOLD_EVERY_S:
            told = now
            pipe.send((done, of))

    with contextlib.suppress(BrokenPipeError):
        try:
            pipe.send(_run(settings, stretch, tell))
        except (errors.Refused, errors.Unwell, errors.Broken) as error:
            pipe.send(error)


def _run(settings: Settings, stretch: Stretch, tell: Callable[[int, int], None]) -> Verdict:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(verdict(settings, stretch, tell))


async def verdict(settings: Settings, stretch: Stretch, tell: Callable[[int, int], None]) -> Verdict:
    """As `--json` has it."""
    spare()
    began = time.perf_counter()
    found = await verify(PROGRAM, settings, stretch, tell)
    seconds = time.perf_counter() - began
    return {
        "partition": stretch.partition,
        "market": stretch.market,
        "first": found.first_offset,
        "next": found.executed,
        "commands": found.commands,
        "seconds": round(seconds, 3),
        "topics": counted(found.comparisons.values()),
        "chains": found.chains(),
        "difference": None if found.difference is None else found.difference._asdict(),
    }
