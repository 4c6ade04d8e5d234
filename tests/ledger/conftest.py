"""Migrated books of their own: connections to them, and the same books in memory."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ledger.accounts import NewUser, create_user
from runtime import postgres
from runtime.settings import Settings
from tests.ledger.stores import InMemory, InPostgres, Store


@pytest.fixture
async def pool(database: Settings) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the processes have them."""
    connections = await postgres.pool(database, max_size=10, application="test")
    yield connections
    await connections.close()


@pytest.fixture
async def connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    async with pool.acquire() as one:
        yield one


@pytest.fixture
async def ada(connection: asyncpg.pool.PoolConnectionProxy) -> int:
    """A user with an empty wallet."""
    user_id = await create_user(connection, NewUser(username="ada", password_hash="-"))
    assert user_id is not None
    return user_id


@pytest.fixture
async def in_memory() -> AsyncIterator[InMemory]:
    store = InMemory()
    yield store
    await store.prove()


@pytest.fixture
async def in_postgres(pool: asyncpg.Pool) -> InPostgres:
    return InPostgres(pool)


@pytest.fixture(params=["in_memory", pytest.param("in_postgres", marks=pytest.mark.stack)])
def store(request: pytest.FixtureRequest) -> Store:
    """Either of the books: what is true of one is true of the other."""
    return request.getfixturevalue(request.param)
