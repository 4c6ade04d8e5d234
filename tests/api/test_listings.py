"""The copy of the lists in Redis: used when it is of the books' state, never put in the place of a newer one."""

import dataclasses
import secrets

import msgspec
import pytest
import pytest_asyncio

from api.database import Database
from api.listings import REPLACE, Copy, Listings
from ledger import listings, reads
from runtime import redis
from runtime.embedded.home import free_port
from schemas import money
from schemas.views import LISTINGS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def connection(settings_of_door):
    async with redis.client(settings_of_door) as client:
        await client.delete(settings_of_door.redis_key(LISTINGS))
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def instances(settings_of_door, door, connection):
    """Two instances of the API, as far as lists go."""
    return [Listings(settings_of_door, connection, door.services.database) for _ in range(2)]


class Counting(Database):
    """Counts how often somebody asks the books."""

    asked = 0

    def connection(self):
        self.asked += 1
        return super().connection()


async def change(door):
    """A currency and a market more, and the market's terms changed."""
    base = f"T{secrets.token_hex(4).upper()}"
    units = money.market_units("0.01", "0.0001", 8, 8)
    async with door.services.database.transaction() as books:
        await listings.add_currency(books, base, base, 8)
        await listings.add_market(books, listings.NewMarket(base=base, quote="USD", units=units), partitions=4)
    await door.services.database.rows(
        "update markets set status = 'open', version = version + 1 where symbol = $1", f"{base}-USD"
    )
    return f"{base}-USD"


async def committed(door):
    async with door.services.database.connection() as books:
        return await reads.currencies(books), await reads.markets(books)


async def copy(settings, connection):
    value = await connection.get(settings.redis_key(LISTINGS))
    return None if value is None else msgspec.json.decode(value, type=Copy)


async def test_the_first_copies_and_the_second_takes_the_copy(settings_of_door, door, connection, instances):
    symbol = await change(door)
    lists = await instances[0].fetch()
    assert tuple(lists) == await committed(door)
    kept = await copy(settings_of_door, connection)
    assert (kept.currencies, kept.markets) == tuple(lists)
    assert symbol in {market.symbol for market in kept.markets}
    books = Counting(door.services.database.pool)
    other = Listings(settings_of_door, connection, books)
    assert (await other.fetch(), books.asked) == (lists, 1)


async def test_what_has_not_changed_is_the_same_object(door, instances):
    assert await instances[0].fetch() is await instances[0].fetch()
    before = await instances[0].fetch()
    await change(door)
    assert await instances[0].fetch() is not before


async def test_every_change_is_seen_at_once_by_every_instance(door, instances):
    for _ in range(5):
        symbol = await change(door)
        assert [tuple(await one.fetch()) for one in instances] == [await committed(door)] * 2
        await door.services.database.rows(
            "update markets set house_price_ticks = 7, version = version + 1 where symbol = $1", symbol
        )
        for one in reversed(instances):
            assert tuple(await one.fetch()) == await committed(door)


async def test_an_older_copy_never_replaces_a_newer_one(settings_of_door, connection):
    key = settings_of_door.redis_key(LISTINGS)
    values = {version: msgspec.json.encode(Copy(version, 1, [], [])) for version in (9, 10, 11)}
    for version in (10, 9):
        await connection.eval(REPLACE, 1, key, str(version), values[version], "60")
    assert await connection.get(key) == values[10]
    await connection.eval(REPLACE, 1, key, "11", values[11], "60")
    assert await connection.get(key) == values[11]
    assert 0 < await connection.ttl(key) <= 60


@pytest.mark.parametrize("found", ["nonsense", "another history", "the future"])
async def test_a_copy_of_another_state_is_not_used(settings_of_door, door, connection, instances, found):
    async with door.services.database.connection() as books:
        version = await reads.listing_version(books)
    other = {
        "nonsense": b"nonsense",
        "another history": msgspec.json.encode(Copy(version.version, version.newest_us + 1, [], [])),
        "the future": msgspec.json.encode(Copy(version.version + 5, version.newest_us, [], [])),
    }
    await connection.set(settings_of_door.redis_key(LISTINGS), other[found])
    assert tuple(await instances[0].fetch()) == await committed(door)


async def test_without_redis_the_books_answer(settings_of_door, door):
    nowhere = dataclasses.replace(settings_of_door, redis_port=free_port(set()))
    async with redis.client(nowhere) as client:
        alone = Listings(nowhere, client, door.services.database)
        assert tuple(await alone.fetch()) == await committed(door)
        await change(door)
        assert tuple(await alone.fetch()) == await committed(door)
