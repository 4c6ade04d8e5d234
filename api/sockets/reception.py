"""The WebSocket's door: who may come in, how all are looked after, and how they are told good-bye."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from api.sockets import frames, limits
from api.sockets.channels import Channel
from api.sockets.client import CLOSE_S, GOING_AWAY, Client, Parts
from api.sockets.radio import Radio
from runtime.telemetry import metrics
from schemas.errors import FORBIDDEN, TOO_MANY_CONNECTIONS, UPGRADE_REQUIRED, Refusal

HEARTBEAT_S = 20.0
"""After so much silence a client is asked by a ping, and let go when half of that passes without an answer."""
LOOK_S = 0.5


class Reception:
    """All connections of this process."""

    def __init__(self, parts: Parts, radio: Radio, origins: frozenset[str]) -> None:
        self._parts = parts
        self._radio = radio
        self._origins = origins
        self._clients: set[Client] = set()
        self._is_closed = False

    def works(self) -> Sequence[tuple[Coroutine[Any, Any, None], str]]:
        """What goes on in the background as long as the process lives."""
        parts = self._parts
        return (
            (self._radio.run(), "sockets: Redis"),
            (parts.hub.tend(), "sockets: feeds"),
            (parts.accounts.tend(), "sockets: accounts"),
            (parts.outlets.run(), "sockets: outlets"),
            (self._look(), "sockets: connections"),
        )

    async def serve(self, request: web.Request, address: str, headers: Mapping[str, str]) -> web.StreamResponse:
        """One connection, from its handshake, answered with these headers, to its end."""
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=frames.MAX_FRAME_BYTES, compress=False, timeout=CLOSE_S
        )
        socket.headers.update(headers)
        if not socket.can_prepare(request):
            raise Refusal(UPGRADE_REQUIRED, "Speak WebSocket here, version 13.", headers={"Upgrade": "websocket"})
        _check_origin(request, self._origins)
        channels: dict[str, Channel] = {}
        now = asyncio.get_running_loop().time()
        party = self._parts.parties.enter(("address", address), channels, limits.CONNECTIONS_OF_ADDRESS, now)
        if party is None or self._is_closed:
            raise Refusal(TOO_MANY_CONNECTIONS, "There are as many sockets as are allowed from here.", retry_after_s=1)
        try:
            await socket.prepare(request)
            transport = request.transport
            if transport is not None:
                await self._attend(Client(self._parts, socket, transport, party, channels))
        finally:
            self._parts.parties.leave(party, channels)
        return socket

    async def _attend(self, client: Client) -> None:
        self._clients.add(client)
        metrics.SOCKETS.inc()
        try:
            await client.talk()
        finally:
            self._clients.discard(client)
            metrics.SOCKETS.dec()

    async def close(self) -> None:
        """Tells everybody, and waits until they have gone or had their time."""
        self._is_closed = True
        leaving = list(self._clients)
        for client in leaving:
            client.close(GOING_AWAY, "the server stops", frames.BYE)
        await asyncio.gather(*(client.closed() for client in leaving))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for client in list(self._clients):
                client.look()


def _check_origin(request: web.Request, origins: frozenset[str]) -> None:
    """A page of another origin may not listen with a visitor's browser, unless the setting names it."""
    origin = request.headers.get("Origin")
    if origin is None or origin in origins or "*" in origins:
        return
    if urlsplit(origin).netloc != request.headers.get("Host"):
        raise Refusal(FORBIDDEN, "Pages of this origin may not connect; add it to CORS_ORIGINS.")
