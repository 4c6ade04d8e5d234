"""A bar for a person who waits, on stderr and only on a terminal: how far, how many, how fast. Pipes see nothing of it.

What is counted is told as often as its owner likes; it is drawn at most ten times a second.
"""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

WIDTH = 20
DRAWN_EVERY_S = 0.1


class Progress:
    """A bar that overwrites itself and leaves no line behind."""

    def __init__(
        self, what: str, total: int, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.done = 0
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._shown = self._stream.isatty()
        self._began = clock()
        self._drawn = self._began - DRAWN_EVERY_S

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return self._shown

    def to(self, done: int) -> None:
        """So many are done by now."""
        self.done = done
        now = self._clock()
        if self._shown and now - self._drawn >= DRAWN_EVERY_S:
            self._drawn = now
            self._stream.write(f"\r\033[K{self.line()}")
            self._stream.flush()

    def add(self, count: int) -> None:
        """So many more."""
        self.to(self.done + count)

    def rate(self) -> float:
        """Per second, since the bar was made."""
        return self.done / max(self._clock() - self._began, 1e-9)

    def line(self) -> str:
        """Without a total there is no bar."""
        if not self.total:
            return f"{self.done:,} {self._what}  {self.rate():,.0f}/s"
        share = min(1.0, self.done / self.total)
        bar = "#" * int(WIDTH * share)
        return f"[{bar:<{WIDTH}}] {share:4.0%}  {self.done:,} of {self.total:,} {self._what}  {self.rate():,.0f}/s"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
