"""`python -m runtime.journal.bench.replayed`: every output of the tally's journal, one per line, from its start."""

import asyncio
import sys

from runtime import settings
from runtime.journal.bench.tally import PROGRAM
from runtime.journal.reader import Reader
from runtime.journal.replay import replay


async def write() -> None:
    here = settings.load()
    reader, topic = Reader(here, "replayed"), here.topic(PROGRAM.journal.name)
    for partition, (_, end) in (await reader.bounds(topic, range(here.kafka_partitions))).items():
        async for outgoing in replay(PROGRAM, reader, topic, partition, end):
            line = b"\t".join((outgoing.topic.encode(), b"%d" % partition, outgoing.key, outgoing.value))
            sys.stdout.buffer.write(line + b"\n")


if __name__ == "__main__":
    asyncio.run(write())
