"""The tables that the books are made again in: rows go in by COPY, rows that are there are changed, by one connection.

Amounts come in at the end and in one piece, so that no constraint has to be lifted: no row is ever below zero.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

import ledger.replay.row_rules as made
from ledger.batch_rules import Batch
from ledger.queries import query
from ledger.replay.remade_rules import Kept, Remade
from ledger.replay.row_rules import Gathered, MarketRow, Row, Rows
from ledger.replay.topics import Marks, Place
from ledger.settlement import Order
from runtime.journal.watermark import Mark

CONSUMER = "wallet"
AT_ONCE = 5000


class Writer:
    """Rows on their way into the tables of a connection, while the next ones are made."""

    def __init__(self, connection: asyncpg.Connection, counts: dict[str, int] | None = None) -> None:
        """`counts` is told how many rows went into which table."""
        self._connection = connection
        self._counts = {} if counts is None else counts
        self._task: asyncio.Task[None] | None = None

    async def write(self, rows: Rows) -> None:
        """Returns when the rows before these are in."""
        await self.settled()
        self._task = asyncio.create_task(self._copy(rows))

    async def settled(self) -> None:
        """Nothing else may be asked of the connection before this."""
        if self._task is not None:
            task, self._task = self._task, None
            await task

    async def _copy(self, rows: Rows) -> None:
        for table, columns in made.COLUMNS.items():
            if rows.get(table):
                self._counts[table] = self._counts.get(table, 0) + len(rows[table])
                await self._connection.copy_records_to_table(table, records=rows[table], columns=columns)
        await write(self._connection, "replay.decide_commands", rows.get("decided", ()))


class Tables:
    """The tables in sight of one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def load(self, remade: Remade) -> None:
        """What is not done yet in these tables, and what a market is."""
        for row in await self._connection.fetch(query("replay.markets")):
            remade.know_market(MarketRow(*row))
        for row in await self._connection.fetch(query("replay.undecided")):
            remade.know_command(*row)
        for row in await self._connection.fetch(query("replay.open_orders")):
            remade.know_order(_kept(row))

    async def batches(self, batch_ids: Iterable[str]) -> dict[str, Batch]:
        rows = await self._connection.fetch(query("replay.batches"), list(batch_ids))
        return {row["id"]: Batch(*row) for row in rows}

    async def marks(self) -> dict[Place, Marks]:
        """How far the wallet agent has come in each partition."""
        found: dict[Place, Marks] = {}
        for topic, partition, market, seq, source_offset, chain, following in await self._connection.fetch(
            query("replay.marks"), CONSUMER
        ):
            found.setdefault((topic, partition), {})[market] = Mark(seq, source_offset, chain, following - 1)
        return found

    async def set_marks(self, marks: Mapping[Place, Marks]) -> None:
        rows = [
            (*place, market, mark.seq, mark.source_offset, mark.chain, mark.position + 1)
            for place, by_market in marks.items()
            for market, mark in by_market.items()
        ]
        if rows:
            await self._connection.execute(query("replay.set_marks"), CONSUMER, *columns(rows))

    async def finish(self, remade: Remade) -> None:
        """Everything that is not a row of its own: accounts, terms, and what became of rows that were there."""
        await self._connection.execute(query("replay.make_admins"), sorted(remade.admins))
        new = [row for row in remade.markets.values() if row.command_id]
        scales = dict([pair for row in new for pair in ((row.base, row.base_scale), (row.quote, row.quote_scale))])
        await self._write("replay.add_currencies", sorted(scales.items()))
        for row in sorted(new, key=lambda one: one.command_id):
            await self._connection.execute(query("replay.add_markets"), *row[:-1])
        await self._write("replay.set_markets", [made.terms(*one) for one in remade.terms.items()])
        wallets = [(*key, one.available, one.held, one.pending) for key, one in sorted(remade.wallets.items())]
        await self._write("replay.add_wallets", [row[:2] for row in wallets])
        await self._write("replay.move_wallets", [row for row in wallets if any(row[2:])])
        await self._write("replay.move_accounts", [(*key, atoms) for key, atoms in sorted(remade.system.items())])
        changed = [made.change(order, remade.gathered.get(key)) for key, order in remade.changed.items()]
        await self._write("replay.set_orders", changed)
        await self._connection.execute(query("replay.drop_batches"), list(remade.batches))
        batches = [made.batch(one) for one in remade.batches.values()]
        await self._connection.copy_records_to_table("batches", records=batches, columns=made.COLUMNS["batches"])

    async def _write(self, name: str, rows: Sequence[Row]) -> None:
        await write(self._connection, name, rows)


async def write(connection: asyncpg.Connection, name: str, rows: Sequence[Row]) -> None:
    """Rows go as one array a column."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        await connection.execute(query(name), *columns(some))


def columns(rows: Sequence[Row]) -> list[list[Any]]:
    """As one array a column."""
    return [list(column) for column in zip(*rows, strict=True)]


def _kept(row: asyncpg.Record) -> Kept:
    *changing, market, command_id, is_aggregated, batch_id, batch_line = row
    gathered = None if batch_id is None else Gathered(is_aggregated, batch_id, batch_line)
    return Kept(Order(*changing), market, command_id, gathered)
