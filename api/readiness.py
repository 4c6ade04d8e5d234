"""Whether this process can do its work: one real question to each part, asked at most once a second.

Redis is told of and does not count: orders and money go on without it, so a balancer must not take us away for it.
"""

import asyncio
import time
from collections.abc import Mapping

from runtime.telemetry.site import Part, readiness

FRESH_S = 1.0


class Readiness:
    """Those parts that are in `views` are told of and do not make us unready."""

    def __init__(self, parts: Mapping[str, Part], views: frozenset[str] = frozenset({"redis"})) -> None:
        self._parts = parts
        self._views = views
        self._asked_at = float("-inf")
        self._reasons: dict[str, str | None] = {}
        self._lock = asyncio.Lock()

    async def report(self) -> tuple[bool, dict[str, str | None]]:
        """Ready or not; and per part None, or why it is not ready."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S:
                self._reasons = await readiness(self._parts)
                self._asked_at = time.monotonic()
            reasons = self._reasons
        return all(reason is None for name, reason in reasons.items() if name not in self._views), reasons
