"""When a snapshot round is due: every so many commands or seconds, but never more than a small share of the time.

Time here is the process's own clock, as an argument: it decides when a state is written, never what it is.
"""

import dataclasses


@dataclasses.dataclass
class Budget:
    """What the rounds of one process may cost; whoever has waited longest goes first."""

    share: float = 0.01
    bytes_per_second: float = 4 << 20
    free_at: float = 0.0
    waiting: dict[int, None] = dataclasses.field(default_factory=dict)

    def grant(self, who: int, now: float) -> bool:
        """Whether this one may write a round now; asking takes a place in the line."""
        self.waiting.setdefault(who)
        if now < self.free_at or next(iter(self.waiting)) != who:
            return False
        del self.waiting[who]
        return True

    def leave(self, who: int) -> None:
        self.waiting.pop(who, None)

    def spent(self, now: float, cost_seconds: float, size: int) -> None:
        """A round took the process this long and wrote this much: the next one has to be earned."""
        self.free_at = max(now, self.free_at) + max(cost_seconds / self.share, size / self.bytes_per_second)


@dataclasses.dataclass
class Rhythm:
    """When one partition's next round is due."""

    commands: int = 20_000
    seconds: float = 1.0
    pending: int = 0
    last: float = 0.0

    def due(self, now: float) -> bool:
        return self.pending >= self.commands or (self.pending > 0 and now - self.last >= self.seconds)

    def started(self, now: float) -> None:
        self.pending, self.last = 0, now
