"""The ladder against a sorted set."""

import bisect
import random

import pytest

from agents.matching.engine.ladder import REACH, Ladder


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("width", [30, 5_000, 10**9, REACH - 1])
def test_it_finds_the_neighbour_that_a_sorted_list_finds(direction, width):
    rng, ladder, keys = random.Random(width), Ladder(), []
    for _ in range(4_000):
        key = direction * rng.randint(1, width)
        place = bisect.bisect_left(keys, key)
        assert ladder.below(key) == (keys[place - 1] if place else None)
        if place < len(keys) and keys[place] == key:
            keys.pop(place)
            ladder.discard(key)
        else:
            keys.insert(place, key)
            ladder.add(key)


def test_an_emptied_ladder_keeps_nothing():
    ladder = Ladder()
    keys = [1, 2, 1023, 1024, 1025, 10**6, REACH - 1]
    for key in keys:
        ladder.add(key)
    for key in keys:
        ladder.discard(key)
    assert [*ladder.layers] == [{}] * len(ladder.layers)
