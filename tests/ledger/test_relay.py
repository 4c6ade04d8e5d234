"""Which commands are sent again: those that are due, in the order of their numbers, each less and less often."""

import asyncio

import pytest

from tests.ledger.exchange import Exchange
from tests.ledger.stores import Store


class Waiting:
    """Commands of an open market that nobody has decided."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.exchange = Exchange(store)
        self.ids: list[int] = []

    async def begin(self, count: int) -> list[int]:
        assert await self.store.add_currency("BTC", "Bitcoin", 8)
        await self.exchange.open()
        ada = await self.exchange.rich("ada")
        orders = [self.exchange.limit(ada, "buy", 1, 1, f"k{number}") for number in range(count)]
        self.ids = [answer.command_id for answer in await self.store.place(orders, 10_000)]
        return self.ids


@pytest.fixture
def waiting(store: Store) -> Waiting:
    return Waiting(store)


async def test_a_new_command_is_left_to_whoever_wrote_it(store, waiting):
    await waiting.begin(2)
    assert await store.claim(500) == []


async def test_each_claim_moves_the_next_one_back_up_to_a_minute(store, waiting):
    ids = await waiting.begin(2)
    seen = []
    for _ in range(7):
        await store.make_due()
        assert await store.claim(500) == ids
        assert await store.claim(500) == [], "not due any more"
        seen += await store.waits()
    assert [sends for sends, _ in seen] == [number for number in range(1, 8) for _ in ids]
    full = [2, 4, 8, 16, 32, 60, 60]
    assert [wait_s for _, wait_s in seen] == [number for number in full for _ in ids]


async def test_the_oldest_numbers_go_first_and_only_so_many(store, waiting):
    ids = await waiting.begin(5)
    await store.make_due()
    assert [await store.claim(2) for _ in range(3)] == [ids[:2], ids[2:4], ids[4:]]


async def test_what_is_decided_is_never_claimed(store, waiting):
    ids = await waiting.begin(2)
    await store.make_due()
    await waiting.exchange.give(ids[0])
    assert await store.claim(500) == ids[1:]


async def test_two_instances_never_claim_the_same_command(connection, in_postgres):
    """Each was sent so often before that it is due again in a minute only."""
    waiting = Waiting(in_postgres)
    ids = await waiting.begin(50)
    await connection.execute("update commands set sends = 5, next_send_at = now()")
    claimed = []
    while len(claimed) < len(ids):
        for part in await asyncio.gather(*(in_postgres.claim(10) for _ in range(3))):
            claimed += part
    assert sorted(claimed) == ids
