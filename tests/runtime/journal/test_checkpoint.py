import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.journal import checkpoint
from runtime.journal.bench.tally import PROGRAM, command
from runtime.journal.checkpoint import Manifest, Piece, Round, Written, decode, encode, manifest_key, piece_key, restore
from runtime.journal.errors import Broken
from runtime.journal.partition import Partition
from tests.runtime.journal.records import Fake


class Table:
    """A partition that is worked on and written down, round by round."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.partition = Partition(PROGRAM, 3)
        self.written: Written = ({}, {})
        self.number = 0

    def work(self, *values: bytes) -> "Table":
        start = self.partition.next_offset
        self.partition.run([Fake(start + n, value) for n, value in enumerate(values)])
        return self

    def round(self, *, manifest: bool = True) -> set[bytes]:
        """Writes a round; the keys of the slots that it wrote."""
        round_ = Round(self.number, "0.1.0", self.partition, self.written)
        self.number += 1
        pieces = dict(round_.pieces())
        self.entries.update(pieces)
        if manifest:
            self.entries.update([round_.manifest_entry()])
        return set(pieces)


def busy() -> Table:
    """Two markets and the pseudo-market, two rounds, and a third command that only the second round has."""
    table = Table().work(command("open", "M"), command("open", "N"), b"?", command("add", "M", 1, 5))
    table.round()
    table.work(command("add", "M", 2, 6), command("sell", "N", 1, 1))
    table.round()
    return table


def goes_on_like(restored: Partition, original: Partition) -> bool:
    values = [command("add", "M", 1, 1), command("sell", "N", 2, 2), b"?", command("burst", "M", 0, 600)]
    records = [Fake(original.next_offset + n, value) for n, value in enumerate(values)]
    return restored.run(records) == original.run(records)


def test_a_restored_partition_goes_on_byte_for_byte():
    table = busy()
    restored = restore(PROGRAM, 3, table.entries)
    assert (restored.found, restored.warnings, restored.partition.next_offset) == (True, [], 6)
    assert goes_on_like(restored.partition, table.partition)


def test_a_changed_market_is_written_until_both_sides_have_its_last_state_and_an_idle_one_costs_nothing():
    table = Table().work(command("open", "M"), command("open", "IDLE"))
    assert table.round() == {b"3|M|A|0", b"3|IDLE|A|0"}
    assert table.work(command("add", "M", 1, 1)).round() == {b"3|M|B|0", b"3|IDLE|B|0"}
    assert table.round() == {b"3|M|A|0"}
    assert table.round() == set()
    assert table.work(command("add", "M", 1, 1)).round() == {b"3|M|A|0"}
    restored = restore(PROGRAM, 3, table.entries)
    assert set(restored.partition.markets) == {"M", "IDLE"}


DAMAGES = {
    "deleted": lambda _: None,
    "empty": lambda _: b"",
    "truncated": lambda value: value[:-1],
    "first half": lambda value: value[: len(value) // 2],
    "flipped": lambda value: value[:-4] + bytes([value[-4] ^ 1]) + value[-3:],
    "another format": lambda value: b"TMC0" + value[4:],
}


def damaged(entries: dict[bytes, bytes], key: bytes, damage) -> dict[bytes, bytes]:
    value = damage(entries[key])
    return {k: v for k, v in {**entries, key: value}.items() if v is not None}


@pytest.mark.parametrize("key", [b"3|M|B|0", b"3|N|B|0", b"3|#3|B|0", b"3|manifest|B"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_damaged_on_the_newest_side_the_other_side_is_taken(key, damage):
    table = busy()
    restored = restore(PROGRAM, 3, damaged(table.entries, key, DAMAGES[damage]))
    assert (restored.found, restored.partition.next_offset) == (True, 4)
    assert len(restored.warnings) == (0 if key.endswith(b"manifest|B") and damage == "deleted" else 1)
    assert restored.next_round % 2 == 1, "the next round must not write over the side that is whole"
    table.partition = restored.partition
    table.work(command("add", "M", 2, 6), command("sell", "N", 1, 1))
    assert goes_on_like(table.partition, busy().partition)


def test_damage_on_the_older_side_changes_nothing():
    table = busy()
    for key in (b"3|M|A|0", b"3|manifest|A"):
        restored = restore(PROGRAM, 3, damaged(table.entries, key, DAMAGES["flipped"]))
        assert (restored.partition.next_offset, restored.next_round % 2) == (6, 0)


@pytest.mark.parametrize("keys", [(b"3|M|A|0", b"3|N|B|0"), (b"3|manifest|A", b"3|manifest|B")])
def test_with_both_sides_damaged_there_is_nothing_but_the_journal(keys):
    entries = busy().entries
    for key in keys:
        entries = damaged(entries, key, DAMAGES["flipped"])
    restored = restore(PROGRAM, 3, entries)
    assert (restored.found, len(restored.warnings), restored.partition.next_offset) == (False, 2, 0)


def test_a_crash_between_slots_and_manifest_leaves_the_state_of_the_manifest_before():
    table = busy()
    table.work(command("add", "M", 9, 9)).round(manifest=False)
    assert restore(PROGRAM, 3, table.entries).partition.next_offset == 6


def test_a_late_slot_of_a_worker_that_woke_up_never_passes_for_another_state():
    late = Table().work(command("open", "M"), command("open", "N"), b"?")
    late.number = 1
    late.round()
    table = busy()
    entries = {**table.entries, b"3|M|B|0": late.entries[b"3|M|B|0"]}
    assert restore(PROGRAM, 3, entries).partition.next_offset == 4


def test_a_late_manifest_with_a_higher_round_does_not_win_over_more_of_the_journal():
    late = Table().work(command("open", "M"), command("open", "N"), b"?")
    late.number = 8
    late.round()
    table = busy()
    entries = {**table.entries, **late.entries}
    restored = restore(PROGRAM, 3, entries)
    assert restored.partition.next_offset == 6
    assert restored.next_round == 10


def test_a_big_state_is_written_in_pieces_and_a_shorter_one_leaves_no_trace_of_it():
    table = Table().work(command("open", "M"), command("fill", "M", 0, 100_000))
    assert len(table.round()) == 2
    assert goes_on_like(restore(PROGRAM, 3, table.entries).partition, table.partition)
    entries = damaged(table.entries, piece_key(3, "M", 0, 1), DAMAGES["deleted"])
    assert not restore(PROGRAM, 3, entries).found


def test_rules_that_this_release_lacks_stop_the_restore():
    table = Table().work(command("open", "M"), command("rules", "M", 0, 2))
    table.round()
    older = dataclasses.replace(PROGRAM, rules={1: "0.1.0"})
    with pytest.raises(Broken, match=r"rules version 2 is not in this release, which has 1 .*: start release 0.1.0"):
        restore(older, 3, table.entries)


def test_entries_of_other_partitions_and_kinds_are_not_read_as_ours():
    table = busy()
    moved = {manifest_key(5, 0): table.entries[manifest_key(3, 0)]}
    assert not restore(PROGRAM, 5, moved).found
    assert decode(table.entries[manifest_key(3, 0)], Piece) is None
    assert checkpoint.partition_of(b"12|A|B|0") == 12


@given(st.binary(max_size=300))
def test_any_bytes_are_nothing_or_what_was_written(data):
    assert decode(data, Manifest) is None


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(position, bit):
    value = bytearray(encode(Manifest(3, 7, 100, "0.1.0", {})))
    value[position % len(value)] ^= 1 << bit
    assert decode(bytes(value), Manifest) is None
