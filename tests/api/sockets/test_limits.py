from api.sockets.limits import Bucket, Parties


def test_a_bucket_gives_its_measure_at_once_and_then_so_many_a_second():
    bucket = Bucket(per_s=2, measure=3, now=100.0)
    assert [bucket.takes(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.takes(101.0) for _ in range(3)] == [True, True, False]
    assert [bucket.takes(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_party_has_so_many_connections_and_is_forgotten_with_the_last():
    parties = Parties()
    held = [{"a": 1, "b": 2}, {"c": 3}, {}]
    first, second, third = (parties.enter("ada", each, 2, 0.0) for each in held)
    assert (first is second, third) == (True, None)
    assert (first.connections, first.channels) == (2, 3)
    held[1]["d"] = 4
    assert first.channels == 4
    parties.leave(first, held[0])
    assert (first.connections, first.channels) == (1, 2)
    parties.leave(first, held[1])
    assert parties.enter("ada", held[2], 2, 0.0) is not first


def test_two_empty_connections_are_two():
    parties = Parties()
    party = parties.enter("ada", {}, 2, 0.0)
    kept = {}
    assert parties.enter("ada", kept, 2, 0.0) is party
    assert party.connections == 2
