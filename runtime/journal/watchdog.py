"""When a follower that stands still is a fault: rules without a clock of their own.

End above position and nothing moves: first the plain reader looks, then the process halts. No word from the broker for
some time: halt. No partition at all is healthy: a spare worker.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

NUDGE_SECONDS = 2.0
STUCK_SECONDS = 15.0
SILENT_SECONDS = 25.0
"""Faust's consumer thread has been seen not to recover from an outage; a new process takes a second or two."""


L = TypeVar("L", bound=Hashable)


class Standing(NamedTuple):
    """A lane as it is seen: where it is, where Kafka ends, and whether it waits for another topic."""

    position: int
    end: int
    waiting: bool


class Advice(NamedTuple, Generic[L]):
    """Lanes to nudge, and a reason to halt."""

    nudge: list[L]
    halt: str | None


@dataclasses.dataclass
class Watch(Generic[L]):
    """Remembers since when each lane has been where it is."""

    heard: float
    seen: dict[L, tuple[int, float]] = dataclasses.field(default_factory=dict)

    def silence(self, now: float) -> Advice[L]:
        """The broker did not answer: nobody can move, so nobody stands still."""
        self.seen.clear()
        if now - self.heard > SILENT_SECONDS:
            return Advice([], f"no answer from the broker for {SILENT_SECONDS:.0f} s")
        return Advice([], None)

    def look(self, now: float, standings: Mapping[L, Standing]) -> Advice[L]:
        """The broker answered: this is how the lanes stand."""
        self.heard = now
        self.seen = {lane: mark for lane, mark in self.seen.items() if lane in standings}
        nudge: list[L] = []
        for lane, standing in standings.items():
            position, since = self.seen.get(lane, (-1, now))
            if standing.waiting or standing.position >= standing.end or standing.position != position:
                self.seen[lane] = standing.position, now
            elif now - since > STUCK_SECONDS:
                return Advice([], f"{lane} stands at {position} since {now - since:.0f} s, the end is {standing.end}")
            elif now - since > NUDGE_SECONDS:
                nudge.append(lane)
        return Advice(nudge, None)
