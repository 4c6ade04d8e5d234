import json

from ledger.connection import books
from runtime import kafka
from schemas.topics import CHANGELOGS, TOPICS

PARTITIONS = {"KAFKA_PARTITIONS": "4"}


async def test_books_that_lack_nothing_are_left_as_they_are_but_for_their_sessions(verb, stack):
    assert await kafka.ensure_topics(stack, (*TOPICS, *CHANGELOGS)) == []
    await verb("seed")
    async with books(stack) as connection:
        await connection.execute("insert into refresh_families (user_id) select id from users")
    said = await verb("recover", "books", **PARTITIONS)
    assert (said.code, said.err) == (0, "")
    assert "made again: nothing was missing.\n" in said.out
    async with books(stack) as connection:
        assert await connection.fetchval("select end_reason from refresh_families") == "recovered"
        audited = await connection.fetchrow("select action, detail from audit_log order by id desc limit 1")
        assert (audited["action"], json.loads(audited["detail"])) == ("recover_books", {})


async def test_without_the_topics_nothing_is_recovered(verb):
    said = await verb("recover", "books", KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidemark: Kafka does not answer at 127.0.0.1:9")
