"""The life of a journal process: start, work until told to stop, stop in order; anything else is a halt."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from typing import Protocol

from runtime.journal.halt import halt

START_SECONDS = 60.0
STOP_SECONDS = 20.0
log = logging.getLogger(__name__)


class Serves(Protocol):
    """A machine's worker or a sink's."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


async def serve(build: Callable[[], Serves]) -> None:
    """Builds a worker in the loop, runs it until SIGTERM or SIGINT; a start or stop that hangs is a halt."""
    told = _told()
    try:
        worker = build()
        async with asyncio.timeout(START_SECONDS):
            await worker.start()
        await told.wait()
        log.info("stopping")
        async with asyncio.timeout(STOP_SECONDS):
            await worker.stop()
    except Exception as error:  # the outermost loop of the process
        halt(f"{type(error).__name__}: {error}", error)


def _told() -> asyncio.Event:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, told.set)
    return told
