"""Wallets as they were when the journal was at an offset, made from the topics alone; nothing is written anywhere.

An offset belongs to one partition. There it cuts exactly: commands up to it count as given, with their holds, and what
became of them as settled. Everywhere else the moment of that record cuts: whatever is later than it does not count.
"""

import dataclasses
from collections.abc import AsyncGenerator, Iterable, Sequence

from ledger.batch_rules import Batch
from ledger.replay.following import Count, Following, Progress
from ledger.replay.known import Nothing
from ledger.replay.remade_rules import HOME_CURRENCY, Remade
from ledger.replay.row_rules import Asked, Rows
from ledger.replay.topics import TOPICS, Marks, Stretch, Topics
from ledger.settlement import Wallet
from runtime.settings import Settings
from schemas.batches import BatchRecord, Closed, Fill
from schemas.entries import Entry
from schemas.executions import ChainedExecution
from schemas.topics import COMMANDS

HOME_SCALE = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Balances:
    """As of a moment: wallets by user and asset, what users are called, and how finely each asset is counted."""

    at_ms: int
    wallets: dict[tuple[int, str], Wallet]
    names: dict[int, str]
    scales: dict[str, int]


class NoSuchOffset(Exception):  # noqa: N818  -- an answer
    """The journal has no record there; the message says where it ends."""


async def balances_at(
    settings: Settings, partition: int, offset: int, progress: Progress = lambda _done, _total: None
) -> Balances:
    """Everybody's."""
    topics = Topics(settings)
    cut = _Cut(settings, partition, offset, await _time_of(topics, partition, offset))
    ends = await topics.ends(*TOPICS) | {(COMMANDS.name, partition): offset + 1}
    remade, kept, count = Remade(transfer_id=1), _Kept(), Count(progress)
    count.total = sum(ends.values())
    await Following(cut, remade, kept, kept, Nothing(), count).to(ends)
    kept.keep(remade.rest())
    scales = {HOME_CURRENCY: HOME_SCALE} | kept.scales
    for market in remade.markets.values():
        scales |= {market.base: market.base_scale, market.quote: market.quote_scale}
    return Balances(cut.at_ms, dict(remade.wallets), kept.names, scales)


async def _time_of(topics: Topics, partition: int, offset: int) -> int:
    begin, end = (await topics.bounds(COMMANDS))[partition]
    if begin == end:
        raise NoSuchOffset(f"Partition {partition} of the journal has no record yet.")
    if not begin <= offset < end:
        raise NoSuchOffset(
            f"Partition {partition} of the journal has the offsets {begin} to {end - 1}, and no {offset}."
        )
    return await topics.time_of(COMMANDS, partition, offset)


class _Kept:
    """Of all rows only what a wallet is shown with."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.scales: dict[str, int] = {}

    def keep(self, rows: Rows) -> None:
        self.names |= {row[0]: row[1] or row[2] for row in rows.get("users", ())}
        self.scales |= {row[0]: row[2] for row in rows.get("currencies", ())}

    async def write(self, rows: Rows) -> None:
        self.keep(rows)

    async def settled(self) -> None:
        """Nothing is on its way anywhere."""

    async def batches(self, _batch_ids: Iterable[str]) -> dict[str, Batch]:
        """There are no tables that might know more."""
        return {}


class _Cut(Topics):
    """The topics as they were at that moment."""

    def __init__(self, settings: Settings, partition: int, offset: int, at_ms: int) -> None:
        super().__init__(settings)
        self.at_ms = at_ms
        self._partition = partition
        self._offset = offset
        self._reached: dict[str, int] = {}
        self._closed: set[str] = set()

    async def entries(self, stretch: Stretch) -> AsyncGenerator[Sequence[Entry], None]:
        async for entries in super().entries(stretch):
            yield [entry for entry in entries if entry.at_us // 1000 <= self.at_ms]

    async def commands(self, stretch: Stretch) -> AsyncGenerator[Sequence[Asked], None]:
        async for asked in super().commands(stretch):
            if stretch.partition == self._partition:
                yield asked
            else:
                yield [one for one in asked if one.at_ms <= self.at_ms]

    async def executions(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[ChainedExecution], None]:
        is_here = stretch.partition == self._partition
        async for executions in super().executions(stretch, marks):
            counted = [
                one for one in executions if (one.offset <= self._offset if is_here else one.time_ms <= self.at_ms)
            ]
            self._reached |= {one.market: one.seq for one in counted}
            yield counted

    async def batches(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[BatchRecord], None]:
        """Those that follow executions which count."""
        async for records in super().batches(stretch, marks):
            counted = [
                one for one in records if one.time_ms <= self.at_ms and one.follows <= self._reached.get(one.market, 0)
            ]
            self._closed |= {
                event.batch_id for record in counted for event in record.events if isinstance(event, Closed)
            }
            yield counted

    async def fills(self, stretch: Stretch, marks: Marks) -> AsyncGenerator[Sequence[Fill], None]:
        async for fills in super().fills(stretch, marks):
            yield [one for one in fills if one.time_ms <= self.at_ms and one.batch_id in self._closed]
