import dataclasses
import json

import pytest

from ledger.connection import books
from ledger.outbox import Outbox
from runtime import kafka, postgres
from schemas.topics import CHANGELOGS, TOPICS
from tests.conftest import drop_schema


@pytest.fixture
async def told(stack, verb):
    """Demo data whose accounts and currencies are in the topics; its markets are not open yet."""
    await verb("seed")
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    pool = await postgres.pool(stack, max_size=1, application="test")
    async with kafka.running(kafka.producer(stack, name="test")) as producer:
        await Outbox(stack, pool).once(producer)
    await pool.close()
    into = f"{stack.namespace}_again"
    yield into
    await drop_schema(dataclasses.replace(stack, namespace=into))


@pytest.mark.tampers
async def test_what_the_topics_say_is_compared_with_the_books(verb, told, stack):
    partitions = {"KAFKA_PARTITIONS": "4"}
    said = await verb("replay", "books", "--into", told, "--drop", **partitions)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"5 records, 0 trades made again in {told} in ")
    assert said.out.endswith("The live books are what the topics say.\n")
    async with books(stack) as connection:
        await connection.execute("update wallets set available = available + 1")
    said = await verb("replay", "books", "--into", told, "--json", **partitions)
    assert said.code == 1
    found = json.loads(said.out)
    assert (found["ok"], found["records"], found["differing"]) == (False, 5, {"wallets": 1})
    assert found["first"] == [
        {
            "table": "wallets", "place": "1 USD", "live": {"held": 0, "pending": 0, "available": 100000000001},
            "again": {"held": 0, "pending": 0, "available": 100000000000},
        }
    ]  # fmt: skip
    said = await verb("replay", "books", "--into", told, **partitions)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"tidemark: The schema {told} is not empty")


async def test_the_live_schema_is_refused(verb, database):
    said = await verb("replay", "books", "--into", database.namespace)
    assert (said.code, said.out) == (2, "")
    assert (
        said.err == f"tidemark: The live books are in the schema {database.namespace}: name another one for the copy.\n"
    )
