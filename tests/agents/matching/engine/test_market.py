"""What holds for every stream: nothing raises, nothing is lost, the book stays a book, and a replay is exact."""

import gc
import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.matching.engine import Market, UnknownRulesError
from schemas import commands as c
from schemas.executions import (
    Declined,
    Ignored,
    MarketOpened,
    Parked,
    Reject,
    Rejected,
    Rested,
    Ticked,
    Traded,
    encode_events,
)
from tests.agents.matching.engine.auditing import Accounts, audit
from tests.agents.matching.engine.streams import LOT_ATOMS, MARKET, TICK_LOT_ATOMS, Stream

OPEN = c.OpenMarket(
    market="A-B", command_id=1, number=1, base="A", quote="B", base_scale=0, quote_scale=0, tick_size="1", lot_size="1"
)
seeds = st.integers(min_value=0, max_value=10**6)
fast = settings(max_examples=40, deadline=None, derandomize=True)

# Any command that can be decoded: mostly small numbers that meet each other, now and then one at the edge.
edges = st.sampled_from([0, -1, 2**59, 2**60 - 1, 2**60, 2**62, 2**62 + 1, 2**63 - 1, -(2**63)])
small = st.integers(min_value=-1, max_value=6)
whole = st.one_of(small, small, small, edges)
ids = st.one_of(st.integers(min_value=1, max_value=5), st.just(2**63 - 1))
envelope = {
    "market": st.just("A-B"),
    "command_id": ids,
    "number": st.one_of(
        st.integers(min_value=2, max_value=400), st.sampled_from([262_145, 262_146, 600_000, 2**63 - 1])
    ),
}
owned = {"order_id": st.integers(min_value=1, max_value=60), "user_id": ids}
orders = st.builds(
    c.PlaceOrder, **envelope, **owned, side=st.sampled_from(["buy", "sell"]), kind=st.sampled_from(["limit", "market"]),
    lots=st.one_of(st.none(), whole), quote_atoms=st.one_of(st.none(), st.none(), whole),
    price_ticks=st.one_of(st.none(), whole, whole),
    time_in_force=st.sampled_from(["gtc", "gtc", "ioc", "fok"]), post_only=st.booleans(),
    self_trade=st.sampled_from(["expire_taker", "expire_maker", "expire_both"]), hold=st.just(c.Hold("B", 0)),
)  # fmt: skip
terms = {
    name: st.one_of(st.none(), whole) for name in ("maker_fee_bps", "taker_fee_bps", "band_bps", "min_notional_atoms")
}
commands = st.one_of(
    orders, orders, orders, orders,
    st.builds(c.BuyFromHouse, **envelope, **owned, lots=whole, price_ticks=whole, hold=st.just(c.Hold("B", 4))),
    st.builds(c.CancelOrder, **envelope, **owned),
    st.builds(c.CancelAll, **envelope, user_id=ids),
    st.builds(c.ReduceOrder, **envelope, **owned, lots=whole),
    st.builds(c.ListPrice, **envelope, price_ticks=whole),
    st.builds(c.ChangeMarket, **envelope, status=st.sampled_from([None, "open", "post_only", "halted"]), **terms),
    st.builds(c.ChangeRules, **envelope, rules_version=st.just(1)),
    st.builds(c.Tick, market=st.just("A-B")),
)  # fmt: skip


def paid_for(command):
    """The same order with the hold that it needs, so that it is not refused for that."""
    if not isinstance(command, c.PlaceOrder):
        return command
    lots, price = command.lots or 0, command.price_ticks or 0
    if command.side == "sell":
        hold = c.Hold("A", lots)
    else:
        hold = c.Hold("B", lots * price if command.quote_atoms is None else command.quote_atoms)
    return c.msgspec.structs.replace(command, hold=hold)


@given(st.lists(commands, max_size=60), st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_command_has_an_event_and_leaves_the_book_valid(given_commands, opened):
    market = Market("A-B")
    if opened:
        market.apply(OPEN, 0)
    for command in map(paid_for, given_commands):
        events = market.apply(command, 0)
        assert events
        encode_events(events)
        if market.state is not None:
            audit(market.state)
    assert Market.restore(market.snapshot()).snapshot() == market.snapshot()


@given(seeds)
@fast
def test_lots_and_holds_are_conserved(seed):
    market, accounts = Market(MARKET), Accounts(LOT_ATOMS, TICK_LOT_ATOMS)
    for command in Stream(seed).commands(220):
        accounts.follow(command, market.apply(command, 0))
    held = {order_id: atoms for order_id, atoms in accounts.held.items() if atoms}
    resting = {
        order.order_id: market.state.terms.hold_atoms(order.side.name, order.price, order.lots)
        for order in market.state.book.orders.values()
    }
    assert held == resting


@given(seeds)
@fast
def test_the_book_is_valid_after_every_command(seed):
    market = Market(MARKET)
    for command in Stream(seed).commands(150):
        market.apply(command, 0)
        if market.state is not None:
            audit(market.state)


@given(seeds)
@fast
def test_a_taker_meets_better_prices_first_and_at_one_price_who_came_first(seed):
    market, arrived = Market(MARKET), {}
    for place, command in enumerate(Stream(seed).commands(220)):
        if isinstance(command, c.PlaceOrder):
            arrived.setdefault(command.order_id, place)
        trades = [event for event in market.apply(command, 0) if isinstance(event, Traded)]
        direction = 1 if trades and trades[0].taker_side == "buy" else -1
        met = [(trade.price_ticks * direction, arrived[trade.maker_order_id]) for trade in trades]
        assert met == sorted(met)


@given(seeds, st.sets(st.integers(min_value=0, max_value=219), max_size=6))
@fast
def test_the_same_commands_in_other_cuts_give_the_same_events(seed, cuts):
    stream = Stream(seed).commands(220)
    whole_run, cut_run = Market(MARKET), Market(MARKET)
    for place, command in enumerate(stream):
        if place in cuts:
            cut_run = Market.restore(cut_run.snapshot())
        assert cut_run.apply(command, place) == whole_run.apply(command, place)
    assert cut_run.snapshot() == whole_run.snapshot()


def test_trade_numbers_have_no_gap():
    market, numbers = Market(MARKET), []
    for command in Stream(5).commands(2_000):
        numbers += [event.trade_seq for event in market.apply(command, 0) if hasattr(event, "trade_seq")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 100


def test_time_never_goes_back():
    market = Market("A-B")
    market.apply(OPEN, 1_000)
    tick = c.Tick(market="A-B")
    assert [market.apply(tick, now) for now in (999, 1_001, 5)] == [[Ticked(1_000)], [Ticked(1_001)], [Ticked(1_001)]]


def test_a_market_that_is_not_open_refuses_everything_and_remembers_nothing():
    market = Market("A-B")
    order = c.PlaceOrder(
        market="A-B", command_id=5, number=5, order_id=50, user_id=1, side="buy", kind="limit", lots=1, price_ticks=1,
        hold=c.Hold("B", 1),
    )  # fmt: skip
    cancel = c.CancelAll(market="A-B", command_id=6, number=6, user_id=1)
    assert market.apply(order, 1) == [Rejected(50, 1, 1, Reject.UNKNOWN_MARKET)]
    assert market.apply(order, 1) == [Rejected(50, 1, 1, Reject.UNKNOWN_MARKET)]
    assert market.apply(cancel, 1) == [Declined(6, None, Reject.UNKNOWN_MARKET)]
    assert market.apply(c.Tick(market="A-B"), 7) == [Ticked(7)]
    assert Market.restore(market.snapshot()).apply(cancel, 1) == [Declined(6, None, Reject.UNKNOWN_MARKET)]
    assert isinstance(market.apply(OPEN, 1)[0], MarketOpened)
    assert market.apply(order, 1) == [Rested(50, 1, "buy", 1, 1)]


def test_an_opening_far_ahead_is_parked_and_opens_nothing():
    market = Market("A-B")
    far = c.msgspec.structs.replace(OPEN, number=262_145)
    assert market.apply(far, 1) == [Parked(1, 262_145)]
    assert market.state is None


def test_rules_that_this_release_lacks_stop_before_anything_changes():
    market = Market("A-B")
    with pytest.raises(UnknownRulesError, match="market A-B follows rules version 9; this release has 1"):
        market.apply(c.msgspec.structs.replace(OPEN, rules_version=9), 1)
    assert market.state is None
    market.apply(OPEN, 1)
    before = market.snapshot()
    change = c.ChangeRules(market="A-B", command_id=2, number=2, rules_version=2)
    with pytest.raises(UnknownRulesError, match="market A-B follows rules version 2; this release has 1"):
        market.apply(change, 1)
    assert market.snapshot() == before


def test_a_repeat_of_a_command_is_ignored_even_when_it_would_be_refused_now():
    market = Market("A-B")
    market.apply(OPEN, 1)
    assert market.apply(OPEN, 1) == [Ignored(1, 1)]


def test_nothing_is_left_for_the_garbage_collector():
    """Whoever leaves the book is freed at once, so the agent may take what it holds out of the collector's sight."""
    market, stream = Market(MARKET), Stream(11).commands(3_000)
    gc.collect()
    gc.disable()
    try:
        for command in stream:
            market.apply(command, 0)
        assert gc.collect() == 0
    finally:
        gc.enable()


SAID = """
import hashlib
from agents.matching.engine import Market
from schemas.executions import encode_events
from tests.agents.matching.engine.streams import MARKET, Stream
digest = hashlib.sha256()
market = Market(MARKET)
for command in Stream(3).commands(1500):
    digest.update(encode_events(market.apply(command, 5)))
digest.update(market.snapshot())
print(digest.hexdigest())
"""


def test_the_bytes_do_not_depend_on_the_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", SAID], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("0", "1", "31337")
    }  # fmt: skip
    assert len(said) == 1
    assert len(said.pop().strip()) == hashlib.sha256().digest_size * 2
