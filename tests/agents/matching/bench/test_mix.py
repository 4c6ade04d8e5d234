"""The mix is the same every time, and it is the mix that is told."""

import collections

from agents.matching.bench.mix import Source
from schemas.commands import CancelOrder


def test_the_same_commands_every_time():
    assert Source(50).take(300) == Source(50).take(300)


def test_the_mix_is_as_told():
    kinds = collections.Counter()
    for command in Source(2_000).take(5_000):
        kinds["cancel" if isinstance(command, CancelOrder) else command.time_in_force] += 1
    assert abs(kinds["gtc"] - 3_000) < 150
    assert abs(kinds["cancel"] - 1_500) < 150
