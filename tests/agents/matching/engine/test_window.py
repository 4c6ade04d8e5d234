"""The window against a set of numbers."""

import random

import pytest

from agents.matching.engine.window import SPAN, Admission, Window


def expected(seen, number):
    highest = max(seen, default=0)
    if number > highest + SPAN:
        return Admission.AHEAD
    if number <= highest - SPAN:
        return Admission.BEHIND
    return Admission.REPEAT if number in seen else Admission.NEW


@pytest.mark.parametrize("seed", range(8))
def test_it_says_what_a_set_says(seed):
    rng, window, seen = random.Random(seed), Window(), set()
    strides = [1, 1, 2, 7, 8, 9, 100, SPAN - 1, SPAN, SPAN + 1, -1, -8, -SPAN + 1, -SPAN, -SPAN - 1]
    for _ in range(1_500):
        base = (
            rng.choice([max(seen, default=0), rng.choice([*seen, 1])]) if rng.random() < 0.5 else max(seen, default=0)
        )
        number = max(1, base + rng.choice(strides))
        verdict = expected(seen, number)
        assert window.admit(number) is verdict
        if verdict is Admission.NEW:
            seen.add(number)
            seen = {known for known in seen if known > max(seen) - SPAN}
    assert window.highest == max(seen)
    assert {n for n in seen if window.bits[n % SPAN >> 3] & 1 << (n & 7)} == seen
    assert sum(byte.bit_count() for byte in window.bits) == len(seen)


def test_the_same_numbers_in_another_order_give_the_same_bits():
    numbers = [3, 1, 9, SPAN, SPAN + 5, 2, 77]
    windows = [Window(), Window()]
    for window, order in zip(windows, (numbers, sorted(numbers)), strict=True):
        for number in order:
            window.admit(number)
    assert windows[0].highest == windows[1].highest
    assert windows[0].bits == windows[1].bits


def test_what_is_not_admitted_changes_nothing():
    window = Window()
    window.admit(SPAN)
    before = bytes(window.bits)
    assert [window.admit(n) for n in (2 * SPAN + 1, SPAN, 0)] == [Admission.AHEAD, Admission.REPEAT, Admission.BEHIND]
    assert (window.highest, bytes(window.bits)) == (SPAN, before)
