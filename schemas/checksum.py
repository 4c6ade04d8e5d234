"""The number by which a client proves its book: CRC-32 over the best 25 levels of each side, as they are written.

The text is price and amount of each bid, best first, then of each ask, best first, all joined by colons; an empty book
is the empty text. docs/MARKETDATA.md has examples to test a client with.
"""

import itertools
import zlib
from collections.abc import Iterable

LEVELS = 25


def checksum(bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> int:
    """An unsigned number of 32 bits, the same that zlib, gzip and PNG compute."""
    best = itertools.chain(itertools.islice(bids, LEVELS), itertools.islice(asks, LEVELS))
    return zlib.crc32(":".join(itertools.chain.from_iterable(best)).encode())
