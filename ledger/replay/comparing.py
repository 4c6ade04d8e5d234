"""Two schemas of the books compared row by row, by the names that rows have in the topics; differences in words.

What is compared stands in `sql/compare.sql`; what cannot be in the topics is named here, with the reason.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from ledger.connection import Connection
from ledger.queries import query

TABLES = (
    "currencies", "users", "markets", "watermarks", "trades", "transfers", "postings", "orders", "commands", "batches",
    "idempotency_keys", "wallets", "system_accounts",
)  # fmt: skip
OWN_NUMBERS = "a number that the tables give by themselves"
NAMED = "part of the row's name"
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "users": {"id": NAMED, "password_hash": "passwords are in no topic"},
    "currencies": {"code": NAMED, "created_at": "the first one comes with the schema"},
    "markets": {"id": OWN_NUMBERS, "symbol": NAMED, "created_at": "the journal has the time of the opening"},
    "wallets": {"user_id": NAMED, "asset": NAMED},
    "system_accounts": {"account": NAMED, "market": NAMED, "asset": NAMED},
    "transfers": {"id": f"{OWN_NUMBERS}, but for deposits, withdrawals and adjustments, whose name it is"},
    "postings": {
        "id": OWN_NUMBERS, "transfer_id": OWN_NUMBERS, "account": NAMED, "user_id": NAMED, "market": NAMED,
        "asset": NAMED, "order_id": NAMED, "type": NAMED,
    },
    "idempotency_keys": {"user_id": NAMED, "key": NAMED},
    "orders": {"id": NAMED, "created_at": "the journal has the time at which the order reached it"},
    "commands": {
        "id": NAMED, "created_at": "as of orders", "sends": "how often the API sent it",
        "next_send_at": "when the API sends it again",
    },
    "trades": {"id": OWN_NUMBERS, "market": NAMED, "trade_seq": NAMED},
    "batches": {"id": NAMED},
    "watermarks": {
        "consumer": "only the wallet agent's are the books'", "topic": NAMED, "partition": NAMED, "market": NAMED,
        "updated_at": "when it was written",
    },
}  # fmt: skip
"""Columns that are not compared, and why."""
NOT_TOLD: Mapping[str, str] = {
    "refresh_families": "sessions are in no topic: after a recovery everybody logs in again",
    "refresh_tokens": "as above",
    "request_signatures": "they matter for the minute in which a signed request may arrive",
    "audit_log": "what admins did beside the journal is in no topic",
    "outbox": "what is on its way to the topics",
    "batch_attempts": "the desk's own notes: it asks the exchange again",
    "candles": "a view: tidemark replay rebuild --view candles",
    "migrations": "the schema's own history",
}
"""Tables that cannot be made again from the topics, or need not be."""
SHOWN = 10


@dataclasses.dataclass(frozen=True, slots=True)
class RowDiffers:
    """One row that is not the same; a side that has no such row is None."""

    table: str
    place: str
    live: Mapping[str, Any] | None
    again: Mapping[str, Any] | None

    def __str__(self) -> str:
        row = f"{self.table} {self.place}"
        if self.live is None:
            return f"{row} is not in the live books, and is there when they are made again."
        if self.again is None:
            return f"{row} is in the live books, and not there when they are made again."
        told = ", ".join(
            f"{name} is {_text(value)} and not {_text(self.again[name])}"
            for name, value in self.live.items()
            if value != self.again[name]
        )
        return f"{row}: in the live books {told}."


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """How many rows of each table were compared, how many differ, and the first of those of each."""

    rows: dict[str, int]
    differing: dict[str, int]
    first: list[RowDiffers]


async def compare(
    connection: Connection, live: str, again: str, progress: Callable[[int, str], None] = lambda _done, _table: None
) -> Compared:
    """All tables, as the transaction of the caller sees them."""
    compared = Compared({}, {}, [])
    for number, table in enumerate(TABLES):
        progress(number, table)
        one, other = (query(f"compare.{table}").replace("books.", f'"{schema}".') for schema in (live, again))
        rows = await connection.fetch(f"{DIFFERING % (one, other)} limit {SHOWN}")
        compared.rows[table] = await connection.fetchval(f"select count(*) from ({other}) r")  # noqa: S608  -- our own words
        if rows:
            compared.differing[table] = rows[0]["number"]
            compared.first.extend(RowDiffers(table, row["place"], _row(row["one"]), _row(row["other"])) for row in rows)
    return compared


DIFFERING = """
with one as (%s), other as (%s)
select coalesce(a.place, b.place) as place, count(*) over () as number,
       (to_jsonb(a) - 'place')::text as one, (to_jsonb(b) - 'place')::text as other
from one a full join other b on a.place = b.place
where a is distinct from b
order by 1
"""


def _row(text: str | None) -> dict[str, Any] | None:
    row: dict[str, Any] | None = None if text is None else json.loads(text, parse_float=str)
    return row


def _text(value: object) -> str:
    return "empty" if value is None else str(value)
