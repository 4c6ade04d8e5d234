"""The two books that the shared suite runs on: PostgreSQL as the processes use it, and the twin in memory.

Both have the same verbs and fail in the same words; `rows` shows a table of either, column by column.
"""

import contextlib
import dataclasses
import datetime
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from agents.wallet.store import BooksStore
from ledger import accounts, commands, holds, listings, relay, transfers
from ledger.hold_rules import NewOrder
from ledger.queries import query
from ledger.reconcile import differences
from ledger.settlement import Decided
from ledger.transfer_rules import TransferRequest
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from tests.ledger.memory.books import Books
from tests.ledger.memory.rows import ROWS
from tests.ledger.memory.table import Constraint, OutOfRange

KEYS = {
    "currencies": "code", "markets": "symbol", "wallets": "user_id, asset", "system_accounts": "account, market, asset",
    "idempotency_keys": "user_id, key", "request_signatures": "signature", "trades": "market, trade_seq",
    "watermarks": "consumer, topic, partition, market",
}  # fmt: skip
WAITS = """
select sends, extract(epoch from next_send_at - now())::integer from commands where state = 'pending' order by id
"""
Row = Mapping[str, Any]


class InMemory:
    """Every verb of the twin, awaited."""

    name = "memory"

    def __init__(self) -> None:
        self.books = Books(lambda: 0.0)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        deed = getattr(self.books, verb)

        async def answer(*arguments: Any, **options: Any) -> Any:
            return deed(*arguments, **options)

        return answer

    async def rows(self, table: str) -> list[Row]:
        order = [name.strip() for name in KEYS.get(table, "id").split(",")]
        found = [dataclasses.asdict(row) for row in getattr(self.books, table)]
        return sorted(found, key=lambda row: [row[name] for name in order])

    async def prove(self) -> None:
        """Transfers sum to zero, and every balance is the sum of its postings."""
        legs: Counter[tuple[int, str]] = Counter()
        sums: Counter[tuple[Any, ...]] = Counter()
        for leg in self.books.postings:
            legs[leg.transfer_id, leg.asset] += leg.amount
            sums[leg.account, leg.user_id, leg.market, leg.asset] += leg.amount
        assert not any(legs.values()), legs
        for wallet in self.books.wallets:
            of_user = (wallet.user_id, None, wallet.asset)
            assert (wallet.available + wallet.held, wallet.pending) == (
                sums["wallet", *of_user],
                sums["pending", *of_user],
            )
            mine = [
                o.held_remaining
                for o in self.books.orders
                if (o.user_id, o.hold_asset) == (wallet.user_id, wallet.asset)
            ]
            assert wallet.held == sum(mine)
        for row in self.books.system_accounts:
            assert row.balance == sums[row.account, None, row.market or None, row.asset]


@contextlib.contextmanager
def _in_our_words() -> Any:
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise Constraint(f"{error.constraint_name}: {error}") from error
    except asyncpg.DataError as error:
        raise OutOfRange(str(error)) from error


class InPostgres:
    """The same on the pool of a process."""

    name = "postgres"

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._decided: list[Decided] = []
        self._waits: list[asyncpg.Record] = []
        self._store = BooksStore(lambda: pool, self._decided.extend, lambda touched: None)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with self.pool.acquire() as connection:
            with _in_our_words():
                yield connection

    async def create_user(self, new: accounts.NewUser) -> int | None:
        async with self._connection() as connection:
            return await accounts.create_user(connection, new)

    async def add_currency(self, code: str, name: str, scale: int) -> bool:
        async with self._connection() as connection:
            return await listings.add_currency(connection, code, name, scale)

    async def add_market(self, new: listings.NewMarket, *, partitions: int) -> commands.CommandRow | None:
        async with self._connection() as connection, connection.transaction():
            return await listings.add_market(connection, new, partitions=partitions)

    async def add_command(self, *arguments: Any, **about: Any) -> commands.CommandRow:
        async with self._connection() as connection:
            return await commands.add_command(connection, *arguments, **about)

    async def journal_records(self, command_ids: Sequence[int]) -> list[commands.JournalRecord]:
        async with self._connection() as connection:
            return await commands.journal_records(connection, command_ids)

    async def place(self, orders: Sequence[NewOrder], max_open_orders: int) -> Any:
        async with self._connection() as connection:
            return await holds.place(connection, orders, max_open_orders)

    async def transfer(self, request: TransferRequest) -> Any:
        async with self._connection() as connection:
            return await transfers.transfer(connection, request)

    async def claim(self, per_partition: int) -> list[int]:
        async with self._connection() as connection, connection.transaction():
            if claimed := sorted(await relay.claim(connection, per_partition)):
                self._waits = await connection.fetch(WAITS)
            return claimed

    async def make_due(self) -> None:
        async with self._connection() as connection:
            await connection.execute("update commands set next_send_at = now()")

    async def waits(self) -> list[tuple[int, int]]:
        """As of the last claim."""
        return [tuple(row) for row in self._waits]

    async def forget(self, entries: Iterable[int]) -> None:
        async with self._connection() as connection:
            await connection.execute(query("outbox.forget"), list(entries))

    async def marks(self, topic: str, partition: int) -> Mapping[str, Mark]:
        return await self._store.watermarks(topic, partition)

    async def apply(self, run: Run[Any]) -> Sequence[Decided]:
        self._decided.clear()
        await self._store.apply(run)
        return list(self._decided)

    async def rows(self, table: str) -> list[Row]:
        columns = ROWS[table].__slots__
        sql = f"select {', '.join(columns)} from {table} order by {KEYS.get(table, 'id')}"
        async with self._connection() as connection:
            return [_plain(row) for row in await connection.fetch(sql)]

    async def prove(self) -> None:
        async with self._connection() as connection:
            assert [str(difference) for difference in await differences(connection)] == []


def _plain(row: asyncpg.Record) -> Row:
    """Times as milliseconds, and none in what the topic is told, since only a server's clock knows them."""
    plain = {name: _ms(value) if isinstance(value, datetime.datetime) else value for name, value in row.items()}
    if "entry" in plain:
        plain["entry"] = {name: value for name, value in plain["entry"].items() if name != "at_us"}
    return plain


def _ms(time: datetime.datetime) -> int:
    return (time - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)


Store = InMemory | InPostgres
