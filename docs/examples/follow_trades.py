"""Follows the public trades into a SQLite file, each trade once, whatever is repeated and whoever is killed.

python docs/examples/follow_trades.py localhost:9092 trades trades.db

Trades come at least once and in order; one integer per market, kept in the transaction of the rows, drops the repeats.
"""

import asyncio
import json
import sqlite3
import sys

from aiokafka import AIOKafkaConsumer

TABLES = """
create table if not exists trades (trade_id text primary key, market text, price text, amount text, time_ms integer);
create table if not exists last (market text primary key, trade_seq integer not null);
"""


def keep(database: sqlite3.Connection, trade: dict) -> None:
    """A repeat changes nothing; a gap would mean that records are missing, so it stops."""
    row = database.execute("select trade_seq from last where market = ?", [trade["market"]]).fetchone()
    last = row[0] if row else 0
    if trade["trade_seq"] <= last:
        return
    if trade["trade_seq"] != last + 1:
        raise SystemExit(f"{trade['market']}: after {last} comes {trade['trade_seq']}")
    with database:
        fields = [trade[name] for name in ("trade_id", "market", "price", "amount", "time_ms")]
        database.execute("insert into trades values (?, ?, ?, ?, ?)", fields)
        database.execute("insert or replace into last values (?, ?)", [trade["market"], trade["trade_seq"]])


async def follow(broker: str, topic: str, file: str) -> None:
    database = sqlite3.connect(file)
    database.executescript(TABLES)
    options = {"group_id": f"{topic}-example", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    async with AIOKafkaConsumer(topic, bootstrap_servers=broker, **options) as consumer:
        async for record in consumer:
            keep(database, json.loads(record.value))
            await consumer.commit()  # only after the rows: what is lost in between comes again


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:]))
