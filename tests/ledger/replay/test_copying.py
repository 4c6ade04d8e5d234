import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.connection import books
from ledger.queries import query
from ledger.replay.comparing import LEFT_OUT, NOT_TOLD, TABLES, RowDiffers
from ledger.replay.copying import Refused, copy
from runtime.journal.errors import Broken
from runtime.settings import Settings
from tests.conftest import drop_schema
from tests.ledger.replay.exchange import Exchange, exchange


@pytest.fixture
async def floor(stack: Settings, tmp_path: Path) -> AsyncIterator[Exchange]:
    try:
        async with exchange(stack, tmp_path) as one:
            yield one
    finally:
        for name in ("again", "twice"):
            await drop_schema(dataclasses.replace(stack, namespace=f"{stack.namespace}_{name}"))


@pytest.mark.tampers
async def test_the_books_made_again_are_the_books_row_by_row(floor: Exchange) -> None:
    await floor.join(5)
    await floor.trade(60)
    into = f"{floor.settings.namespace}_again"
    copied = await copy(floor.settings, into)
    assert copied.compared.first == []
    assert copied.wrong == []
    assert copied.trades == await floor.connection.fetchval("select count(*) from trades")
    assert all(copied.compared.rows[table] for table in TABLES), copied.compared.rows
    with pytest.raises(Refused, match="not empty"):
        await copy(floor.settings, into)
    await floor.connection.execute("update orders set client_order_id = 'forged' where id = 7")
    await floor.connection.execute("delete from trades where market = 'ABAN-USD' and trade_seq = 2")
    again = await copy(floor.settings, f"{floor.settings.namespace}_twice")
    assert again.compared.differing == {"trades": 1, "orders": 1}
    trade, order = again.compared.first
    assert str(trade) == "trades ABAN-USD-2 is not in the live books, and is there when they are made again."
    assert str(order).startswith("orders 7: in the live books client_order_id is forged and not order-")


async def test_a_copy_is_refused_where_it_would_do_harm(database: Settings) -> None:
    with pytest.raises(Refused, match="The live books are in the schema"):
        await copy(database, database.namespace)
    with pytest.raises(Refused, match="cannot be the name of a copy"):
        await copy(database, "Books!")


async def test_a_copy_that_cannot_be_made_leaves_nothing_behind(database: Settings) -> None:
    into = f"{database.namespace}_again"
    with pytest.raises(Broken, match="Kafka does not say where"):
        await copy(dataclasses.replace(database, kafka_bootstrap="127.0.0.1:9"), into)
    async with books(database) as connection:
        assert await connection.fetchval("select count(*) from pg_namespace where nspname = $1", into) == 0


async def test_every_column_of_the_books_is_compared_or_left_out_with_a_reason(database: Settings) -> None:
    async with books(database) as connection:
        rows = await connection.fetch(
            "select c.relname as name, array_agg(a.attname::text) as columns from pg_class c "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' group by 1"
        )
        tables = {row["name"]: set(row["columns"]) for row in rows}
        assert set(tables) == set(TABLES) | set(NOT_TOLD)
        for table in TABLES:
            sql = query(f"compare.{table}").replace("books.", f'"{database.namespace}".')
            prepared = await connection.prepare(sql)
            compared = {attribute.name for attribute in prepared.get_attributes()}
            assert tables[table] - compared == set(LEFT_OUT.get(table, ())), table


def test_a_difference_is_told_in_words() -> None:
    differs = RowDiffers("orders", "7", {"state": "filled", "seq": 3}, {"state": "filled", "seq": None})
    assert str(differs) == "orders 7: in the live books seq is 3 and not empty."
    missing = RowDiffers("orders", "7", {"state": "filled"}, None)
    assert str(missing) == "orders 7 is in the live books, and not there when they are made again."
