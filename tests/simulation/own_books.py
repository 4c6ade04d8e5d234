"""The auditor's own books: what everybody owns and what every order needs, from a naive reading of what happened.

It shares no code with the rules of the product, and reads neither fees nor holds nor releases from the books: an open
order needs its lots at its price, and what is not needed is available.
"""

import dataclasses
from collections import Counter

from schemas import executions as e
from schemas.batches import Closed, Dissolved, Fill, Joined
from schemas.batches import Filled as Bought
from tests.simulation.violation import Violation

DONE = {"filled", "canceled", "expired", "rejected"}


@dataclasses.dataclass
class OwnOrder:
    order_id: int
    user_id: int
    side: str
    kind: str
    price: int
    lots: int | None
    budget: int | None
    lot_atoms: int
    tick_lot_atoms: int
    state: str = "pending"
    filled: int = 0
    filled_quote: int = 0

    def need(self) -> int:
        """What must be held for it."""
        if self.state in DONE or (self.kind == "purchase" and self.filled):
            return 0
        if self.budget is not None:
            return self.budget - self.filled_quote
        left = (self.lots or 0) - self.filled
        return left * self.lot_atoms if self.side == "sell" else left * self.price * self.tick_lot_atoms


class OwnBooks:
    """Everything that was settled so far."""

    def __init__(self) -> None:
        self.orders: dict[int, OwnOrder] = {}
        self.open: dict[int, OwnOrder] = {}
        self.owned: Counter[tuple[int, str]] = Counter()
        self.pending: Counter[tuple[int, str]] = Counter()
        self.fees: Counter[tuple[str, str]] = Counter()
        self.trades: dict[tuple[str, int], tuple] = {}
        self.touched: set[int] = set()
        self.batches: dict[str, list[int]] = {}
        self.settled: set[str] = set()

    def add(self, order: OwnOrder) -> None:
        self.orders[order.order_id] = self.open[order.order_id] = order
        self.touched.add(order.order_id)

    def held(self, assets: dict[int, str]) -> Counter[tuple[int, str]]:
        """Per user and asset; `assets` says what each order holds."""
        held: Counter[tuple[int, str]] = Counter()
        for order in self.open.values():
            held[order.user_id, assets[order.order_id]] += order.need()
        return held

    def follow(self, market: str, base: str, quote: str, event: e.Event) -> None:
        """One event that was settled."""
        match event:
            case e.Traded():
                self._trade(market, base, quote, event)
            case e.HouseFilled():
                order = self._living(event.order_id)
                order.filled, order.filled_quote = event.lots, event.quote_atoms
                self.owned[event.user_id, quote] -= event.quote_atoms
                self.pending[event.user_id, base] += event.base_atoms
                self.trades[market, event.trade_seq] = ("house", event.price_ticks, event.lots, event.order_id, None)
            case e.Rested():
                order = self._living(event.order_id)
                order.state = "partially_filled" if order.filled else "open"
            case e.Reduced():
                self._living(event.order_id).lots = event.total_lots
            case e.Filled():
                self._end(event.order_id, "filled")
            case e.Canceled():
                self._end(event.order_id, "canceled")
            case e.Expired():
                self._end(event.order_id, "expired")
            case e.Rejected():
                if self.orders[event.order_id].state == "pending":
                    self._end(event.order_id, "rejected")

    def _trade(self, market: str, base: str, quote: str, event: e.Traded) -> None:
        maker, taker = self._living(event.maker_order_id), self._living(event.taker_order_id)
        if maker.user_id == taker.user_id or maker.side == taker.side:
            raise Violation("I11", f"orders {maker.order_id} and {taker.order_id} must not meet")
        for order, fee in ((maker, event.maker_fee_atoms), (taker, event.taker_fee_atoms)):
            price = event.price_ticks
            if price > order.price if order.side == "buy" else price < order.price:
                raise Violation("I11", f"order {order.order_id} of price {order.price} traded at {price}")
            order.filled += event.lots
            order.filled_quote += event.quote_atoms
            if order.lots is not None and order.filled > order.lots:
                raise Violation("I7", f"order {order.order_id} of {order.lots} lots has {order.filled}")
            sign = 1 if order.side == "buy" else -1
            self.owned[order.user_id, base] += sign * event.base_atoms
            self.owned[order.user_id, quote] -= sign * event.quote_atoms
            gets = base if order.side == "buy" else quote
            self.owned[order.user_id, gets] -= fee
            self.fees[market, gets] += fee
            order.state = "partially_filled"
            if order.filled == order.lots:
                self._end(order.order_id, "filled")
        place = ("book", event.price_ticks, event.lots, event.taker_order_id, event.maker_order_id)
        self.trades[market, event.trade_seq] = place

    def gather(self, base: str, quote: str, event: Joined | Closed | Dissolved, threshold: int) -> None:
        """A purchase joined a window, or a window ended."""
        match event:
            case Joined():
                self._step(event.order.order_id, {"pending"}, "aggregated")
            case Closed():
                if event.batch_id in self.batches or event.notional_atoms < threshold:
                    raise Violation("I15", f"batch {event.batch_id} of {event.notional_atoms} atoms was closed")
                self.batches[event.batch_id] = [line.order_id for line in event.orders]
                for order_id in self.batches[event.batch_id]:
                    self._step(order_id, {"pending", "aggregated"}, "sent")
            case Dissolved():
                for line in event.orders:
                    self._step(line.order_id, {"pending", "aggregated"}, "refunded")
                    self._refund(line.order_id, base, quote)

    def fill(self, base: str, quote: str, fill: Fill) -> None:
        """What the exchange said of a batch, when it said so first."""
        if fill.batch_id in self.settled:
            return
        self.settled.add(fill.batch_id)
        left, is_covered = (fill.base_atoms if isinstance(fill, Bought) else 0), True
        for order_id in self.batches[fill.batch_id]:
            order = self.orders[order_id]
            left -= order.filled * order.lot_atoms
            is_covered = is_covered and left >= 0
            self._step(order_id, {"sent"}, "completed" if is_covered else "refunded")
            if is_covered:
                self.pending[order.user_id, base] -= order.filled * order.lot_atoms
                self.owned[order.user_id, base] += order.filled * order.lot_atoms
            else:
                self._refund(order_id, base, quote)

    def _refund(self, order_id: int, base: str, quote: str) -> None:
        order = self.orders[order_id]
        self.pending[order.user_id, base] -= order.filled * order.lot_atoms
        self.owned[order.user_id, quote] += order.filled_quote

    def _step(self, order_id: int, states: set[str], state: str) -> None:
        order = self.orders[order_id]
        if order.state not in states or not order.filled:
            raise Violation("I15", f"purchase {order_id} is {order.state} and becomes {state}")
        order.state = state
        self.touched.add(order_id)

    def _living(self, order_id: int) -> OwnOrder:
        order = self.orders.get(order_id)
        if order is None:
            raise Violation("I6", f"order {order_id} is not in the books and has executions")
        if order.state in DONE:
            raise Violation("I8", f"order {order_id} is {order.state} and goes on")
        self.touched.add(order_id)
        return order

    def _end(self, order_id: int, state: str) -> None:
        self._living(order_id).state = state
        del self.open[order_id]
