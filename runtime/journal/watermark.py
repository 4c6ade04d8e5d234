"""How far a sink has come, per topic, partition and market, and what that makes of the next record.

At or below the mark: a repeat, dropped. Just above it, with the right chain: new. Anything else: Kafka and the sink
have parted ways, and a person must know.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from runtime.journal.chain import ORIGIN
from runtime.journal.errors import Broken


class Mark(NamedTuple):
    """The last record applied: its seq, the journal offset that it answers, its chain, and where it lies itself."""

    seq: int = 0
    source_offset: int = -1
    chain: str = ORIGIN
    position: int = -1


class Arrival(NamedTuple):
    """What a sink must know of a record to judge it."""

    market: str
    seq: int
    source_offset: int
    prev_chain: str
    chain: str
    position: int


class Verdict(enum.Enum):
    NEW = "new"
    REPEAT = "repeat"


def judge(mark: Mark, arrival: Arrival) -> Verdict:
    """What to do with a record of a market whose watermark is `mark`."""
    if arrival.seq > mark.seq + 1:
        raise Broken(f"seq {mark.seq + 1} is missing in Kafka: after {mark.seq} comes {arrival.seq}")
    if arrival.seq == mark.seq + 1:
        if arrival.prev_chain != mark.chain:
            raise Broken(f"the chain parts at seq {arrival.seq}: here {mark.chain}, in Kafka {arrival.prev_chain}")
        if arrival.source_offset < mark.source_offset:
            raise Broken(f"seq {arrival.seq} answers offset {arrival.source_offset}, before {mark.source_offset}")
        return Verdict.NEW
    if arrival.seq == mark.seq and (arrival.chain, arrival.source_offset) != (mark.chain, mark.source_offset):
        raise Broken(f"seq {arrival.seq} was told differently: here {mark.chain}, in Kafka {arrival.chain}")
    return Verdict.REPEAT


def resume_at(marks: Mapping[str, Mark], begin: int) -> int:
    """The first position that this sink has not applied; records of one partition are applied in order, in runs."""
    return max((mark.position + 1 for mark in marks.values()), default=begin)


def check_bounds(name: str, resume: int, begin: int, end: int, mend: str) -> None:
    """Refuse to start where Kafka and the sink's store cannot be of one history."""
    if resume > end:
        raise Broken(f"{name}: the store is at {resume}, Kafka ends at {end}: records were lost there. {mend}")
    if resume < begin:
        raise Broken(f"{name}: the store is at {resume}, Kafka begins at {begin}: records were deleted. {mend}")
