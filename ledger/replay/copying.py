"""A second copy of the books in a schema of its own, made from the topics while the exchange goes on, and compared.

The copy follows the live wallet agent's watermarks. Its last records are applied in the very transaction whose snapshot
the live books are seen in, so that both sides are of one moment, and nobody is made to wait for it.
"""

import asyncio
import dataclasses
import re
import time
from collections.abc import Sequence

import asyncpg

from ledger.connection import books
from ledger.migrate import migrate
from ledger.origins import Difference
from ledger.queries import query
from ledger.reconcile import differences
from ledger.replay.comparing import Compared, compare
from ledger.replay.following import Count, Ends, Following, Progress
from ledger.replay.known import Nothing, entered
from ledger.replay.remade_rules import Remade
from ledger.replay.row_rules import Asked
from ledger.replay.store import CONSUMER, Tables, Writer
from ledger.replay.topics import Topics
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.entries import Entry
from schemas.topics import COMMANDS, EXECUTIONS, LEDGER_ENTRIES

FIRST_OWN_TRANSFER = 1 << 40
"""Transfers that no entry numbers are numbered from here on, out of the way of those that it does."""
CLOSE = 5_000
"""So few records are left to the last transaction."""
ROUNDS = 20
OUTBOX_PATIENCE_S = 10.0
OUTBOX_LOOK_S = 0.1
SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclasses.dataclass(frozen=True, slots=True)
class Copied:
    """What was made, how long that took, how it compares, and where it contradicts itself."""

    records: int
    trades: int
    seconds: float
    compared: Compared
    wrong: list[Difference]


class Refused(Exception):  # noqa: N818  -- an answer, in one sentence
    """What was asked for makes no sense here, and nothing was done."""


async def copy(settings: Settings, into: str, progress: Progress = lambda _done, _total: None) -> Copied:
    """The schema stays, for whoever wants to look into it."""
    await _require_room(settings, into)
    target = dataclasses.replace(settings, namespace=into)
    try:
        await migrate(target)
        return await _made(settings, target, progress)
    except BaseException:
        async with books(settings) as connection:  # a part of a copy is good for nothing, and in the way of the next
            await connection.execute(f'drop schema if exists "{into}" cascade')
        raise


async def _made(settings: Settings, target: Settings, progress: Progress) -> Copied:
    live, again = settings.postgres_schema, target.postgres_schema
    began = time.monotonic()
    async with books(settings) as beside, books(target) as connection:
        await connection.execute("set synchronous_commit = off")
        copying = _Copying(settings, connection, progress)
        for _ in range(ROUNDS):
            ends = await copying.ends(beside, live)
            left = copying.left(ends)
            if left <= CLOSE:
                break
            copying.count.total = copying.count.done + left
            await copying.following.to(ends)
        async with connection.transaction(isolation="repeatable_read"):
            await copying.finish(live)
            seconds = time.monotonic() - began
            compared = await compare(connection, live, again)
            wrong = await differences(connection)
    return Copied(copying.count.done, copying.remade.trades, seconds, compared, wrong)


async def _require_room(settings: Settings, into: str) -> None:
    if not SCHEMA.fullmatch(into):
        raise Refused(f"{into!r} cannot be the name of a copy: write lower-case letters, digits and _, a letter first.")
    if into == settings.postgres_schema:
        raise Refused(f"The live books are in the schema {into}: name another one for the copy.")
    async with books(settings) as connection:
        if await connection.fetchval(query("replay.has_tables"), into):
            raise Refused(
                f'The schema {into} is not empty: name another one, or remove it by `drop schema "{into}" cascade`.'
            )


class _Copying:
    """One copy being made."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, progress: Progress) -> None:
        self.count = Count(progress)
        self.remade = Remade(FIRST_OWN_TRANSFER)
        self._connection = connection
        self._topics = Topics(settings)
        self._tables = Tables(connection)
        self._writer = Writer(connection)
        self.following = Following(self._topics, self.remade, self._tables, self._writer, Nothing(), self.count)

    async def ends(self, connection: asyncpg.Connection, live: str) -> Ends:
        """How far the live books are, as this connection sees them; the entries, as far as they go now."""
        ends = await self._topics.ends(LEDGER_ENTRIES)
        for row in await connection.fetch(query("replay.reached").replace("books.", f'"{live}".'), CONSUMER):
            ends[row["topic"], row["partition"]] = row["next_offset"]
            if row["topic"] == EXECUTIONS.name:
                ends[COMMANDS.name, row["partition"]] = row["source_offset"] + 1
        return ends

    def left(self, ends: Ends) -> int:
        """How many records are still to be read."""
        stretches = [self.following.stretch(place, ends) for place in ends]
        return sum(max(0, stretch.stop - stretch.start) for stretch in stretches)

    async def finish(self, live: str) -> None:
        """The last records, and all that is written at the end, as of the snapshot of this transaction."""
        ends = await self.ends(self._connection, live)
        self.following.known = _Seen(self._connection, self._writer, live)
        await self.following.to(ends)
        await self._wait_for_entries(live)
        await self._writer.write(self.remade.rest())
        await self._writer.settled()
        await self._tables.finish(self.remade)
        await self._tables.set_marks(self.following.marks)

    async def _wait_for_entries(self, live: str) -> None:
        """What the snapshot has in its outbox is on its way to the topic."""
        rows = await self._connection.fetch(f'select id from "{live}".outbox')  # noqa: S608  -- a name that was checked
        waited = time.monotonic()
        while missing := {row["id"] for row in rows} - self.following.entries.keys():
            if time.monotonic() - waited > OUTBOX_PATIENCE_S:
                raise Broken(
                    f"{len(missing)} entries of the books are not in the topic yet: start the API, which tells them."
                )
            await asyncio.sleep(OUTBOX_LOOK_S)
            await self.following.to(await self._topics.ends(LEDGER_ENTRIES))


class _Seen:
    """Of what comes while the snapshot is looked at, what the snapshot has."""

    def __init__(self, connection: asyncpg.Connection, writer: Writer, live: str) -> None:
        self._connection = connection
        self._writer = writer
        self._live = live

    async def new_entries(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        await self._writer.settled()
        there = await entered(self._connection, self._live, entries)
        return [entry for entry in entries if entry.entry_id in there]

    async def new_commands(self, asked: Sequence[Asked]) -> Sequence[Asked]:
        """What is read of them is in the snapshot: the wallet agent has decided them."""
        return asked
