"""The example consumer keeps its word: fed with repeats and killed, it has each trade once."""

import contextlib
import importlib.util
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import kafka
from runtime.settings import Settings
from schemas.topics import TRADES
from schemas.trades import decode_trade
from tests.agents.marketdata.floor import until
from tests.agents.marketdata.market import Exchange

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "follow_trades.py"


def example():
    spec = importlib.util.spec_from_file_location("follow_trades", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def traded(exchange: Exchange, chance: random.Random, count: int) -> None:
    while len(exchange.trades) < count:
        exchange.anything(chance)


def wanted(exchange: Exchange) -> list[tuple[str, str, str]]:
    return [(trade.trade_id, trade.price, trade.amount) for trade in map(decode_trade, exchange.trades)]


def test_a_gap_stops_it():
    module, database = example(), sqlite3.connect(":memory:")
    database.executescript(module.TABLES)
    trade = {"trade_id": "M-1", "market": "M", "price": "1.00", "amount": "1", "time_ms": 0, "trade_seq": 1}
    module.keep(database, trade)
    module.keep(database, trade)
    with pytest.raises(SystemExit, match="M: after 1 comes 3"):
        module.keep(database, trade | {"trade_id": "M-3", "trade_seq": 3})


class Follower:
    """The example as a process, one life after the other, with one file."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.topic = settings.topic(TRADES.name)
        self.broker = settings.brokers[0]
        self.file = folder / "trades.db"

    @contextlib.contextmanager
    def life(self) -> Iterator[None]:
        process = subprocess.Popen([sys.executable, str(SCRIPT), self.broker, self.topic, str(self.file)])
        try:
            yield
        finally:
            process.kill()
            assert process.wait() == -9

    async def has(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.kept()) >= count

        await until(enough, lambda: f"{len(self.kept())} of {count}")

    def kept(self) -> list[tuple[str, str, str]]:
        with contextlib.closing(sqlite3.connect(self.file)) as database:
            if database.execute("select count(*) from sqlite_master where name = 'trades'").fetchone()[0] == 0:
                return []
            return database.execute("select trade_id, price, amount from trades order by rowid").fetchall()


async def test_it_has_each_trade_once_through_repeats_and_kills(kafka_topics: Settings, tmp_path: Path):
    exchange, chance, follower = Exchange(), random.Random(5), Follower(kafka_topics, tmp_path)
    for _ in range(3):
        before = len(exchange.trades)
        traded(exchange, chance, before + 60)
        with follower.life():
            async with kafka.running(kafka.producer(kafka_topics, name="test")) as producer:
                for value in exchange.trades[max(0, before - 20) :]:
                    await (await producer.send(follower.topic, value, exchange.market.encode(), 0))
            await follower.has(before + 10)
    with follower.life():
        await follower.has(len(exchange.trades))
    assert follower.kept() == wanted(exchange)
