"""Whether all updates were heard: each source counts, so what was lost shows as soon as anything is heard again.

A source that falls silent may have died between a commit and its word.
"""

from collections.abc import Sequence

from schemas.updates import BEAT_S, Touched, Update

SILENCE_S = 5 * BEAT_S


class Hearing:
    """`is_whole` is false when something may have been missed, until somebody has looked at the books."""

    def __init__(self) -> None:
        self._sources: dict[str, tuple[int, float]] = {}
        self.is_whole = False

    def hear(self, update: Update, now: float) -> Sequence[Touched]:
        """Who is named by it."""
        before = self._sources.get(update.source)
        expected = update.number if before is None else before[0] + bool(update.touched)
        if before is None or update.number != expected:
            self.is_whole = False
        self._sources[update.source] = (update.number, now)
        return update.touched

    def rest(self, now: float) -> None:
        """Time has passed; a source that is not heard any more is forgotten, and missed once."""
        silent = [source for source, (_, at) in self._sources.items() if now - at > SILENCE_S]
        for source in silent:
            del self._sources[source]
            self.is_whole = False
