"""A client of the socket for the tests, and the agent whose views it listens to."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

WITHIN_S = 60


@dataclasses.dataclass
class Socket:
    """One connection; frames are taken in order, one by one."""

    ws: aiohttp.ClientWebSocketResponse

    async def say(self, **frame: Any) -> None:
        await self.ws.send_str(json.dumps(frame))

    async def next(self) -> Any:
        """The next frame, or the code with which the server closed."""
        async with asyncio.timeout(WITHIN_S):
            message = await self.ws.receive()
        return json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else self.ws.close_code

    async def until(self, is_it) -> Any:
        """The first frame that is it; others are passed over."""
        while True:
            frame = await self.next()
            assert isinstance(frame, dict), frame
            if is_it(frame):
                return frame

    async def data(self, channel: str, kind: str | None = None) -> Any:
        """What the channel tells next."""
        found = await self.until(lambda frame: frame.get("channel") == channel and kind in (None, frame["type"]))
        return found["data"]

    async def subscribe(self, *channels: str, **more: Any) -> None:
        await self.say(op="subscribe", channels=list(channels), id="s", **more)
        answer = await self.until(lambda frame: frame.get("id") == "s")
        assert answer == {"op": "subscribed", "channels": list(channels), "id": "s"}

    async def authenticate(self, token: str) -> None:
        await self.say(op="auth", token=token, id="a")
        assert await self.next() == {"op": "authenticated", "id": "a"}


@contextlib.asynccontextmanager
async def connect(client, **options: Any) -> AsyncIterator[Socket]:
    async with client.session.ws_connect(client.base + "/api/v1/ws", max_msg_size=0, **options) as ws:
        yield Socket(ws)


@pytest.fixture(name="connect")
def connect_() -> Any:
    return connect


@pytest_asyncio.fixture(loop_scope="module")
async def socket(client) -> AsyncIterator[Socket]:
    async with connect(client) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market_data(agents):
    """The agent that shows the books."""
    agents.start("agents.marketdata")
    return agents
