"""Who a member of a group is."""

from runtime.journal.group import Membership, instance_id


def test_a_member_that_follows_other_topics_is_another_member() -> None:
    member = Membership("host-1")
    one, more = instance_id(member, ["executions"]), instance_id(member, ["executions", "exchange.batches"])
    assert one is not None
    assert one != more
    assert one.startswith("host-1-")
    assert instance_id(member, ["exchange.batches", "executions"]) == more


def test_a_member_without_an_id_has_none() -> None:
    assert instance_id(Membership(), ["executions"]) is None
