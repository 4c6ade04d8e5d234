import asyncio
import dataclasses
from pathlib import Path

import asyncpg
import pytest

from ledger.connection import books
from ledger.migrate import Applied, Migration, migrate, outstanding, read_migrations
from runtime.embedded.program import Broken
from runtime.settings import Settings

ONE = Migration(1, "0001_one", "create table one (id integer)", "a")
TWO = Migration(2, "0002_two", "create table two (id integer)", "b")


def applied(*migrations: Migration) -> tuple[Applied, ...]:
    return tuple(Applied(one.number, one.name, one.checksum) for one in migrations)


async def tables(settings: Settings) -> list[str]:
    async with books(settings) as connection:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = current_schema() order by 1")
    return [row["tablename"] for row in rows]


@pytest.fixture
async def empty(space: Settings):
    yield space
    async with books(space) as connection:
        await connection.execute(f"drop schema if exists {space.postgres_schema} cascade")


def test_what_was_applied_is_not_outstanding():
    assert outstanding((ONE, TWO), applied(ONE)) == (TWO,)
    assert outstanding((ONE, TWO), applied(ONE, TWO)) == ()


def test_a_database_newer_than_the_code_is_refused():
    with pytest.raises(Broken, match="0002_two, which this release does not know"):
        outstanding((ONE,), applied(ONE, TWO))


def test_a_file_that_was_changed_after_it_was_applied_is_refused():
    with pytest.raises(Broken, match="0001_one is not what was applied"):
        outstanding((dataclasses.replace(ONE, checksum="c"), TWO), applied(ONE))


def test_the_files_are_numbered_from_one_without_a_hole(tmp_path: Path):
    (tmp_path / "0001_one.sql").write_text("select 1")
    (tmp_path / "0003_three.sql").write_text("select 3")
    with pytest.raises(Broken, match=r"0003_three\.sql is out of order: migration 0002"):
        read_migrations(tmp_path)


def test_a_file_of_another_name_is_refused(tmp_path: Path):
    (tmp_path / "first.sql").write_text("select 1")
    with pytest.raises(Broken, match="NNNN_what_it_does"):
        read_migrations(tmp_path)


async def test_migrations_are_applied_once_and_each_is_told(empty: Settings):
    told: list[str] = []
    assert await migrate(empty, told.append, (ONE, TWO)) == ["0001_one", "0002_two"]
    assert await migrate(empty, told.append, (ONE, TWO)) == []
    assert told == ["migration 0001_one", "migration 0002_two"]
    assert await tables(empty) == ["migrations", "one", "two"]


async def test_two_that_start_at_once_share_the_work(empty: Settings):
    results = await asyncio.gather(*(migrate(empty) for _ in range(4)))
    everything = [migration.name for migration in read_migrations()]
    assert sorted(results) == [[], [], [], everything]


async def test_one_that_fails_changes_nothing_and_the_next_try_goes_on_from_there(empty: Settings):
    wrong = dataclasses.replace(TWO, sql="create table two (id integer); select 1 / 0")
    with pytest.raises(Broken, match="0002_two failed and changed nothing: division by zero"):
        await migrate(empty, migrations=(ONE, wrong))
    assert await tables(empty) == ["migrations", "one"]
    assert await migrate(empty, migrations=(ONE, TWO)) == ["0002_two"]


async def test_a_wrong_address_is_said_in_a_sentence(tmp_path: Path):
    nowhere = Settings(home=tmp_path, postgres_host="127.0.0.1", postgres_port=1)
    with pytest.raises(Broken, match=r"PostgreSQL does not answer at 127\.0\.0\.1:1 "):
        await migrate(nowhere)


async def test_a_wrong_database_is_said_in_a_sentence(servers: Settings):
    with pytest.raises(Broken, match=r'refuses us: database "nowhere" does not exist\.'):
        await migrate(dataclasses.replace(servers, postgres_db="nowhere"))


CATALOG = {
    "columns": """
        select c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               a.attgenerated, pg_get_expr(d.adbin, d.adrelid), l.collname, col_description(c.oid, a.attnum)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        left join pg_collation l on l.oid = a.attcollation
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'v', 'c')
          and c.relname <> 'migrations'
        order by 1, 3""",
    "tables": """
        select relname, relkind, reloptions, obj_description(oid, 'pg_class') from pg_class
        where relnamespace = current_schema()::regnamespace and relname not like 'migrations%' order by 1""",
    "constraints": """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = current_schema()::regnamespace and conname not like 'migrations%' order by 1, 2""",
    "indexes": """
        select indexname, indexdef from pg_indexes
        where schemaname = current_schema() and tablename <> 'migrations' order by 1""",
    "functions": """
        select proname, pg_get_functiondef(oid) from pg_proc
        where pronamespace = current_schema()::regnamespace order by 1""",
    "triggers": """
        select tgname, pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where c.relnamespace = current_schema()::regnamespace and not tgisinternal order by 1""",
    "views": "select viewname, definition from pg_views where schemaname = current_schema() order by 1",
    "rows": "select code, name, scale from currencies order by 1",
}


async def catalog(connection: asyncpg.Connection) -> dict[str, list[tuple[object, ...]]]:
    schema = await connection.fetchval("select current_schema()")
    return {
        name: [
            tuple(value.replace(schema, "SCHEMA") if isinstance(value, str) else value for value in row)
            for row in await connection.fetch(sql)
        ]
        for name, sql in CATALOG.items()
    }


@pytest.mark.tampers
async def test_the_schema_in_one_file_is_all_migrations_applied(database: Settings, empty: Settings):
    whole = dataclasses.replace(empty, namespace=f"{empty.namespace}_whole")
    text = (Path(__file__).resolve().parents[2] / "ledger" / "schema.sql").read_text(encoding="utf-8")
    try:
        async with books(whole) as connection:
            await connection.execute(f"create schema {whole.postgres_schema}")
            await connection.execute(text)
            from_one_file = await catalog(connection)
        async with books(database) as connection:
            from_migrations = await catalog(connection)
    finally:
        async with books(whole) as connection:
            await connection.execute(f"drop schema if exists {whole.postgres_schema} cascade")
    assert from_migrations == from_one_file
    assert min(len(rows) for rows in from_migrations.values()) > 0, "each question found something to compare"
