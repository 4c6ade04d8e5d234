"""What a partition's state looks like in the Faust table: market slots in pieces, and a manifest that names them.

Everything is written on two alternating sides. A round writes, on its side, each market whose slot there is not its
present state, and then the manifest; so while one side is being written, the other is whole. A manifest counts only
if every slot that it names is there, undamaged, and of exactly that state.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from runtime.journal.machine import Program
from runtime.journal.partition import Market, Partition, Track

MAGIC = b"TMC1"
PIECE_BYTES = 512 << 10
SIDES = "AB"
_PREFIX = struct.Struct(">4sI")


class Piece(msgspec.Struct, array_like=True, frozen=True):
    """A part of one market's snapshot, with all that makes sure that it belongs to the others."""

    market: str
    round: int
    index: int
    count: int
    offset: int
    now_ms: int
    rules: int
    release: str
    tracks: list[tuple[int, str]]
    state: bytes


class Slot(msgspec.Struct, array_like=True, frozen=True):
    """A market's slot as the manifest names it: the round that wrote it, its pieces, and the state that it holds."""

    round: int
    count: int
    offset: int
    tracks: list[tuple[int, str]]


class Manifest(msgspec.Struct, array_like=True, frozen=True):
    """A whole state of a partition: everything below `next_offset` is in these slots, on this manifest's side."""

    partition: int
    round: int
    next_offset: int
    release: str
    slots: dict[str, Slot]

    @property
    def side(self) -> int:
        return self.round % 2


T = TypeVar("T")
Entries = Mapping[bytes, bytes]


def piece_key(partition: int, market: str, side: int, index: int) -> bytes:
    return f"{partition}|{market}|{SIDES[side]}|{index}".encode()


def manifest_key(partition: int, side: int) -> bytes:
    return f"{partition}|manifest|{SIDES[side]}".encode()


def partition_of(key: bytes) -> int:
    """The table keeps keys of partitions that have moved away; the partition in the key tells whose they are."""
    return int(key[: key.index(b"|")])


def encode(value: Piece | Manifest) -> bytes:
    """With a checksum in front: what comes back is what was written, or nothing."""
    body = msgspec.msgpack.encode(value)
    return _PREFIX.pack(MAGIC, zlib.crc32(body)) + body


def decode(data: bytes | None, kind: type[T]) -> T | None:
    """The value, or None when it is missing, damaged, or of another kind or format."""
    if data is None or len(data) < _PREFIX.size:
        return None
    magic, checksum = _PREFIX.unpack_from(data)
    body = memoryview(data)[_PREFIX.size :]
    if magic != MAGIC or zlib.crc32(body) != checksum:
        return None
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.DecodeError:
        return None


class Round:
    """A partition's state, caught between two records: everything is copied or immutable, so work may go on."""

    def __init__(self, number: int, release: str, partition: Partition[Any, Any], written: "Written") -> None:
        self.number = number
        self.side = number % 2
        self.release = release
        self.partition = partition.number
        self.next_offset = partition.next_offset
        self.stale: list[tuple[Slot, str, int, int, bytes]] = []
        slots = {}
        for market in partition.markets.values():
            slot = written[self.side].get(market.name)
            if slot is None or slot.offset != market.offset:
                state = market.machine.snapshot() if market.machine is not None else b""
                tracks = [(track.seq, track.chain) for track in market.tracks]
                slot = Slot(number, max(1, -(-len(state) // PIECE_BYTES)), market.offset, tracks)
                rules = market.machine.rules if market.machine is not None else 0
                self.stale.append((slot, market.name, market.now_ms, rules, state))
                written[self.side][market.name] = slot
            slots[market.name] = slot
        self.manifest = Manifest(self.partition, number, self.next_offset, release, slots)

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of each piece, encoded one at a time, so that the caller can breathe in between."""
        for slot, market, now_ms, rules, state in self.stale:
            for index in range(slot.count):
                part = state[index * PIECE_BYTES : (index + 1) * PIECE_BYTES]
                piece = Piece(
                    market, self.number, index, slot.count, slot.offset, now_ms,
                    rules, self.release, slot.tracks, part,
                )  # fmt: skip
                yield piece_key(self.partition, market, self.side, index), encode(piece)

    def manifest_entry(self) -> tuple[bytes, bytes]:
        return manifest_key(self.partition, self.side), encode(self.manifest)


Written = tuple[dict[str, Slot], dict[str, Slot]]
"""What each side holds, as far as this process knows."""


class Restored(msgspec.Struct):
    """What a table gave back: the state, what the sides hold, the next round's number, and what was found wrong."""

    partition: Partition[Any, Any]
    written: Written
    next_round: int
    warnings: list[str]
    found: bool


def restore(program: Program[Any, Any], number: int, entries: Entries) -> Restored:
    """The newest manifest whose slots match, else the other one, else nothing: an empty partition at offset 0."""
    manifests, warnings = [], []
    for side in (0, 1):
        data = entries.get(manifest_key(number, side))
        manifest = decode(data, Manifest)
        if manifest is not None and manifest.partition == number and manifest.side == side:
            manifests.append(manifest)
        elif data is not None:
            warnings.append(f"manifest {SIDES[side]} is damaged")
    highest = max((manifest.round for manifest in manifests), default=-1)
    for manifest in sorted(manifests, key=lambda m: (m.next_offset, m.round), reverse=True):
        markets = _markets(program, manifest, entries, warnings)
        if markets is not None:
            written: Written = ({}, {})
            written[manifest.side].update(manifest.slots)
            partition = Partition(program, number, manifest.next_offset, markets)
            return Restored(partition, written, _next_round(highest, manifest.side), warnings, found=True)
    return Restored(Partition(program, number), ({}, {}), highest + 1, warnings, found=False)


def _next_round(highest: int, side: int) -> int:
    """Above all rounds seen, and on the other side than the state that was restored."""
    following = highest + 1
    return following if following % 2 != side else following + 1


def _markets(
    program: Program[Any, Any], manifest: Manifest, entries: Entries, warnings: list[str]
) -> list[Market[Any, Any]] | None:
    markets = []
    for name, slot in manifest.slots.items():
        pieces = _whole(manifest.partition, name, manifest.side, slot, entries)
        if pieces is None:
            side = SIDES[manifest.side]
            warnings.append(f"slot {side} of {name} is missing, damaged or not the one that manifest {side} names")
            return None
        markets.append(_market(program, name, pieces))
    return markets


def _whole(number: int, name: str, side: int, slot: Slot, entries: Entries) -> list[Piece] | None:
    """All pieces of a slot, or None."""
    pieces = [decode(entries.get(piece_key(number, name, side, index)), Piece) for index in range(slot.count)]
    whole = [piece for index, piece in enumerate(pieces) if piece and _belongs(piece, name, index, slot)]
    return whole if len(whole) == slot.count else None


def _belongs(piece: Piece, name: str, index: int, slot: Slot) -> bool:
    said = (piece.market, piece.index, piece.round, piece.count, piece.offset, piece.tracks)
    return said == (name, index, slot.round, slot.count, slot.offset, slot.tracks)


def _market(program: Program[Any, Any], name: str, pieces: Iterable[Piece]) -> Market[Any, Any]:
    pieces = list(pieces)
    first = pieces[0]
    machine = None
    if not name.startswith("#"):
        program.check_rules(first.rules, first.release)
        machine = program.restore(name, b"".join(piece.state for piece in pieces))
    market = Market(name, machine, [Track(seq, chain) for seq, chain in first.tracks])
    market.now_ms, market.offset = first.now_ms, first.offset
    return market
