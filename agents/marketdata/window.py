"""The last 24 hours of a market's trades, minute by minute, so that old ones leave and nothing is counted twice."""

import msgspec

MINUTE_MS = 60_000
WINDOW_MS = 24 * 60 * MINUTE_MS


class Minute(msgspec.Struct, array_like=True, gc=False):
    """The trades of one minute; prices in ticks."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    base_atoms: int
    quote_atoms: int


class Summary(msgspec.Struct, frozen=True):
    """All minutes together; no prices when there was no trade."""

    open: int | None = None
    high: int | None = None
    low: int | None = None
    base_atoms: int = 0
    quote_atoms: int = 0


class Window:
    """Minutes with trades, oldest first. A minute leaves as a whole, 24 hours after it began."""

    __slots__ = ("last_ticks", "minutes")

    def __init__(self, last_ticks: int | None = None, minutes: list[Minute] | None = None) -> None:
        self.last_ticks = last_ticks
        self.minutes = minutes if minutes is not None else []

    def traded(self, time_ms: int, price_ticks: int, base_atoms: int, quote_atoms: int) -> None:
        """A trade; times never decrease."""
        self.last_ticks = price_ticks
        start = time_ms - time_ms % MINUTE_MS
        if not self.minutes or self.minutes[-1].start_ms != start:
            del self.minutes[: self._over(time_ms)]
            self.minutes.append(
                Minute(start, price_ticks, price_ticks, price_ticks, price_ticks, base_atoms, quote_atoms)
            )
            return
        minute = self.minutes[-1]
        minute.high = max(minute.high, price_ticks)
        minute.low = min(minute.low, price_ticks)
        minute.close = price_ticks
        minute.base_atoms += base_atoms
        minute.quote_atoms += quote_atoms

    def _over(self, now_ms: int) -> int:
        """How many minutes have left by then."""
        over = 0
        while over < len(self.minutes) and self.minutes[over].start_ms <= now_ms - WINDOW_MS:
            over += 1
        return over

    def ends_ms(self, now_ms: int) -> int | None:
        """When the summary of now will be another one, though nothing happens; None when it stays."""
        over = self._over(now_ms)
        return self.minutes[over].start_ms + WINDOW_MS if over < len(self.minutes) else None

    def summary(self, now_ms: int) -> Summary:
        """Asking changes nothing: only trades let minutes go, so the state depends on nobody's clock."""
        minutes = self.minutes[self._over(now_ms) :]
        if not minutes:
            return Summary()
        return Summary(
            minutes[0].open,
            max(minute.high for minute in minutes),
            min(minute.low for minute in minutes),
            sum(minute.base_atoms for minute in minutes),
            sum(minute.quote_atoms for minute in minutes),
        )
