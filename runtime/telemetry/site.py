"""The small site by which a process is watched: /live (it runs), /ready (it can do its work), /metrics.

Readiness is asked of every part at once, within a bound. The API puts the same three routes on its own door.
"""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from runtime.embedded.program import RESTARTS
from runtime.telemetry import metrics

Part = Callable[[], Awaitable[str | None]]
"""Answers None when it is ready, else the reason: one sentence."""

PART_TIMEOUT_S = 2.0
LAG_EVERY_S = 0.5
HOST = "127.0.0.1"

log = logging.getLogger(__name__)


async def readiness(parts: Mapping[str, Part]) -> dict[str, str | None]:
    """The reason of every part that is not ready, None for the others. One late part does not hide the rest."""
    answers = await asyncio.gather(*(_ask(part) for part in parts.values()))
    for name, reason in zip(parts, answers, strict=True):
        metrics.PART_READY.labels(name).set(reason is None)
    return dict(zip(parts, answers, strict=True))


async def _ask(part: Part) -> str | None:
    try:
        async with asyncio.timeout(PART_TIMEOUT_S):
            return await part()
    except TimeoutError:
        return f"No answer within {PART_TIMEOUT_S:g} s."


def routes(parts: Mapping[str, Part]) -> list[web.RouteDef]:
    """The three routes, for any application."""
    metrics.RESTARTS.set(int(os.environ.get(RESTARTS, "0")))

    async def live(_request: web.Request) -> web.Response:
        return _json({"live": True})

    async def ready(_request: web.Request) -> web.Response:
        reasons = await readiness(parts)
        is_ready = all(reason is None for reason in reasons.values())
        return _json({"ready": is_ready, "parts": reasons}, status=200 if is_ready else 503)

    async def exposed(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return [web.get("/live", live), web.get("/ready", ready), web.get("/metrics", exposed)]


def _json(body: Mapping[str, object], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, dumps=json.dumps, headers={"Cache-Control": "no-store"})


async def watch_lag() -> None:
    """Measures for ever how late the event loop runs its timers: whatever blocks it shows here first."""
    while True:
        due = time.monotonic() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.LOOP_LAG.observe(max(time.monotonic() - due, 0.0))


class Site:
    """The site of a process that is not the API. It serves this machine only."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._application = web.Application()
        self._application.add_routes(routes(parts))
        self._runner = web.AppRunner(self._application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self._lag: asyncio.Task[None] | None = None

    async def start(self, port: int) -> str:
        """Listens on the port, or on a free one for 0; returns the address."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        self._lag = asyncio.create_task(watch_lag())
        host, bound = self._runner.addresses[0][:2]
        log.debug("site at %s:%d", host, bound)
        return f"{host}:{bound}"

    async def stop(self) -> None:
        """Frees the port; safe to call twice."""
        if self._lag is not None:
            self._lag.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._lag
            self._lag = None
        await self._runner.cleanup()

    async def __aenter__(self) -> "Site":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()
