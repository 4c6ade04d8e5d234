"""`python -m api.sockets.bench.listen PORT SOCKETS CHANNEL`: connections that note when which delta came.

It says `ready` when every socket has its snapshot. Its input is the number of the last execution: when every socket
has that, it says what was seen, as JSON: per range of executions when each socket had it. It reads frames by hand, so
that it needs little of the cores that it shares.
"""

import asyncio
import contextlib
import json
import sys
import time
import typing
from collections import defaultdict

import uvloop

HANDSHAKE = (
    "GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
AT_ONCE = 50
LATE_S = 30
Range = tuple[int, int]


class Seen:
    """What all sockets saw. The same bytes come to all of them, so each delta is parsed once."""

    def __init__(self) -> None:
        self.at_ms: defaultdict[Range, list[int]] = defaultdict(list)
        self.holes = self.snapshots = 0
        self.everybody = asyncio.Event()
        self.missing = 0
        self._known: dict[bytes, Range | None] = {}

    def range_of(self, payload: bytes) -> Range | None:
        """First and last execution of a delta; None for any other frame."""
        if payload not in self._known:
            data = json.loads(payload)
            is_delta = data.get("type") == "delta"
            self._known[payload] = (data["data"]["first_seq"], data["data"]["last_seq"]) if is_delta else None
            if len(self._known) > 1000:
                del self._known[next(iter(self._known))]
        return self._known[payload]

    def has_snapshot(self) -> None:
        self.snapshots += 1
        if self.snapshots == self.missing:
            self.everybody.set()


class Socket(asyncio.Protocol):
    """One connection, from the handshake on."""

    def __init__(self, seen: Seen, port: int, channel: str) -> None:
        self._seen = seen
        self._port = port
        self._subscription = json.dumps({"op": "subscribe", "channels": [channel]}).encode()
        self._data = b""
        self._is_open = False
        self.last = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = typing.cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.write(HANDSHAKE.format(port=self._port).encode())

    def data_received(self, data: bytes) -> None:
        at_ms = time.time_ns() // 1_000_000
        data = self._data + data if self._data else data
        start = 0
        if not self._is_open:
            start = data.find(b"\r\n\r\n") + 4
            if start < 4:
                self._data = data
                return
            self._is_open = True
            words = self._subscription
            self._transport.write(bytes((0x81, 0x80 | len(words), 0, 0, 0, 0)) + words)
        self._data = data[self._frames(data, start, at_ms) :]

    def _frames(self, data: bytes, start: int, at_ms: int) -> int:
        """Takes whole frames; where the first begins that is not whole."""
        end = len(data)
        while end - start >= 2:
            length, body = data[start + 1], start + 2
            if length >= 126:
                size = 2 if length == 126 else 8
                length, body = int.from_bytes(data[body : body + size], "big"), body + size
            if body + length > end:
                break
            if data[start] == 0x81:
                self._take(data[body : body + length], at_ms)
            elif data[start] == 0x89:
                self._transport.write(b"\x8a\x80\0\0\0\0")
            start = body + length
        return start

    def _take(self, payload: bytes, at_ms: int) -> None:
        found = self._seen.range_of(payload)
        if found is None:
            if b'"type":"snapshot"' in payload[:100]:
                self.last = json.loads(payload)["data"]["seq"]
                self._seen.has_snapshot()
            return
        self._seen.holes += found[0] != self.last + 1
        self.last = found[1]
        self._seen.at_ms[found].append(at_ms)


async def listen(port: int, sockets: int, channel: str) -> None:
    """Connects a few at a time, then listens until all have seen the last."""
    connections: list[Socket] = []

    def connection() -> Socket:
        connections.append(Socket(seen, port, channel))
        return connections[-1]

    seen, loop = Seen(), asyncio.get_running_loop()
    seen.missing = sockets
    for first in range(0, sockets, AT_ONCE):
        await asyncio.gather(
            *(loop.create_connection(connection, "127.0.0.1", port) for _ in range(min(AT_ONCE, sockets - first)))
        )
    await seen.everybody.wait()
    print("ready", flush=True)  # noqa: T201  # the word that the bench waits for
    last = int(await loop.run_in_executor(None, sys.stdin.readline) or 0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LATE_S):
            while any(one.last < last for one in connections):  # noqa: ASYNC110  # nothing is measured any more
                await asyncio.sleep(0.1)
    ranges = [[first, last, times] for (first, last), times in seen.at_ms.items()]
    told = {"holes": seen.holes, "snapshots": seen.snapshots, "ranges": ranges}
    print(json.dumps(told), flush=True)  # noqa: T201  # the result


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(listen(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
