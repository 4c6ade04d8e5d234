"""`tidemark bench replay`: how fast a history is proved, beside nothing else; the journal is the engine's own mix.

The topics are as a matching worker leaves them: one partition with all commands of one market, or several partitions.
"""

import asyncio
import dataclasses
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from agents.matching.agent import PROGRAM
from agents.matching.bench.mix import OPEN, Source
from ops.replay.verdicts import verdicts
from runtime import kafka
from runtime.bench import Bench, Measuring
from runtime.journal.machine import Record
from runtime.journal.partition import Partition
from runtime.journal.reader import Reader
from runtime.journal.verifying import Stretch
from runtime.settings import Settings
from schemas.commands import encode_command
from schemas.topics import COMMANDS, EXECUTIONS, TRADES

COMMANDS_TOLD = 150_000
PARTITIONS = 2
TOPICS = (COMMANDS, EXECUTIONS, TRADES)
RESTING = 10_000
AT_ONCE = 5_000


async def measure(measuring: Measuring) -> None:
    settings = dataclasses.replace(
        measuring.settings, namespace=f"bench_{secrets.token_hex(4)}", kafka_partitions=PARTITIONS, journal_flush=False
    )
    try:
        await kafka.ensure_topics(settings, TOPICS)
        for partition in range(PARTITIONS):
            await fill(settings, partition, COMMANDS_TOLD)

        async def prove(*stretches: Stretch) -> None:
            """In processes of their own, with their start, as an operator would."""
            found = await asyncio.to_thread(verdicts, settings, stretches, len(stretches), _tell_nobody)
            assert [verdict["difference"] for verdict in found] == [None] * len(stretches)

        one = partial(prove, Stretch(partition=0, market=OPEN.market))
        await measuring.rate("commands verified, one market", COMMANDS_TOLD, one, floor=100_000)
        everything = partial(prove, *[Stretch(partition=partition) for partition in range(PARTITIONS)])
        name = f"commands verified, {PARTITIONS} partitions at once"
        await measuring.rate(name, PARTITIONS * COMMANDS_TOLD, everything, floor=100_000)
    finally:
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in TOPICS])


def _tell_nobody(_stretch: Stretch, _done: int, _of: int) -> None:
    """A bench has no bar."""


async def fill(settings: Settings, partition: int, count: int) -> None:
    """Commands, and what a worker says of them."""
    source = Source(0)
    state: Partition[Any, Any] = Partition(PROGRAM, partition)
    reader, topic = Reader(settings, "bench"), settings.topic(COMMANDS.name)
    async with kafka.running(kafka.producer(settings, name="bench")) as producer:
        key, values = OPEN.market.encode(), [encode_command(OPEN)]
        values += [encode_command(command) for command in source.rest(RESTING) + source.take(count - RESTING - 1)]
        for value in values:
            await producer.send(topic, value, key, partition)
        await producer.flush()
        async for records in reader.read(topic, partition, 0, count, AT_ONCE):
            await _tell(settings, producer, state, records)
        await producer.flush()


async def _tell(settings: Settings, producer: Any, state: Partition[Any, Any], records: Sequence[Record]) -> None:
    for outgoing in state.run(records):
        await producer.send(settings.topic(outgoing.topic), outgoing.value, outgoing.key, state.number)


BENCH = Bench("replay", "how fast a market's whole history is executed again and compared", measure)
