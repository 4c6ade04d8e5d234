import asyncio
import dataclasses
import os
import sys
from pathlib import Path

import pytest

from ledger.accounts import NewUser, create_user
from ledger.outbox import Outbox
from ledger.transfer_rules import TransferRequest
from ledger.transfers import transfer
from runtime import kafka
from runtime.settings import Settings
from schemas.entries import AccountOpened, Deposited, Entry, Withdrawn, decode_entry
from schemas.topics import LEDGER_ENTRIES
from tests.ops.conftest import environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def entries(stack: Settings, connection) -> list[int]:
    """Three users with three transfers each; their ids. What the outbox tells of them is in the order of its rows."""
    assert await kafka.ensure_topics(stack, [LEDGER_ENTRIES]) == []
    users = [await create_user(connection, NewUser(username=f"user{number}")) for number in range(3)]
    for amount in (100, 50, -30):
        for user in users:
            assert user is not None
            kind = "deposit" if amount > 0 else "withdrawal"
            request = TransferRequest(
                kind=kind, user_id=user, asset="USD", amount_atoms=abs(amount), requested_by=user, key=f"k{amount}"
            )
            await transfer(connection, request)
    return [user for user in users if user is not None]


async def told(settings: Settings) -> list[tuple[int, Entry]]:
    """All records of the topic: partition by partition, each with its key."""
    consumer = kafka.consumer(settings, LEDGER_ENTRIES.name, name="test", reset="earliest")
    async with kafka.running(consumer):
        found: list[tuple[int, Entry]] = []
        ends = await consumer.end_offsets(consumer.assignment())
        for partition, end in sorted(ends.items()):
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                    assert record.headers == (("v", b"1"),)
                    found.append((int(record.key), decode_entry(record.value)))
        return found


async def publish(settings: Settings, pool) -> int:
    async with kafka.running(kafka.producer(settings, name="outbox")) as producer:
        return await Outbox(settings, pool).once(producer)


async def left(connection) -> int:
    return await connection.fetchval("select count(*) from outbox")


def deduped(found: list[tuple[int, Entry]]) -> list[Entry]:
    """As a reader sees them who remembers the ids."""
    return list({entry.entry_id: entry for _, entry in found}.values())


async def test_each_users_entries_come_in_order_under_his_id(stack, pool, connection, entries):
    assert await publish(stack, pool) == 12
    assert await left(connection) == 0
    found = await told(stack)
    assert all(key == entry.user_id for key, entry in found)
    for number, user in enumerate(entries):
        of_user = [entry for key, entry in found if key == user]
        assert [type(entry) for entry in of_user] == [AccountOpened, Deposited, Deposited, Withdrawn]
        account, first, second, third = of_user
        assert (account.username, account.is_admin) == (f"user{number}", False)
        assert [moved.amount_atoms for moved in (first, second, third)] == [100, 50, -30]
        assert [moved.idempotency_key for moved in (first, second, third)] == ["k100", "k50", "k-30"]
    assert await publish(stack, pool) == 0


async def test_several_publishers_at_once_say_everything_once(stack, pool, connection, entries):
    publishers = [asyncio.create_task(Outbox(stack, pool).for_ever()) for _ in range(3)]
    while await left(connection):
        await asyncio.sleep(0.02)
    for publisher in publishers:
        publisher.cancel()
    await asyncio.gather(*publishers, return_exceptions=True)
    found = [entry.entry_id for _, entry in await told(stack)]
    assert sorted(found) == list(range(1, 13))


async def test_nothing_is_forgotten_while_kafka_is_away(stack, pool, connection, entries):
    await kafka.delete_topics(stack, [stack.topic(LEDGER_ENTRIES.name)])
    away = dataclasses.replace(stack, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(kafka.UNWELL):
        await publish(away, pool)
    assert await left(connection) == 12


PUBLISH = """
import asyncio
from ledger.outbox import Outbox
from runtime import kafka, postgres
from runtime.settings import load

async def main():
    settings = load()
    pool = await postgres.pool(settings, max_size=1)
    async with kafka.running(kafka.producer(settings, name="outbox")) as producer:
        await Outbox(settings, pool).once(producer)

asyncio.run(main())
"""


async def test_a_publisher_killed_before_it_forgets_repeats_and_loses_nothing(stack, pool, connection, entries):
    environ = environment(stack) | {"TIDEMARK_TEST": "1", "CRASH_AT": "outbox.after_produce:1"}
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUBLISH, cwd=ROOT, env=environ | {"PYTHONPATH": os.fspath(ROOT)}
    )
    assert await asyncio.wait_for(killed.wait(), 60) == -9
    assert await left(connection) == 12
    while await publish(stack, pool) == 0:  # the lock goes with the killed one's connection, in a moment
        await asyncio.sleep(0.02)
    found = await told(stack)
    assert len(found) == 24
    assert sorted(entry.entry_id for entry in deduped(found)) == list(range(1, 13))
    for user in entries:
        ids = [entry.entry_id for entry in deduped([(key, entry) for key, entry in found if key == user])]
        assert ids == sorted(ids)
