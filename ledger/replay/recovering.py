"""The books brought up to date after an older backup was restored: everything since is made again from the topics.

One transaction, or nothing: from the restored watermarks on, commands and what became of them, batches and fills, and
all entries that the tables do not have. Nobody may have written to the restored books before: what he did would have
ids that the journal knows otherwise, and that is refused.
"""

import dataclasses
import json
from collections.abc import Sequence

import asyncpg

from ledger.connection import books
from ledger.queries import query
from ledger.reconcile import differences
from ledger.replay.following import Count, Following, Progress
from ledger.replay.known import entered
from ledger.replay.remade_rules import Remade
from ledger.replay.row_rules import Asked
from ledger.replay.store import Tables, Writer
from ledger.replay.topics import TOPICS, Topics
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.commands import COMMAND_TYPES
from schemas.entries import Entry
from schemas.topics import COMMANDS, EXECUTIONS

MARGIN = 1000
"""Ids are lifted this far past the highest: some were given to what never reached the journal."""
ATTEMPT_MS = 15_000
"""How long what the desk may have sent is still good."""
WRITTEN_TO = "Somebody is writing to these books: stop the exchange, and recover them then."
Said = tuple[int, str, int, str, int | None]
AGAIN = "Restore the backup again, with everything stopped, and recover before anything else."


@dataclasses.dataclass(frozen=True, slots=True)
class Recovered:
    """How much was made again."""

    records: int
    rows: dict[str, int]


async def recover(settings: Settings, progress: Progress = lambda _done, _total: None) -> Recovered:
    """The books as the topics say; Broken says why they stay as they were."""
    async with books(settings) as connection:
        if await connection.fetchval(query("replay.somebody_writes")):
            raise Broken(WRITTEN_TO)
        try:
            async with connection.transaction(isolation="repeatable_read"):
                await connection.execute(query("replay.lock_books"))
                return await _Recovery(settings, connection, progress).run()
        except asyncpg.LockNotAvailableError as error:
            raise Broken(WRITTEN_TO) from error
        except asyncpg.UndefinedTableError as error:
            raise Broken("These books have no tables: restore a backup, or run `tidemark migrate`, first.") from error
        except asyncpg.IntegrityConstraintViolationError as error:
            raise Broken(f"The topics contradict these books, and nothing was changed: {error}. {AGAIN}") from error


class _Recovery:
    """One recovery, in the transaction of its connection."""

    def __init__(self, settings: Settings, connection: asyncpg.Connection, progress: Progress) -> None:
        self._connection = connection
        self._schema = settings.postgres_schema
        self._count = Count(progress)
        self._rows: dict[str, int] = {}
        self._restored = 0
        self._highest: dict[int, int] = {}
        """The highest id of a command: of the restored tables, and by partition of what was read since."""
        self._topics = Topics(settings)
        self._tables = Tables(connection)
        self._writer = Writer(connection, self._rows)

    async def run(self) -> Recovered:
        remade = Remade(await self._connection.fetchval(query("replay.next_transfer")))
        await self._tables.load(remade)
        following = Following(self._topics, remade, self._tables, self._writer, self, self._count)
        await self._begin(following)
        ends = await self._topics.ends(*TOPICS)
        left = (following.stretch(place, ends) for place in ends)
        self._count.total = sum(max(0, stretch.stop - stretch.start) for stretch in left)
        await following.to(ends)
        await self._writer.write(remade.rest())
        await self._writer.settled()
        await self._tables.finish(remade)
        await self._tables.set_marks(following.marks)
        await self._connection.execute(query("replay.ask_again"), ATTEMPT_MS)
        await self._connection.execute(query("replay.end_sessions"))
        await self._connection.execute(query("replay.note_recovery"), json.dumps(self._rows))
        await self._require_right()
        await self._lift(max(following.entries, default=0))
        return Recovered(self._count.done, self._rows)

    async def _begin(self, following: Following) -> None:
        """Commands go on behind the last one that the books have decided."""
        self._restored = await self._connection.fetchval(query("replay.last_command"))
        following.marks = await self._tables.marks()
        for (topic, partition), marks in following.marks.items():
            if topic == EXECUTIONS.name:
                following.at[COMMANDS.name, partition] = max(mark.source_offset for mark in marks.values()) + 1

    async def new_entries(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those that the restored tables do not have."""
        await self._writer.settled()
        there = await entered(self._connection, self._schema, entries)
        return [entry for entry in entries if entry.entry_id not in there]

    async def new_commands(self, asked: Sequence[Asked]) -> Sequence[Asked]:
        """The same; one that the tables know otherwise was given after the restore."""
        there = await self._known([one.command.command_id for one in asked if self._may_be_known(one)])
        for one in asked:
            said = _said(one)
            if there.get(said[0], said) != said:
                raise Broken(
                    f"Command {said[0]} is one thing in these books and another in the journal: somebody wrote to them "
                    f"after they were restored. {AGAIN}"
                )
        return [one for one in asked if one.command.command_id not in there]

    def _may_be_known(self, one: Asked) -> bool:
        """Whether it is not above every id of the restored tables, and of what its partition has told by now."""
        highest, command_id = self._highest.get(one.partition, self._restored), one.command.command_id
        self._highest[one.partition] = max(highest, command_id)
        return command_id <= highest

    async def _known(self, command_ids: Sequence[int]) -> dict[int, Said]:
        if not command_ids:
            return {}
        await self._writer.settled()
        rows = await self._connection.fetch(query("replay.known_commands"), command_ids)
        return {row["id"]: tuple(row) for row in rows}

    async def _require_right(self) -> None:
        if wrong := await differences(self._connection):
            raise Broken(f"The recovered books would be wrong, and nothing was changed: {wrong[0]}.")

    async def _lift(self, entry_id: int) -> None:
        """Last of all, since no rollback takes a sequence back."""
        await self._connection.execute(query("replay.lift_numbers"), MARGIN)
        await self._connection.execute(query("replay.lift_ids"), entry_id, MARGIN)


def _said(one: Asked) -> Said:
    command = one.command
    kind = COMMAND_TYPES[type(command)]
    return (command.command_id, command.market, command.number, kind, getattr(command, "order_id", None))
