"""Connections find their own schema, end by themselves, read JSON without floats, and choose indexes from the start."""

import asyncio
import contextlib
import dataclasses
from decimal import Decimal

import asyncpg
import pytest

from runtime import postgres
from runtime.postgres import Plans
from runtime.settings import SettingsError


@contextlib.asynccontextmanager
async def connections(settings, **options):
    pool = await postgres.pool(settings, **options)
    try:
        yield pool
    finally:
        pool.terminate()


async def test_a_connection_sees_only_its_own_schema(database):
    async with connections(database, application="api") as pool:
        assert await pool.fetchval("SELECT current_schemas(false)") == [database.postgres_schema]
        assert await pool.fetchval("SHOW application_name") == f"tidemark {database.namespace} api"
        assert await pool.fetchval("SHOW timezone") == "UTC"


async def test_a_lock_held_by_another_ends_the_wait(database):
    async with connections(database, max_size=2) as pool, pool.acquire() as one, pool.acquire() as other:
        await one.execute("CREATE TABLE thing (id int)")
        await other.execute("SET lock_timeout = '10ms'")
        async with one.transaction():
            await one.execute("LOCK TABLE thing")
            with pytest.raises(postgres.UNWELL):
                await other.execute("DROP TABLE thing")


async def test_a_transaction_that_lasts_too_long_is_ended(database):
    async with connections(database, transaction_s=0.05) as pool:
        with pytest.raises(postgres.UNWELL):
            async with postgres.transaction(pool) as connection:
                await connection.execute("SELECT pg_sleep(60)")
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_client_that_froze_in_a_transaction_loses_it(database):
    async with connections(database) as pool:
        assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "5s"
        with pytest.raises(postgres.UNWELL):
            async with postgres.transaction(pool) as connection:
                ended = asyncio.Event()
                connection.add_termination_listener(lambda _connection: ended.set())
                await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
                await asyncio.wait_for(ended.wait(), 30)
        assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("end", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_a_backend_that_was_ended_is_the_world_being_unwell(database, end):
    async with connections(database, max_size=2) as pool, pool.acquire() as operator:
        with pytest.raises(postgres.UNWELL):
            async with postgres.transaction(pool) as victim:
                pid = victim.get_server_pid()
                query = asyncio.create_task(victim.execute("SELECT pg_sleep(60)"))
                while not await operator.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", pid
                ):
                    await asyncio.sleep(0.01)
                await operator.execute(f"SELECT {end}($1)", pid)
                await query


async def test_a_refused_connection_is_the_world_being_unwell(space):
    with pytest.raises(postgres.UNWELL):
        await postgres.pool(dataclasses.replace(space, postgres_port=1))


async def test_a_wrong_statement_is_not(database):
    async with connections(database) as pool:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await pool.execute("SELECT * FROM nothing_of_this_name")
    assert not isinstance(caught.value, postgres.UNWELL)


async def test_json_holds_no_floats(database):
    async with connections(database) as pool:
        value = {"price": Decimal("1234567890123456.123456789"), "lots": 2**62, "note": None}
        assert await pool.fetchval("SELECT '{\"price\": 1234567890123456.123456789}'::jsonb") == {
            "price": value["price"]
        }
        assert await pool.fetchval("SELECT $1::jsonb", {"lots": 2**62, "note": None}) == {"lots": 2**62, "note": None}


async def test_hot_statements_use_their_index_before_anything_was_analysed(database):
    async with connections(database) as pool:
        await pool.execute("CREATE TABLE thing (id bigint PRIMARY KEY, v int)")
        plan = await pool.fetch(
            "EXPLAIN SELECT t.v FROM unnest($1::bigint[]) AS wanted(id) JOIN thing t USING (id)", [1, 2]
        )
        assert "Index Scan using thing_pkey" in "\n".join(row[0] for row in plan)


async def test_reports_may_scan(database):
    async with connections(database, plans=Plans.ANY) as pool:
        assert await pool.fetchval("SHOW enable_seqscan") == "on"


async def test_readiness_says_when_the_server_does_not_answer(database):
    async with connections(database) as pool:
        assert await postgres.ready(pool) is None
        await pool.close()
        assert await postgres.ready(pool) == "PostgreSQL does not answer (InterfaceError)."


async def test_no_address_is_a_sentence(space):
    with pytest.raises(SettingsError, match="POSTGRES_HOST is not set"):
        await postgres.pool(dataclasses.replace(space, postgres_host=None))


async def test_a_mistake_of_ours_inside_a_transaction_stays_one(database):
    async with connections(database) as pool:
        with pytest.raises(asyncpg.InterfaceError, match="the server expects 1 argument"):
            async with postgres.transaction(pool) as connection:
                await connection.fetch("SELECT $1::int")


async def test_a_transaction_is_all_or_nothing(database):
    async with connections(database) as pool:
        await pool.execute("CREATE TABLE thing (id int)")
        async with postgres.transaction(pool) as connection:
            await connection.execute("INSERT INTO thing VALUES (1)")
        with contextlib.suppress(KeyError):
            async with postgres.transaction(pool) as connection:
                await connection.execute("INSERT INTO thing VALUES (2)")
                raise KeyError
        assert [row["id"] for row in await pool.fetch("SELECT id FROM thing")] == [1]
