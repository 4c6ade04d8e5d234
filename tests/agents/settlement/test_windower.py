from hypothesis import given, settings
from hypothesis import strategies as st

from agents.settlement.terms import WindowTerms
from agents.settlement.window import State, restore, snapshot
from agents.settlement.windower import due_ms, follow
from schemas.batches import BatchEvent, Closed, Dissolved, Joined, Line
from tests.agents.settlement.executing import DOLLAR, LOT_BASE, PRICE, SYMBOL, VALUE, Market, executions

HOUR = 60 * 60 * 1000
LOT = PRICE * VALUE
TEN = 5_000
"""Lots for ten dollars, to the atom."""


def said(values: list[bytes], terms: WindowTerms | None = None) -> list[BatchEvent]:
    state = State(SYMBOL, 1, terms or WindowTerms())
    return [event for execution in executions(values) for event in follow(state, execution)]


def line(order_id: int, lots: int) -> Line:
    return Line(order_id, 7, lots, lots * LOT_BASE, lots * LOT)


def test_small_purchases_wait_until_together_they_are_worth_the_threshold():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 2_000), market.buy(20, 2, 2_999), market.buy(30, 3, 1)]
    lines = (line(1, 2_000), line(2, 2_999), line(3, 1))
    assert said(values) == [
        Joined("ABAN-USD-1", 1, 1, lines[0]),
        Joined("ABAN-USD-1", 1, 2, lines[1]),
        Joined("ABAN-USD-1", 1, 3, lines[2]),
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, 0, 0, 10, lines),
    ]


def test_a_large_purchase_is_a_batch_of_its_own_beside_the_window():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 1), market.buy(20, 2, TEN), market.buy(30, 3, TEN - 1)]
    assert said(values) == [
        Joined("ABAN-USD-1", 1, 1, line(1, 1)),
        Closed("ABAN-USD-2", 2, TEN, 10 * DOLLAR, 0, 0, 20, (line(2, TEN),)),
        Joined("ABAN-USD-1", 1, 2, line(3, TEN - 1)),
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, 0, 0, 10, (line(1, 1), line(3, TEN - 1))),
    ]


def test_a_window_that_is_too_old_is_topped_up_in_whole_lots_at_the_price_listed_then():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 4_000), market.tick(10 + 24 * HOUR - 1)]
    assert len(said(values)) == 1
    lots = -(-2 * DOLLAR // LOT)
    assert said([*values, market.tick(10 + 24 * HOUR), market.tick(10 + 25 * HOUR)])[1:] == [
        Closed("ABAN-USD-1", 1, 4_000 + lots, 10 * DOLLAR, lots, lots * LOT, 10, (line(1, 4_000),))
    ]


def test_a_window_that_is_too_old_is_dissolved_where_the_terms_say_so():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 4_000), market.buy(10 + 24 * HOUR, 2, 1)]
    assert said(values, WindowTerms(when_too_old="dissolve"))[1:] == [
        Dissolved("ABAN-USD-1", 1, (line(1, 4_000),)),
        Joined("ABAN-USD-2", 2, 1, line(2, 1)),
    ]


def test_a_window_with_too_many_orders_for_a_record_is_topped_up():
    market = Market()
    values = [*market.begin(), market.buy(10, 1, 1), market.buy(11, 2, 1)]
    assert said(values, WindowTerms(max_orders=2))[2:] == [
        Closed("ABAN-USD-1", 1, TEN, 10 * DOLLAR, TEN - 2, (TEN - 2) * LOT, 10, (line(1, 1), line(2, 1)))
    ]


def test_a_window_is_due_its_age_after_it_was_opened():
    market = Market()
    state = State(SYMBOL, 1, WindowTerms())
    for execution in executions([*market.begin(), market.buy(10, 1, 1), market.buy(20, 2, 1)]):
        follow(state, execution)
    assert due_ms(state) == 10 + 24 * HOUR


class Naive:
    """The rule again, as slowly and plainly as it can be said: a list of what waits, added up anew each time."""

    def __init__(self, terms: WindowTerms) -> None:
        self.terms = terms
        self.waiting: list[tuple[int, int]] = []
        self.opened = self.batch = self.number = self.price = 0
        self.said: list[tuple[object, ...]] = []

    def tick(self, now: int) -> None:
        if self.waiting and now >= self.opened + self.terms.max_age_ms:
            self.close(self.batch, self.waiting, gives_up=self.terms.when_too_old == "dissolve")
            self.waiting = []

    def buy(self, now: int, order_id: int, lots: int, price: int) -> None:
        self.tick(now)
        self.price, cost = price, lots * price * VALUE
        if cost >= 10 * DOLLAR:
            self.number += 1
            self.close(self.number, [(order_id, cost)])
            return
        if not self.waiting:
            self.number += 1
            self.opened, self.batch = now, self.number
        self.waiting.append((order_id, cost))
        self.said.append(("joined", self.batch, order_id, len(self.waiting)))
        if sum(cost for _, cost in self.waiting) >= 10 * DOLLAR or len(self.waiting) == self.terms.max_orders:
            self.close(self.batch, self.waiting)
            self.waiting = []

    def close(self, batch: int, lines: list[tuple[int, int]], gives_up: bool = False) -> None:
        orders = [order_id for order_id, _ in lines]
        worth = sum(cost for _, cost in lines)
        added = 0
        while worth + added * self.price * VALUE < 10 * DOLLAR and not gives_up:
            added = max(added + 1, (10 * DOLLAR - worth) // (self.price * VALUE))
        whole = worth + added * self.price * VALUE
        self.said.append(("dissolved", batch, orders) if gives_up else ("closed", batch, orders, whole, added))


def plain(event: BatchEvent) -> tuple[object, ...]:
    match event:
        case Joined():
            return ("joined", event.number, event.order.order_id, event.line)
        case Closed():
            orders = [line.order_id for line in event.orders]
            return ("closed", event.number, orders, event.notional_atoms, event.topped_up_lots)
        case Dissolved():
            return ("dissolved", event.number, [line.order_id for line in event.orders])


steps = st.lists(
    st.tuples(
        st.sampled_from([1, HOUR, 5 * HOUR, 24 * HOUR]),
        st.sampled_from([0, 1, 50, 1_000, TEN // 2, TEN - 1, TEN, 3 * TEN]),
        st.sampled_from([PRICE, PRICE + 1, PRICE // 2, 1]),
    ),
    max_size=60,
)
every_terms = st.builds(
    WindowTerms, when_too_old=st.sampled_from(["top_up", "dissolve"]), max_orders=st.sampled_from([1, 3, 5_000])
)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(steps=steps, terms=every_terms, cut=st.integers(0, 60))
def test_windows_are_those_of_a_naive_model_also_when_they_are_restored(
    steps: list[tuple[int, int, int]], terms: WindowTerms, cut: int
) -> None:
    """A step is some time and then a purchase, or a tick where it has no lots."""
    market, naive, now = Market(), Naive(terms), 10
    values = market.begin()
    for order_id, (later, lots, price) in enumerate(steps, 1):
        now += later
        values.append(market.buy(now, order_id, lots, price) if lots else market.tick(now))
        naive.buy(now, order_id, lots, price) if lots else naive.tick(now)
    state, events = State(SYMBOL, 1, terms), []
    for number, execution in enumerate(executions(values)):
        if number == cut:
            state, _ = restore(SYMBOL, snapshot(state, (0, -1, "")), {1: terms})
        events += follow(state, execution)
    assert [plain(event) for event in events] == naive.said
