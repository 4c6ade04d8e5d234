"""The ladder against a sorted list."""

import bisect
import random

import pytest

from agents.matching.engine.ladder import MOST_KEYS, Ladder


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("width", [3, 30, 5_000, 10**15])
def test_it_finds_the_neighbour_that_a_sorted_list_finds(direction, width):
    rng, ladder, keys = random.Random(width), Ladder(), []
    for step in range(12_000):
        key = direction * rng.randint(1, width)
        if keys and rng.random() < (0.3 if step < 6_000 else 0.6):
            key = rng.choice(keys)
        place = bisect.bisect_left(keys, key)
        if place < len(keys) and keys[place] == key:
            keys.pop(place)
            ladder.discard(key)
        else:
            assert ladder.add(key) == (keys[place - 1] if place else None)
            keys.insert(place, key)
    assert [key for block in ladder.blocks for key in block] == keys
    assert [block[-1] for block in ladder.blocks] == ladder.lasts
    assert all(0 < len(block) <= MOST_KEYS for block in ladder.blocks)


def test_an_emptied_ladder_keeps_nothing():
    ladder, keys = Ladder(), list(range(5 * MOST_KEYS))
    for key in keys:
        ladder.add(key)
    assert len(ladder.blocks) > 4
    for key in keys[::-1]:
        ladder.discard(key)
    assert (ladder.blocks, ladder.lasts) == ([], [])
