"""Whether the books are of a time before the topics: restored from an older backup, and not recovered.

Every command is a row before it is a record, and every entry tells of a row. So the last ones of each partition must be
in the books; if one is not, whoever goes on would give its ids a second time.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from aiokafka import TopicPartition

from ledger.connection import books
from ledger.queries import query
from ledger.replay.known import entered
from runtime import kafka
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.entries import decode_entry
from schemas.executions import Ignored, Parked, decode_execution
from schemas.topics import EXECUTIONS, LEDGER_ENTRIES

LAST = 20
"""So many of the last records of a partition are looked at: some answer no command."""
PATIENCE_S = 10.0


async def require_recovered(settings: Settings) -> None:
    """Refuses books that are behind the topics, with the command that mends them."""
    last = await _last_records(settings)
    async with books(settings) as connection:
        missing = await _missing_command(connection, last.get(EXECUTIONS.name, ()))
        missing = missing or await _missing_entry(
            connection, settings.postgres_schema, last.get(LEDGER_ENTRIES.name, ())
        )
    if missing is not None:
        raise Broken(
            f"These books are older than the topics: {missing} is not in them. Start the servers alone, by "
            f"`tidemark up --servers-only`, and run `tidemark recover books`."
        )


async def _missing_command(connection: asyncpg.Connection, records: Iterable[bytes]) -> str | None:
    """A command that was decided, and whose row is not there."""
    decided: dict[int, str] = {}
    for value in records:
        execution = decode_execution(value)
        said_nothing = not execution.events or isinstance(execution.events[-1], Ignored | Parked)
        if execution.command_id is not None and not said_nothing:
            decided[execution.command_id] = execution.market
    rows = await connection.fetch(query("replay.known_commands"), list(decided))
    missing = decided.keys() - {row["id"] for row in rows}
    return f"command {min(missing)} of {decided[min(missing)]}" if missing else None


async def _missing_entry(connection: asyncpg.Connection, schema: str, records: Iterable[bytes]) -> str | None:
    entries = [decode_entry(value) for value in records]
    there = await entered(connection, schema, entries)
    missing = sorted(entry.entry_id for entry in entries if entry.entry_id not in there)
    return f"entry {missing[0]}" if missing else None


async def _last_records(settings: Settings) -> dict[str, Sequence[bytes]]:
    """By topic, the values of the last records of all partitions, read at once."""
    topics = {settings.topic(topic.name): topic.name for topic in (EXECUTIONS, LEDGER_ENTRIES)}
    places = [TopicPartition(name, number) for name in topics for number in range(settings.kafka_partitions)]
    consumer: Any = kafka.consumer(settings, name="behind", reset="earliest")
    found: dict[str, list[bytes]] = {}
    async with asyncio.timeout(PATIENCE_S), kafka.running(consumer):
        ends = await consumer.end_offsets(places)
        begins = await consumer.beginning_offsets(places)
        waiting = {place: end for place, end in ends.items() if end > begins[place]}
        consumer.assign(list(waiting))
        for place, end in waiting.items():
            consumer.seek(place, max(begins[place], end - LAST))
        while waiting:
            for place, records in (await consumer.getmany(timeout_ms=250)).items():
                found.setdefault(topics[place.topic], []).extend(record.value for record in records)
            waiting = {place: end for place, end in waiting.items() if await consumer.position(place) < end}
    return dict(found)
