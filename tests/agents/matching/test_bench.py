"""The benchmark measures what it says: the same commands every time, and the same book with and without rules."""

import collections

from agents.matching import bench
from agents.matching.engine import Market
from schemas.commands import CancelOrder
from tests.agents.matching.engine.auditing import audit


def test_the_same_commands_every_time():
    assert bench.Source(50).take(300) == bench.Source(50).take(300)


def test_the_mix_is_as_told():
    kinds = collections.Counter()
    for command in bench.Source(2_000).take(5_000):
        kinds["cancel" if isinstance(command, CancelOrder) else command.time_in_force] += 1
    assert abs(kinds["gtc"] - 3_000) < 150
    assert abs(kinds["cancel"] - 1_500) < 150


def test_the_bare_book_ends_as_the_market_does():
    source = bench.Source(500)
    snapshot = source.market.snapshot()
    book, market = bench.copied_book(snapshot), Market.restore(snapshot)
    commands = source.take(3_000)
    bench.run_bare(book, bench.steps(commands))
    bench.run_rules(market, commands)
    market.state.book, ruled = book, market.state.book
    audit(market.state)
    standing = [{order.order_id: order.lots for order in some.orders.values()} for some in (book, ruled)]
    assert standing[0] == standing[1]
