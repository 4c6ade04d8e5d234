"""`python -m tests.runtime.journal.sinking --database FILE`: follows `executions` into SQLite, as the books do."""

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import uvloop

from runtime import settings
from runtime.journal.errors import Unwell
from runtime.journal.group import Membership
from runtime.journal.halt import halt
from runtime.journal.machine import Record
from runtime.journal.process import serve
from runtime.journal.sink import Feed, Run, Told
from runtime.journal.watermark import Mark
from runtime.journal.worker import SinkWorker
from runtime.telemetry import logs
from schemas.topics import EXECUTIONS

SCHEMA = """
CREATE TABLE IF NOT EXISTS told (market TEXT, seq INTEGER, value BLOB, PRIMARY KEY (market, seq));
CREATE TABLE IF NOT EXISTS marks (topic TEXT, partition INTEGER, market TEXT, seq INTEGER, source_offset INTEGER,
    chain TEXT, position INTEGER, PRIMARY KEY (topic, partition, market));
"""


class Database:
    """A store in one file; a record that is applied twice violates its key."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(SCHEMA)

    async def watermarks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        query = "SELECT market, seq, source_offset, chain, position FROM marks WHERE topic = ? AND partition = ?"
        return {market: Mark(*mark) for market, *mark in self._database.execute(query, (topic, partition))}

    async def apply(self, run: Run[bytes]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            now = await self.watermarks(run.topic, run.partition)
            if any(now.get(market, Mark()) != mark for market, mark in run.before.items()):
                raise Unwell("another worker was here")
            rows = [(told.market, told.seq, told.value) for told in run.records]
            self._database.executemany("INSERT INTO told VALUES (?, ?, ?)", rows)
            marks = [(run.topic, run.partition, market, *mark) for market, mark in run.after.items()]
            self._database.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?, ?, ?, ?)", marks)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def decode(record: Record) -> Told[bytes]:
    value = record.value or b""
    outcome = json.loads(value)
    return Told(outcome["market"], outcome["seq"], outcome["offset"], value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", type=Path)
    parser.add_argument("--lifetime", type=float, default=200)
    args = parser.parse_args()
    here = settings.load()
    logs.configure(here, "sink")

    def build() -> SinkWorker:
        asyncio.get_running_loop().call_later(args.lifetime, halt, "the lifetime of a test's sink is over")
        feeds, member = [Feed(EXECUTIONS, decode)], Membership("sink", 3.0, 0.75)
        return SinkWorker(here, "wallet", feeds, Database(args.database), membership=member, most_weight=100)

    uvloop.run(serve(build))


if __name__ == "__main__":
    main()
