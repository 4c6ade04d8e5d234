"""The engine against the naive market, event for event, on streams with fixed seeds; and planted faults, each caught.

By hand, or as part of make check-full:  python -m tests.agents.matching.engine.test_reference --streams 10000
"""

import argparse
import collections
import random
import sys

import pytest

from agents.matching.engine import Market
from schemas.executions import Declined, Event, Expired, Expiry, Reject, Rejected
from tests.agents.matching.engine.naive import Naive
from tests.agents.matching.engine.streams import MARKET, Stream
from tests.agents.matching.engine.tampering import MUTANTS, mutated

COMMANDS = 220
KINDS = [kind.__struct_config__.tag for kind in Event.__args__]


class DisagreementError(AssertionError):
    """The two do not say the same."""


def compare(seed, market_class=Market, told=None):
    """One stream through both, with a snapshot somewhere on the way."""
    rng = random.Random(seed)
    engine, naive, now = market_class(MARKET), Naive(MARKET), 1000
    commands = Stream(seed).commands(COMMANDS)
    stop = rng.randrange(len(commands))
    for place, command in enumerate(commands):
        now += rng.choice([-5, 0, 1, 40])
        said, expected = engine.apply(command, now), naive.apply(command, now)
        if said != expected:
            raise DisagreementError(f"seed {seed}, command {place}: {command}\n  engine {said}\n  naive  {expected}")
        if told is not None:
            count(said, told)
        if place == stop:
            engine = market_class.restore(engine.snapshot())
    if resting(engine) != resting_naive(naive):
        raise DisagreementError(f"seed {seed}: the books differ in the end")


def count(events, told):
    assert events, "every command has an event"
    for event in events:
        told[event.__struct_config__.tag] += 1
        if isinstance(event, Rejected | Declined | Expired):
            told[str(event.reason)] += 1


def resting(market):
    book = market.state.book
    assert book.bids.best is None or book.asks.best is None or book.bids.best.price < book.asks.best.price
    return [
        (side.name, order.price, order.order_id, order.user_id, order.lots, order.total)
        for side in (book.bids, book.asks)
        for level in side
        for order in level
    ]


def resting_naive(naive):
    bids = sorted((o for o in naive.book if o.side == "buy"), key=lambda o: -o.price)
    asks = sorted((o for o in naive.book if o.side == "sell"), key=lambda o: o.price)
    return [(o.side, o.price, o.order_id, o.user_id, o.lots, o.total) for o in [*bids, *asks]]


def missing(told, least):
    names = [*KINDS, *map(str, Reject), *map(str, Expiry)]
    return {name: told[name] for name in names if told[name] < least}


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_the_engine_and_the_naive_market_agree(first):
    for seed in range(first, first + 50):
        compare(seed)


def test_the_streams_bring_about_every_event_and_every_reject():
    told = collections.Counter()
    for seed in range(120):
        compare(seed, told=told)
    assert missing(told, 1) == {}


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("first", range(0, 10_000, 1_000))
def test_ten_thousand_streams_agree_and_bring_about_everything_a_thousand_times(first):
    assert run(1_000, first) == {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_caught(mutant, tmp_path):
    with mutated(mutant, tmp_path) as market_class, pytest.raises(DisagreementError):
        for seed in range(400):
            compare(seed, market_class)


def run(streams, first=0):
    """Compare, print how often each event and reject came, and say which came less than once in ten streams."""
    told = collections.Counter()
    for seed in range(first, first + streams):
        compare(seed, told=told)
    print(f"\n{streams} streams of {COMMANDS} commands agree")
    for name, times in sorted(told.items()):
        print(f"  {name:<20}{times:>12,}")
    return missing(told, streams // 10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    rare = run(asked.streams, asked.first)
    sys.exit(f"too rare: {rare}" if rare else 0)
