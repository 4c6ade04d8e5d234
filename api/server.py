"""The process: opens what the calls need, listens, and at a signal answers what it has taken and goes.

It starts whatever is away, and `/ready` says what that is; nothing here waits for another process.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator

from aiohttp import web

from api import parts
from api.app import application
from api.connection import Connection
from api.services import Services
from api.table import ROUTES
from runtime import collector
from runtime.embedded.program import Broken
from runtime.settings import Settings

log = logging.getLogger("api")
SHUTDOWN_S = 4.0
BACKLOG = 1024


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with parts.services(settings) as services, listening(services, settings.bind, settings.port):
        log.info("listening on http://%s:%s", settings.bind, settings.port)
        collector.spare()  # looking for cycles was a sixth of a read
        await _told_or_failed(stopping, services)
        log.info("stopping")


async def _told_or_failed(stopping: asyncio.Event, services: Services) -> None:
    """Returns when a signal came; raises when a task in the background failed."""
    told = asyncio.create_task(stopping.wait())
    failed = asyncio.create_task(services.background.failed())
    await asyncio.wait([told, failed], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if failed.done():
        failed.result()
    failed.cancel()


@contextlib.asynccontextmanager
async def listening(services: Services, host: str, port: int) -> AsyncIterator[int]:
    """The open door: gives the port on which it listens, and at the end lets calls in flight finish."""
    runner = web.AppRunner(application(services, ROUTES), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    loop = asyncio.get_running_loop()
    try:
        assert runner.server is not None, "the runner has just been set up"
        handlers = runner.server
        try:
            server = await loop.create_server(lambda: Connection(handlers, loop), host, port, backlog=BACKLOG)
        except OSError as error:
            raise Broken(f"The API cannot listen on {host}:{port} ({error.strerror}): set TIDEMARK_PORT.") from error
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
    finally:
        await runner.cleanup()
