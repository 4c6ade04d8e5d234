from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import CHANGELOGS, TOPICS

AS_THE_TABLE_SAYS = f"All {len(TOPICS) + len(CHANGELOGS)} topics are there, as the table says.\n"


async def test_it_creates_what_is_missing_and_nothing_twice(verb, database):
    for _ in range(2):
        said = await verb("topics")
        assert (said.code, said.out, said.err) == (0, AS_THE_TABLE_SAYS, "")


async def test_a_topic_that_differs_is_told_and_left_as_it_is(verb, database):
    name = database.topic(TOPICS[0].name)
    admin = AIOKafkaAdminClient(bootstrap_servers=database.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    first, second = [await verb("topics") for _ in range(2)]
    assert name in first.out
    assert (first.code, first.err, second.out) == (0, "", first.out)


async def test_a_broker_that_is_not_there_is_one_sentence(verb):
    said = await verb("topics", KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert said.err.startswith("tidemark: Kafka does not answer at 127.0.0.1:1 ")
