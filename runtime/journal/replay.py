"""A journal executed again, uninterrupted: from its start or from a snapshot, for everything or for one market.

What it gives is what everybody else's outputs are compared with, and a market as it was at any offset.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from runtime.journal.errors import Refused
from runtime.journal.lane import RUN_RECORDS, Source
from runtime.journal.machine import Program, Record
from runtime.journal.partition import Outgoing, Partition


async def replay(
    program: Program[Any, Any], source: Source, topic: str, partition: int, stop: int
) -> AsyncIterator[Outgoing]:
    """Every output record of the commands below `stop`, in order."""
    state = Partition(program, partition)
    async for records in source.read(topic, partition, 0, stop):
        for start in range(0, len(records), RUN_RECORDS):
            for outgoing in state.run(records[start : start + RUN_RECORDS]):
                yield outgoing


async def bring_to(
    state: Partition[Any, Any],
    source: Source,
    topic: str,
    stop: int,
    *,
    market: str | None = None,
    progress: Callable[[int], None] = lambda _executed: None,
) -> None:
    """Execute everything below `stop`, or of it what concerns one market."""
    async for records in source.read(topic, state.number, state.next_offset, stop):
        for start in range(0, len(records), RUN_RECORDS):
            some = records[start : start + RUN_RECORDS]
            state.run(concerning(some, market))
            state.next_offset = some[-1].offset + 1
            progress(state.next_offset)


def concerning(records: Sequence[Record], market: str | None) -> Sequence[Record]:
    """The records that may be commands to a market, all of them and few others: a name hides behind an escape only.

    A market's state depends on its own commands alone, so leaving out the others changes nothing.
    """
    if market is None:
        return records
    name = market.encode()
    return [record for record in records if (value := record.value) and (name in value or b"\\" in value)]


def within(name: str, begin: int, end: int, *offsets: int | None) -> None:
    """Refuse offsets that the journal does not have."""
    if end == begin:
        raise Refused(f"{name} is empty: nothing was ever journaled there.")
    for offset in offsets:
        if offset is not None and offset >= end:
            raise Refused(f"{name} ends at {end}: offset {offset} is not there yet.")
        if offset is not None and offset < begin:
            raise Refused(f"{name} begins at {begin}: offset {offset} was deleted.")
