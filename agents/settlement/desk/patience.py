"""How long the desk waits before it asks again, and when it stops asking an exchange for a while."""

import dataclasses

FIRST_MS = 200
LONGEST_MS = 30_000
FAILURES = 5
OPEN_MS = 10_000
MARGIN_MS = 5_000
"""How far the exchange's clock may be behind that of the books; nobody sends again before it has passed too."""


def pause_ms(attempt: int, draw: int) -> int:
    """Doubling, from half to the whole of it by `draw`, which is from 0 to 999."""
    longest = min(LONGEST_MS, FIRST_MS << min(attempt, 16))
    return longest // 2 + longest * draw // 2000


@dataclasses.dataclass(slots=True)
class Breaker:
    """After so many failures in a row an exchange is left alone; then one question goes through, as a probe."""

    rest_ms: int = OPEN_MS
    failures: int = 0
    closed_until_ms: int = 0

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES

    def allows(self, now_ms: int) -> bool:
        if not self.is_open:
            return True
        if now_ms < self.closed_until_ms:
            return False
        self.closed_until_ms = now_ms + self.rest_ms
        return True

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, now_ms: int) -> bool:
        """Whether this was the failure that opened it."""
        self.failures += 1
        self.closed_until_ms = now_ms + self.rest_ms
        return self.failures == FAILURES
