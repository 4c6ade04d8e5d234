"""The way out: frames gather per connection and go out together, and who does not read is left behind.

All connections share the same bytes. A pass over them is followed by a pause as long as it worked, so that sockets
never take more than half of the process from the calls; a busy moment makes fewer, larger writes.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from runtime.telemetry import metrics

PAUSE_S = 0.005
AT_ONCE = 100
"""So many connections are written to before the loop may do something else."""
MOST_WAITING = 1 << 20


class Pipe(Protocol):
    """The part of a transport that is needed here."""

    def write(self, data: bytes) -> None: ...

    def get_write_buffer_size(self) -> int: ...

    def is_closing(self) -> bool: ...

    def abort(self) -> None: ...


class Outlet:
    """One connection. What it has not taken is bounded: by MOST_WAITING behind the largest frame that it was given."""

    __slots__ = ("_largest", "_pipe", "_slow", "is_open", "waiting")

    def __init__(self, pipe: Pipe, slow: Callable[[], None]) -> None:
        self._pipe = pipe
        self._slow = slow
        self._largest = 0
        self.waiting: list[bytes] = []
        self.is_open = True

    def flush(self) -> int:
        """Hands over what has gathered; the number of frames."""
        waiting, self.waiting = self.waiting, []
        if not waiting or not self.is_open or self._pipe.is_closing():
            return 0
        if self._pipe.get_write_buffer_size() > MOST_WAITING + self._largest:
            self.is_open = False
            self._slow()
            return 0
        data = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        self._largest = max(self._largest, len(data))
        self._pipe.write(data)
        return len(waiting)

    @property
    def is_drained(self) -> bool:
        """Whether the last words have gone out."""
        return not self._pipe.get_write_buffer_size()

    def cut(self) -> None:
        """Nothing more can be said to him."""
        self.is_open = False
        self._pipe.abort()


class Outlets:
    """All connections of the process."""

    def __init__(self) -> None:
        self._ready: list[Outlet] = []
        self._wake = asyncio.Event()

    def send(self, outlets: Iterable[Outlet], frames: Iterable[bytes]) -> None:
        """The same frames to all of these, soon and in order."""
        told = tuple(frames)
        if not told:
            return
        for outlet in outlets:
            if outlet.is_open:
                if not outlet.waiting:
                    self._ready.append(outlet)
                outlet.waiting += told
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(max(PAUSE_S, await self._pass()))

    async def _pass(self) -> float:
        """Writes to all that have something waiting; the seconds that it worked. On a busy machine a pass takes several
        times as long, and a pause for that would only add to it."""
        ready, self._ready = self._ready, []
        took = 0.0
        for start in range(0, len(ready), AT_ONCE):
            began = time.thread_time()
            metrics.SOCKET_FRAMES.inc(sum(outlet.flush() for outlet in ready[start : start + AT_ONCE]))
            took += time.thread_time() - began
            await asyncio.sleep(0)
        metrics.SOCKET_PASS_SECONDS.observe(took)
        return took
