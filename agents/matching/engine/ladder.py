"""The prices of one side in order, kept in blocks: a new price finds its neighbour, and the book is never moved.

In one sorted list each new price moves all that lie behind it, which grows with the book; a block has at most
`MOST_KEYS`. docs/decisions/0021 has the measurements.
"""

from bisect import bisect_left
from typing import Final

MOST_KEYS: Final = 512


class Ladder:
    """Whole numbers in rising order. `lasts` has the last key of each block; no block is empty."""

    __slots__ = ("blocks", "lasts")

    def __init__(self) -> None:
        self.blocks: list[list[int]] = []
        self.lasts: list[int] = []

    def add(self, key: int) -> int | None:
        """Put in a key that is not there, and say which is the next below it."""
        blocks, lasts = self.blocks, self.lasts
        if not blocks:
            blocks.append([key])
            lasts.append(key)
            return None
        place = bisect_left(lasts, key)
        if place == len(lasts):
            place -= 1
        block = blocks[place]
        at = bisect_left(block, key)
        block.insert(at, key)
        below = block[at - 1] if at else lasts[place - 1] if place else None
        if key > lasts[place]:
            lasts[place] = key
        if len(block) > MOST_KEYS:
            half = len(block) // 2
            blocks[place : place + 1] = block[:half], block[half:]
            lasts.insert(place, block[half - 1])
        return below

    def discard(self, key: int) -> None:
        """Take out a key that is there."""
        blocks, lasts = self.blocks, self.lasts
        place = bisect_left(lasts, key)
        block = blocks[place]
        del block[bisect_left(block, key)]
        if not block:
            del blocks[place], lasts[place]
        elif key == lasts[place]:
            lasts[place] = block[-1]
