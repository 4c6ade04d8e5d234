from ledger.connection import books
from ledger.migrate import read_migrations


async def test_it_applies_what_is_missing_and_says_so(verb, database):
    async with books(database) as connection:
        await connection.execute(f"drop schema {database.postgres_schema} cascade")
    said = await verb("migrate")
    names = [migration.name for migration in read_migrations()]
    assert said.out.splitlines() == [*(f"migration {name}" for name in names), f"{len(names)} migrations applied."]
    assert (said.code, said.err) == (0, "")


async def test_done_twice_there_is_nothing_to_do(verb):
    said = await verb("migrate")
    assert (said.code, said.out) == (0, "Nothing to do: the schema is up to date.\n")


async def test_a_server_that_is_not_there_is_one_sentence(verb):
    said = await verb("migrate", POSTGRES_PORT="1")
    assert said.code == 1
    assert said.err.startswith("tidemark: PostgreSQL does not answer at 127.0.0.1:1 ")
    assert said.err.count("\n") == 1


async def test_a_database_from_a_newer_release_is_one_sentence(verb, database):
    async with books(database) as connection:
        await connection.execute("insert into migrations values (9999, '9999_future', 'x')")
    said = await verb("migrate")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "tidemark: The database has migration 9999_future, which this release does not know: "
        "it is from a newer release. Start that one.\n"
    )
