"""Each part does what its row says: the same book with rules, without, and through the journal's pattern."""

import itertools

from agents.matching.agent import PROGRAM
from agents.matching.bench.mix import OPEN, Source
from agents.matching.bench.parts import Large, Parts, as_commands, as_steps, copied_book, rows, run_bare, run_rules
from agents.matching.engine import Market
from runtime.journal.partition import Partition
from schemas.commands import encode_command
from tests.agents.matching.engine.auditing import audit


def standing(book):
    return {order.order_id: order.lots for order in book.orders.values()}


def test_the_book_ends_the_same_bare_with_rules_and_through_the_journal():
    source = Source(500)
    snapshot = source.market.snapshot()
    values = [encode_command(command) for command in source.take(3_000)]
    book, market, partition = copied_book(snapshot), Market.restore(snapshot), Partition(PROGRAM, 0)
    run_bare(book, as_steps(values))
    run_rules(market, as_commands(values))
    partition.run(rows([encode_command(command) for command in source.before] + values, 0))
    told = partition.markets[OPEN.market].machine
    assert standing(book) == standing(market.state.book) == standing(told.state.book) == standing(source.book)
    market.state.book = book
    audit(market.state)


def test_every_part_runs_and_takes_its_time():
    parts = Parts(commands=600, resting=200)
    deeds = (parts.machine, parts.bare, parts.with_rules, parts.with_events, parts.with_records, parts.with_commands)
    alone = (parts.with_journal, parts.decoding, parts.encoding, parts.sealing)
    assert all(deed() > 0 for deed in itertools.chain(deeds, alone))


def test_a_large_book_is_kept_and_brought_back():
    large = Large(resting=300)
    assert large.first > 0
    assert large.again() > 0
    assert large.restored() > 0
