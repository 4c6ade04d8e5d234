import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ledger.backup import backup, restore
from ledger.commands import add_command
from ledger.connection import books
from ledger.hold_rules import NewOrder, Placed
from ledger.holds import place
from ledger.migrate import migrate
from ledger.replay.comparing import compare
from ledger.replay.copying import copy
from ledger.replay.recovering import recover
from runtime.embedded.program import Broken
from runtime.settings import Settings
from tests.conftest import drop_schema
from tests.ledger.replay.exchange import Exchange, exchange


@pytest.fixture
async def floor(stack: Settings, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(stack, tmp_path) as one:
        yield one


@pytest.fixture
async def others(stack: Settings) -> AsyncIterator[None]:
    """Whatever other schemas a test makes are gone after it."""
    yield
    async with books(stack) as connection:
        rows = await connection.fetch("select nspname from pg_namespace where nspname like $1", f"{stack.namespace}_%")
    for row in rows:
        await drop_schema(dataclasses.replace(stack, namespace=row["nspname"]))


async def same_books(connection: Any, one: str, other: str) -> None:
    async with connection.transaction(isolation="repeatable_read"):
        compared = await compare(connection, one, other)
    assert [str(row) for row in compared.first] == []


def retried(row: Any) -> NewOrder:
    """The request that made this order, sent again."""
    return NewOrder(
        user_id=row["user_id"], placed_by=row["placed_by"], market=row["market"], kind=row["kind"], side=row["side"],
        time_in_force=row["time_in_force"], self_trade=row["self_trade"], lots=row["lots"],
        price_ticks=row["price_ticks"], hold_asset=row["hold_asset"], hold_atoms=row["hold_atoms"],
        key=row["client_order_id"], digest=row["body_digest"],
    )  # fmt: skip


async def test_an_older_backup_becomes_the_books_of_today_and_the_exchange_goes_on(
    floor: Exchange, others: None, tmp_path: Path
) -> None:
    settings, file = floor.settings, tmp_path / "books.backup"
    await floor.join(4)
    await floor.trade(40)
    await backup(settings, file)
    at_backup = await floor.connection.fetchval("select max(id) from orders")
    await floor.join(3)
    await floor.trade(40)
    floor.kill()
    kept = await restore(settings, file, aside=True)
    assert kept is not None
    recovered = await recover(settings)
    assert recovered.rows["users"] == 4
    await same_books(floor.connection, kept, settings.namespace)

    later = await floor.connection.fetch("select * from orders where id > $1", at_backup)
    answers = await place(floor.connection, [retried(row) for row in later], 10_000)
    assert answers == [Placed(row["id"], row["command_id"], repeated=True) for row in later]

    floor.start()
    await floor.join(2)
    await floor.trade(40)
    assert (await copy(settings, f"{settings.namespace}_again")).compared.first == []


@pytest.mark.slow
async def test_books_that_were_lost_wholly_come_back_from_the_topics_alone(floor: Exchange, others: None) -> None:
    settings = floor.settings
    await floor.join(4)
    await floor.trade(40)
    floor.kill()
    kept = f"{settings.namespace}_lost"
    await floor.connection.execute(f"alter schema {settings.namespace} rename to {kept}")
    await migrate(settings)
    await recover(settings)
    await same_books(floor.connection, kept, settings.namespace)
    floor.start()
    await floor.trade(20)


@pytest.mark.slow
async def test_what_was_in_flight_is_decided_once_after_the_recovery(
    floor: Exchange, others: None, tmp_path: Path
) -> None:
    """The backup has commands that nobody had decided; some reached the journal, and everything died meanwhile."""
    settings, file = floor.settings, tmp_path / "books.backup"
    await floor.join(3)
    await floor.trade(20)
    floor.kill()
    for _ in range(10):
        await floor.order()
    await backup(settings, file)
    for _ in range(10):
        await floor.order()
    await floor.journal()
    floor.start("matching")
    await floor.executed()
    floor.kill()
    await floor.order()  # never journaled: it is gone, and nobody was told of it
    await restore(settings, file, aside=True)
    await recover(settings)
    assert await floor.connection.fetchval("select count(*) from commands where state = 'pending'") == 0
    floor.start()
    await floor.trade(20)
    assert (await copy(settings, f"{settings.namespace}_again")).compared.first == []


async def waits_for_a_lock(connection: Any) -> bool:
    waiting = "select exists (select from pg_locks l join pg_class c on c.oid = l.relation where not l.granted {})"
    ours = "and c.relnamespace = current_schema()::text::regnamespace"
    return bool(await connection.fetchval(waiting.format(ours)))


async def test_a_vacuum_is_waited_for(database: Settings, kafka_topics: Settings) -> None:
    await migrate(database)
    async with books(database) as vacuum, books(database) as connection:
        async with vacuum.transaction():
            await vacuum.execute("lock table wallets in share update exclusive mode")
            recovering = asyncio.create_task(recover(database))
            while not await waits_for_a_lock(connection):
                assert not recovering.done(), await recovering
                await asyncio.sleep(0.01)
        assert (await recovering).rows == {}


async def test_books_that_were_used_after_the_restore_are_refused(
    floor: Exchange, others: None, tmp_path: Path
) -> None:
    settings, file = floor.settings, tmp_path / "books.backup"
    await floor.join(3)
    await backup(settings, file)
    await floor.trade(10)
    floor.kill()
    await restore(settings, file, aside=True)
    await add_command(floor.connection, "ETH-USD", "list_price", {"price_ticks": 5})
    with pytest.raises(Broken, match="one thing in these books and another in the journal"):
        await recover(settings)
    await restore(settings, file, aside=True)
    async with books(settings) as connection, connection.transaction():
        await connection.execute("update wallets set available = available")
        with pytest.raises(Broken, match="Somebody is writing to these books"):
            await recover(settings)
    await recover(settings)
