"""The exchange's memory: one SQLite file. Each order is on the disk before it is answered, and kept for ever."""

import sqlite3
from pathlib import Path
from typing import Any

TABLE = """
create table if not exists orders (
    exchange_order_id integer primary key autoincrement,
    client_order_id text not null unique,
    base text not null, quote text not null, amount text not null, price text not null,
    status text not null, filled text not null, charged text not null, reason text,
    expires_ms integer not null, asked_ms integer not null, executed_ms integer not null,
    asks integer not null default 1
)
"""
COLUMNS = (
    "client_order_id", "base", "quote", "amount", "price", "status", "filled", "charged", "reason", "expires_ms",
    "asked_ms", "executed_ms",
)  # fmt: skip
PLACES = ", ".join(f":{column}" for column in COLUMNS)


class Store:
    """All orders that were ever executed or refused."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("pragma synchronous = full")
        self._database.execute(TABLE)

    def find(self, client_order_id: str) -> dict[str, Any] | None:
        row = self._database.execute("select * from orders where client_order_id = ?", (client_order_id,)).fetchone()
        return None if row is None else dict(row)

    def asked_again(self, client_order_id: str) -> None:
        self._database.execute("update orders set asks = asks + 1 where client_order_id = ?", (client_order_id,))

    def add(self, order: dict[str, Any]) -> dict[str, Any]:
        insert = f"insert into orders ({', '.join(COLUMNS)}) values ({PLACES})"  # noqa: S608  -- names from this file
        self._database.execute(insert, order)
        found = self.find(order["client_order_id"])
        assert found is not None, "it has just been written"
        return found

    def all(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self._database.execute("select * from orders order by exchange_order_id")]

    def close(self) -> None:
        self._database.close()
