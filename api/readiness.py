"""Whether this process can do its work: one real question to each part, asked at most once a second.

Redis is told of and does not count: orders and money go on without it, so a balancer must not take us away for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from runtime.telemetry import metrics

Part = Callable[[], Awaitable[str | None]]
FRESH_S = 1.0
PATIENCE_S = 3.0


class Readiness:
    """Asks all parts at once; those in `views` are told of and do not make us unready."""

    def __init__(self, parts: Mapping[str, Part], views: frozenset[str] = frozenset({"redis"})) -> None:
        self._parts = parts
        self._views = views
        self._asked_at = float("-inf")
        self._reasons: dict[str, str | None] = {}
        self._lock = asyncio.Lock()

    async def reasons(self) -> dict[str, str | None]:
        """Per part None, or why it is not ready."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S:
                answers = await asyncio.gather(*(self._ask(name, part) for name, part in self._parts.items()))
                self._reasons = dict(zip(self._parts, answers, strict=True))
                self._asked_at = time.monotonic()
            return self._reasons

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Ready or not, and a word per part."""
        reasons = await self.reasons()
        is_ready = all(reason is None for name, reason in reasons.items() if name not in self._views)
        return is_ready, {name: reason or "ready" for name, reason in reasons.items()}

    async def _ask(self, name: str, part: Part) -> str | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reason = await part()
        except TimeoutError:
            reason = f"{name} did not answer within {PATIENCE_S:.0f} seconds."
        metrics.PART_READY.labels(name).set(reason is None)
        return reason
