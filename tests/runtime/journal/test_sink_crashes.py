"""A sink killed on the real broker, its database restored from a backup: every record is applied once, in order."""

import asyncio
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from schemas.topics import EXECUTIONS
from tests.runtime.journal.lab import Lab

POINTS = ("sink.before_apply:30", "sink.after_apply:30", "journal.at_assignment:3")


def applied(database: Path) -> dict[bytes, list[bytes]]:
    """What the database holds, per market in the order of seq."""
    held: dict[bytes, list[bytes]] = {}
    with sqlite3.connect(database) as connection:
        for market, value in connection.execute("SELECT market, value FROM told ORDER BY market, seq"):
            held.setdefault(market.encode(), []).append(value)
    return held


def count(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT count(*) FROM told").fetchone()[0]


async def more_applied(database: Path, more: int, lab: Lab) -> None:
    wanted, deadline = (count(database) if database.exists() else 0) + more, time.monotonic() + 60
    while not database.exists() or count(database) < wanted:
        assert time.monotonic() < deadline, lab.processes[-1].said()[-3000:]
        await asyncio.sleep(0.02)


async def test_a_sink_killed_anywhere_and_restored_from_a_backup_applies_every_record_once(space, tmp_path):
    database, backup = tmp_path / "books.sqlite", tmp_path / "backup.sqlite"
    chance = random.Random(5)
    async with Lab(space, tmp_path) as lab:
        async with lab.loading(1000):
            worker = lab.worker()
            for point in POINTS:
                victim = lab.sink(database=database, crash_at=point)
                assert await victim.gone() == -signal.SIGKILL, victim.said()[-3000:]
                assert victim.trace.read_text().split(" ")[0] == point
                assert count(database) < await lab.outcomes()
            worker.signal(signal.SIGKILL)  # its successor says some things again
            lab.worker()
            victim = lab.sink(database=database)
            await more_applied(database, chance.randrange(500, 1500), lab)
            victim.signal(signal.SIGKILL)
            await victim.gone()
            shutil.copy(database, backup)
            victim = lab.sink(database=database)
            await more_applied(database, 1500, lab)
            victim.signal(signal.SIGTERM)
            assert await victim.gone() == 0
        shutil.move(backup, database)
        database.with_name("books.sqlite-journal").unlink(missing_ok=True)
        await lab.drained()
        expected = lab.replayed()[EXECUTIONS.name]
        lab.sink(database=database)
        await more_applied(database, sum(map(len, expected.values())) - count(database), lab)
        assert applied(database) == expected
        await lab.check()
