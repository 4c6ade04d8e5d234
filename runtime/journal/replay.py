"""A journal executed again from its start, uninterrupted: what everybody else's outputs are compared with."""

from collections.abc import AsyncIterator
from typing import Any

from runtime.journal.lane import RUN_RECORDS, Source
from runtime.journal.machine import Program
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
