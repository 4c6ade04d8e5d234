"""Sends commands again that are pending for some seconds: whoever wrote them may have died before Kafka had them.

Any instance does it for all. The claim is committed before the first record goes out, and no row is locked meanwhile;
the engine knows a repeat by its number.
"""

import asyncio
import dataclasses
import logging

import msgspec

from api.database import LOST, Database
from api.journal import Journal, JournalAway, JournalSilent
from ledger import commands, relay
from ledger.commands import JournalRecord
from runtime.crashpoints import crashpoint
from runtime.telemetry import metrics
from schemas.errors import Refusal

log = logging.getLogger("api")
EVERY_S = 1.0
PER_PARTITION = 500
AWAY: tuple[type[Exception], ...] = (*LOST, JournalAway, JournalSilent, Refusal)


@dataclasses.dataclass(frozen=True, slots=True)
class Relay:
    """At most `per_partition` commands a second into each partition, so that a slow agent meets no storm."""

    database: Database
    journal: Journal
    reply: str
    per_partition: int = PER_PARTITION

    async def once(self) -> int:
        """Claims and sends; returns how many."""
        async with self.database.transaction() as connection:
            ids = await relay.claim(connection, self.per_partition)
        if not ids:
            return 0
        crashpoint("relay.after_claim")
        async with self.database.connection() as connection:
            records = await commands.journal_records(connection, ids)
        await self.journal.append([replying(record, self.reply) for record in records])
        metrics.COMMANDS_RELAYED.inc(len(records))
        log.info("sent %s commands again that nobody had decided", len(records))
        return len(records)

    async def look(self) -> None:
        """Shows how many commands wait for their outcome; any instance's word is good for all."""
        async with self.database.connection() as connection:
            waiting = await relay.waiting(connection)
        metrics.COMMANDS_PENDING.set(waiting.count)
        metrics.COMMANDS_OLDEST.set(waiting.oldest_s)

    async def for_ever(self) -> None:
        """Once a second, as long as there is a journal."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
                if self.journal.is_there:
                    await self.once()
            except AWAY as error:
                log.info("the relay rests for a moment (%s)", type(error).__name__)


def replying(record: JournalRecord, reply: str) -> JournalRecord:
    """The same command, with the name of who waits for its outcome now."""
    return JournalRecord(record.partition, msgspec.structs.replace(record.command, reply=reply))
