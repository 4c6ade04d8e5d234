"""Each public trade once, in a SQLite file: `python docs/examples/follow_trades.py localhost:9092 trades trades.db`.

Trades come at least once, in order: one integer per market, kept in the transaction of the rows, drops the repeats.
"""

import asyncio
import json
import sqlite3
import sys

from aiokafka import AIOKafkaConsumer

TABLES = """create table if not exists last (market text primary key, trade_seq integer not null);
create table if not exists trades (trade_id text primary key, market text, price text, amount text, time_ms integer);"""


def keep(database: sqlite3.Connection, trade: dict) -> None:
    """A repeat changes nothing; a gap would mean that records are missing, so it stops."""
    (last,) = database.execute("select coalesce(max(trade_seq), 0) from last where market = :market", trade).fetchone()
    if trade["trade_seq"] > last + 1:
        raise SystemExit(f"{trade['market']}: after {last} comes {trade['trade_seq']}")
    if trade["trade_seq"] == last + 1:
        database.execute("insert into trades values (:trade_id, :market, :price, :amount, :time_ms)", trade)
        database.execute("insert or replace into last values (:market, :trade_seq)", trade)


async def follow(broker: str, topic: str, file: str) -> None:
    database = sqlite3.connect(file)
    database.executescript(TABLES)
    options = {"group_id": f"{topic}-example", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    async with AIOKafkaConsumer(topic, bootstrap_servers=broker, **options) as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                with database:
                    for record in records:
                        keep(database, json.loads(record.value))
                await consumer.commit()  # only after the rows: what is lost in between comes again


asyncio.run(follow(*sys.argv[1:])) if __name__ == "__main__" else None
