from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest

from ledger.batch_rules import Batch
from ledger.replay.following import Count, Following
from ledger.replay.known import Nothing
from ledger.replay.remade_rules import Remade
from ledger.replay.row_rules import Rows
from ledger.replay.topics import Marks, Stretch, Topics
from ledger.settlement import Wallet
from runtime.journal.errors import Broken
from schemas.entries import Deposited, Entry
from schemas.topics import LEDGER_ENTRIES


class Told(Topics):
    """Topics that have entries only."""

    def __init__(self, *entries: Entry) -> None:
        self._entries = entries
        self.asked: list[Stretch] = []

    async def entries(self, stretch: Stretch) -> AsyncIterator[Sequence[Entry]]:  # type: ignore[override]  # as good
        self.asked.append(stretch)
        if stretch.start < stretch.stop:
            yield self._entries[stretch.start : stretch.stop]

    async def commands(self, stretch: Stretch) -> Any:
        for nothing in ():
            yield nothing

    async def executions(self, stretch: Stretch, marks: Marks) -> Any:
        for nothing in ():
            yield nothing

    batches = fills = executions


class Kept:
    """Rows that are final, and batches that nobody has."""

    def __init__(self) -> None:
        self.rows: list[Rows] = []

    async def write(self, rows: Rows) -> None:
        self.rows.append(rows)

    async def settled(self) -> None:
        """At once."""

    async def batches(self, _batch_ids: Iterable[str]) -> dict[str, Batch]:
        return {}


def deposit(entry_id: int, atoms: int) -> Deposited:
    return Deposited(
        entry_id=entry_id, transfer_id=entry_id, user_id=7, asset="USD", amount_atoms=atoms, requested_by=7,
        idempotency_key=None, digest="", note=None, at_us=1,
    )  # fmt: skip


def following(topics: Topics) -> tuple[Following, Remade, list[tuple[int, int]]]:
    remade, told, kept = Remade(transfer_id=1), list[tuple[int, int]](), Kept()
    count = Count(lambda done, total: told.append((done, total)))
    return Following(topics, remade, kept, kept, Nothing(), count), remade, told


def ends(entries: int) -> dict[tuple[str, int], int]:
    return {(LEDGER_ENTRIES.name, 0): entries}


async def test_it_goes_on_where_it_was_and_takes_a_repeat_once():
    topics = Told(deposit(1, 100), deposit(1, 100), deposit(2, 50))
    follower, remade, told = following(topics)
    await follower.to(ends(2))
    assert remade.wallets == {(7, "USD"): Wallet(100)}
    await follower.to(ends(3))
    assert remade.wallets == {(7, "USD"): Wallet(150)}
    assert topics.asked == [Stretch(0, 0, 2), Stretch(0, 2, 3)]
    assert told == [(2, 2), (3, 3)]


async def test_an_entry_that_is_told_in_two_ways_is_refused():
    follower, _remade, _told = following(Told(deposit(1, 100), deposit(1, 101)))
    with pytest.raises(Broken, match="entry 1 is told in two ways"):
        await follower.to(ends(2))
