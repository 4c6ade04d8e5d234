"""The life of a journal process: start, work until told to stop, stop in order; anything else is a halt.

A process entry is `main("matching", build)`, where `build` makes a worker from the settings.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable
from typing import Protocol

import setproctitle
import uvloop

from runtime import collector
from runtime.embedded.home import resolve
from runtime.embedded.program import Broken as Refused
from runtime.journal.group import Membership
from runtime.journal.halt import halt
from runtime.settings import Settings, SettingsError, load
from runtime.telemetry import logs
from runtime.telemetry.site import Site

START_SECONDS = 60.0
STOP_SECONDS = 20.0
log = logging.getLogger(__name__)


class Serves(Protocol):
    """A machine's worker or a sink's."""

    def unready(self) -> str | None:
        """Why it does not keep up yet."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def main(name: str, build: Callable[[Settings], Serves]) -> int:
    """Reads the settings, logs, serves; the exit code. What is wrong with the settings is said in one sentence."""
    setproctitle.setproctitle(f"tidemark: {name}")
    try:
        settings = resolve(load())
    except (SettingsError, Refused) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    logs.configure(settings, name)
    try:
        uvloop.run(serve(lambda: build(settings), settings.site_port))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def membership(settings: Settings) -> Membership:
    """The supervisor gives a process the same port at every start, so it takes its partitions back at once."""
    return Membership(f"{socket.gethostname()}-{settings.site_port}" if settings.site_port else None)


async def serve(build: Callable[[], Serves], site_port: int = 0) -> None:
    """Builds a worker in the loop, runs it until SIGTERM or SIGINT; a start or stop that hangs is a halt."""
    told = _told()
    try:
        worker = build()

        async def journal() -> str | None:
            return worker.unready()

        site = Site({"journal": journal})
        await site.start(site_port)
        async with asyncio.timeout(START_SECONDS):
            await worker.start()
        collector.spare()
        await told.wait()
        log.info("stopping")
        async with asyncio.timeout(STOP_SECONDS):
            await worker.stop()
            await site.stop()
    except SettingsError:
        raise  # what the worker needs of them is wrong: the caller says so
    except Exception as error:  # the outermost loop of the process
        halt(f"{type(error).__name__}: {error}", error)


def _told() -> asyncio.Event:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, told.set)
    return told
