"""Hand-made Kafka records, and a source of them, for tests without a broker."""

import dataclasses
from collections.abc import AsyncIterator, Sequence


@dataclasses.dataclass(frozen=True)
class Fake:
    offset: int
    value: bytes | None = b""
    timestamp: int = 1000
    key: bytes | None = b"M"
    partition: int = 3
    timestamp_type: int = 1
    headers: Sequence[tuple[str, bytes]] = ()


class FakeSource:
    """A partition in memory, and the stretches that were read of it."""

    def __init__(self, records: Sequence[Fake]) -> None:
        self.records = list(records)
        self.reads: list[tuple[int, int]] = []

    async def read(self, topic: str, partition: int, start: int, stop: int) -> AsyncIterator[Sequence[Fake]]:
        self.reads.append((start, stop))
        for record in self.records:
            if start <= record.offset < stop:
                yield [record]
