"""Which commands are sent again: those that are due, in the order of their numbers, each less and less often."""

import asyncio

from ledger.hold_rules import Placed
from ledger.holds import place
from ledger.relay import Waiting, claim, waiting
from tests.ledger.orders import buy, open_market, rich_user


async def placed(connection, count):
    """The commands of so many orders; the market's opening has been decided."""
    await open_market(connection)
    user_id = await rich_user(connection, "ada", 10_000)
    answers = await place(connection, [buy(user_id, f"k{number}", 1) for number in range(count)], 10_000)
    await connection.execute(
        "update commands set state = 'decided', outcome = 'x', decided_at = now(), journal_partition = 0,"
        " journal_offset = 0 where kind = 'open_market'"
    )
    assert all(isinstance(answer, Placed) for answer in answers)
    return [answer.command_id for answer in answers]


async def make_due(connection):
    await connection.execute("update commands set next_send_at = now()")


async def waits(connection):
    rows = await connection.fetch(
        "select distinct sends, extract(epoch from next_send_at - now())::integer as wait_s from commands"
        " where state = 'pending'"
    )
    return [tuple(row) for row in rows]


async def test_what_waits_is_counted_and_the_oldest_dated(connection):
    assert await waiting(connection) == Waiting(0, 0)
    first, _ = await placed(connection, 2)
    await connection.execute("update commands set created_at = now() - interval '75.9 seconds' where id = $1", first)
    assert await waiting(connection) == Waiting(2, 75)


async def test_a_new_command_is_left_to_whoever_wrote_it(connection):
    await placed(connection, 2)
    async with connection.transaction():
        assert await claim(connection, 500) == []


async def test_each_claim_moves_the_next_one_back_up_to_a_minute(connection):
    ids = await placed(connection, 2)
    seen = []
    for _ in range(7):
        await make_due(connection)
        async with connection.transaction():
            assert sorted(await claim(connection, 500)) == ids
            assert await claim(connection, 500) == [], "not due any more"
            seen += await waits(connection)
    assert seen == [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60)]


async def test_the_oldest_numbers_go_first_and_only_so_many(connection):
    ids = await placed(connection, 5)
    await make_due(connection)
    claimed = []
    for _ in range(3):
        async with connection.transaction():
            claimed.append(sorted(await claim(connection, 2)))
    assert claimed == [ids[:2], ids[2:4], ids[4:]]


async def test_what_is_decided_is_never_claimed(connection):
    ids = await placed(connection, 2)
    await make_due(connection)
    await connection.execute(
        "update commands set state = 'decided', outcome = 'open', decided_at = now(), journal_partition = 0,"
        " journal_offset = 1 where id = $1",
        ids[0],
    )
    async with connection.transaction():
        assert await claim(connection, 500) == ids[1:]


async def test_two_instances_never_claim_the_same_command(pool, connection):
    ids = await placed(connection, 50)
    await make_due(connection)

    async def one():
        async with pool.acquire() as own, own.transaction():
            return await claim(own, 10)

    claimed = []
    while len(claimed) < len(ids):
        for part in await asyncio.gather(one(), one(), one()):
            claimed += part
    assert sorted(claimed) == ids
