"""An operator's commands: rows in the books first, then records of the journal, then their outcome, like any other.

It works while the API is down; a record that Kafka may not have is sent again by the API's relay.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.commands import journal_records
from ledger.connection import Connection
from ledger.orders import Verdict, verdict
from runtime import kafka
from runtime.embedded.program import Broken
from runtime.settings import Settings
from schemas.commands import COMMANDS_VERSION, encode_command
from schemas.topics import COMMANDS

HEADERS = [("v", str(COMMANDS_VERSION).encode())]
LOOK_S = 0.1


class Place(NamedTuple):
    """Where in the journal a command is."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"partition {self.partition}, offset {self.offset}"


async def append(settings: Settings, connection: Connection, command_ids: Sequence[int]) -> dict[int, Place]:
    """Sends the records of these rows in order, and says where Kafka has them."""
    records = await journal_records(connection, command_ids)
    topic = settings.topic(COMMANDS.name)
    places: dict[int, Place] = {}
    try:
        async with kafka.running(kafka.producer(settings, name="operator")) as producer:
            for record in records:
                command = record.command
                sent: Any = await producer.send_and_wait(
                    topic, encode_command(command), command.market.encode(), record.partition, headers=HEADERS
                )
                places[command.command_id] = Place(sent.partition, sent.offset)
    except kafka.UNWELL as error:
        ids = ", ".join(str(command_id) for command_id in command_ids if command_id not in places)
        raise Broken(
            f"Kafka did not say that it has command {ids} ({type(error).__name__}): it stays in the books as pending, "
            "and an API sends it again until it is decided."
        ) from error
    return places


async def decided(connection: Connection, command_id: int, within_s: float) -> Verdict | None:
    """What became of a command, as soon as the books know it; None when they did not in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = await verdict(connection, command_id)
        if found is not None or time.monotonic() >= deadline:
            return found
        await asyncio.sleep(LOOK_S)
