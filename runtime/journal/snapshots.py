"""What a program's changelog holds of one partition, read from outside: states to begin with, and what was told."""

from collections.abc import Mapping
from typing import Any

from runtime.journal.checkpoint import Manifest, decode, manifest_key, restore
from runtime.journal.machine import Program
from runtime.journal.partition import Partition
from runtime.journal.reader import Reader
from runtime.settings import Settings
from schemas.topics import changelog


class Snapshots:
    """Both sides, whole or not."""

    def __init__(self, program: Program[Any, Any], partition: int, entries: Mapping[bytes, bytes]) -> None:
        self._program = program
        self._partition = partition
        self._entries = entries

    @classmethod
    async def read(cls, program: Program[Any, Any], reader: Reader, settings: Settings, partition: int) -> "Snapshots":
        topic = settings.topic(changelog(program.name, program.table).name)
        begin, end = (await reader.bounds(topic, [partition]))[partition]
        entries: dict[bytes, bytes] = {}
        async for records in reader.read(topic, partition, begin, end):
            entries |= {record.key: record.value for record in records if record.key and record.value}
        return cls(program, partition, entries)

    def manifests(self) -> dict[bytes, Manifest]:
        keys = [manifest_key(self._partition, side) for side in (0, 1)]
        found = {key: decode(self._entries.get(key), Manifest) for key in keys}
        return {key: manifest for key, manifest in found.items() if manifest is not None}

    @property
    def acknowledged(self) -> int:
        """All outcomes of the offsets below were acknowledged before this was written."""
        return max((manifest.next_offset for manifest in self.manifests().values()), default=0)

    def newest(self, limit: int | None = None) -> Partition[Any, Any] | None:
        """The state of the newest whole snapshot at or before an offset; None when there is none."""
        late = {key for key, one in self.manifests().items() if limit is not None and one.next_offset > limit}
        entries = {key: value for key, value in self._entries.items() if key not in late}
        restored = restore(self._program, self._partition, entries)
        return restored.partition if restored.found else None
