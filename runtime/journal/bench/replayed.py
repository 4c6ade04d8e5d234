"""`python -m runtime.journal.bench.replayed MODULE`: every output of a program's journal, one per line, from its start.

MODULE is the one that holds the agent's `PROGRAM`.
"""

import asyncio
import importlib
import sys

from runtime import settings
from runtime.embedded.home import resolve
from runtime.journal.reader import Reader
from runtime.journal.replay import replay


async def write(module: str) -> None:
    here, program = resolve(settings.load()), importlib.import_module(module).PROGRAM
    reader, topic = Reader(here, "replayed"), here.topic(program.journal.name)
    for partition, (_, end) in (await reader.bounds(topic, range(here.kafka_partitions))).items():
        async for outgoing in replay(program, reader, topic, partition, end):
            line = b"\t".join((outgoing.topic.encode(), b"%d" % partition, outgoing.key, outgoing.value))
            sys.stdout.buffer.write(line + b"\n")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
