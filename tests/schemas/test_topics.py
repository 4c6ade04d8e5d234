"""The table of topics: names are unique, what is durable is flushed and kept, each row is a broker's settings."""

from schemas import topics
from schemas.topics import CHANGELOGS, COMMANDS, NEVER_FLUSH, PARKED, TOPICS, Retention, changelog, page

ALL = (*TOPICS, *CHANGELOGS)


def test_every_name_is_there_once():
    assert len({topic.name for topic in ALL}) == len(ALL)


def test_a_journal_topic_is_kept_for_ever_and_flushed():
    assert COMMANDS.config() == {
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": "1",
        "flush.messages": "1",
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": "1048576",
    }


def test_only_the_parked_topic_and_the_changelogs_forget():
    assert {topic for topic in ALL if topic.retention is not Retention.FOR_EVER} == {PARKED, *CHANGELOGS}
    assert PARKED.config()["retention.ms"] == str(30 * topics.DAY_MS)
    assert {row.config()["cleanup.policy"] for row in CHANGELOGS} == {"compact"}


def test_the_operator_may_choose_speed_over_power_cuts():
    assert {topic.config(flush=False)["flush.messages"] for topic in ALL} == {NEVER_FLUSH}
    assert [topic for topic in ALL if topic.config()["flush.messages"] == NEVER_FLUSH] == [PARKED]


def test_from_three_replicas_on_an_acknowledged_record_is_on_two():
    assert [COMMANDS.config(replication=n)["min.insync.replicas"] for n in (1, 2, 3, 5)] == ["1", "1", "2", "2"]


def test_a_snapshot_may_be_larger_than_a_record():
    row = changelog("matching", "books")
    assert row.name == "matching-books-changelog"
    assert int(row.config()["max.message.bytes"]) > int(COMMANDS.config()["max.message.bytes"])


def test_a_replica_that_missed_records_never_leads():
    assert {topic.config()["unclean.leader.election.enable"] for topic in ALL} == {"false"}


def test_the_page_has_a_row_for_every_topic():
    rows = [line.split("|")[1].strip() for line in page().splitlines() if line.startswith("| `")]
    assert rows == [f"`{topic.name}`" for topic in ALL]
