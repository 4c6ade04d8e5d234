"""What must hold of a book between any two commands, and of the money that events tell of. Raises where it does not."""

import collections

from schemas import commands as c
from schemas import executions as e


def audit(state):
    """Links, sums, indexes and prices of both sides agree, and the book is not crossed."""
    seen = {}
    for side in (state.book.bids, state.book.asks):
        keys, before = [], None
        for level in side:
            assert level.better is before
            assert side.levels[level.price] is level
            assert (level.side, level.key) == (side, level.price * side.direction)
            orders = list(level)
            assert orders, "no empty level stays"
            assert level.lots == sum(order.lots for order in orders)
            for ahead, order in zip([None, *orders], orders, strict=False):
                assert (order.ahead, order.level) == (ahead, level)
                assert 0 < order.lots <= order.total
                seen[order.order_id] = order
            assert orders[-1] is level.last
            keys.append(level.key)
            before = level
        assert keys == sorted(set(keys))
        assert len(keys) == len(side.levels)
        assert [key for block in side.ladder.blocks for key in block] == keys
    assert seen == state.book.orders
    assert seen == {order_id: order for own in state.book.by_user.values() for order_id, order in own.items()}
    assert all(state.book.by_user.values())
    assert all(order.own is state.book.by_user[order.user_id] for order in seen.values())
    bid, ask = state.book.bids.best, state.book.asks.best
    assert bid is None or ask is None or bid.price < ask.price


class Accounts:
    """Every order's hold and lots, followed through the events alone, as the books will do it."""

    def __init__(self, lot_atoms, tick_lot_atoms):
        self.lot_atoms = lot_atoms
        self.tick_lot_atoms = tick_lot_atoms
        self.orders = {}
        self.held = collections.Counter()
        self.lots = {}

    def follow(self, command, events):
        entered = isinstance(command, c.PlaceOrder | c.BuyFromHouse) and not isinstance(
            events[0], e.Rejected | e.Ignored | e.Parked
        )
        if entered:
            self.orders[command.order_id] = command
            self.held[command.order_id] = command.hold.atoms
            self.lots[command.order_id] = command.lots
        for event in events:
            self.settle(event)
        taker_ended = entered and not any(isinstance(event, e.Rested) for event in events)
        if taker_ended:
            assert self.held[command.order_id] == 0, "an order that is over holds nothing"
            assert self.lots[command.order_id] in (0, None)

    def settle(self, event):
        match event:
            case e.Traded():
                buyer_is_taker = event.taker_side == "buy"
                taker_pays, maker_pays = event.quote_atoms, event.base_atoms
                if not buyer_is_taker:
                    taker_pays, maker_pays = maker_pays, taker_pays
                assert event.base_atoms == event.lots * self.lot_atoms
                assert event.quote_atoms == event.lots * event.price_ticks * self.tick_lot_atoms
                assert 0 <= event.taker_fee_atoms <= maker_pays
                assert 0 <= event.maker_fee_atoms <= taker_pays
                self.pay(event.taker_order_id, taker_pays + event.taker_released_atoms, event.lots)
                self.pay(event.maker_order_id, maker_pays, event.lots)
                assert self.lots[event.taker_order_id] == event.taker_left_lots
                assert self.lots[event.maker_order_id] == event.maker_left_lots
                if event.maker_left_lots == 0:
                    assert self.held[event.maker_order_id] == 0
            case e.HouseFilled():
                self.pay(event.order_id, event.quote_atoms + event.released_atoms, event.lots)
            case e.Filled():
                self.pay(event.order_id, event.released_atoms, None)
            case e.Canceled() | e.Expired():
                self.pay(event.order_id, event.released_atoms, event.lots)
                assert self.held[event.order_id] == 0
            case e.Reduced():
                self.pay(event.order_id, event.released_atoms, event.lots)
                assert self.lots[event.order_id] == event.left_lots
            case e.Rested():
                assert self.lots[event.order_id] == event.lots
                due = event.lots * self.lot_atoms
                if event.side == "buy":
                    due = event.lots * event.price_ticks * self.tick_lot_atoms
                assert self.held[event.order_id] == due

    def pay(self, order_id, atoms, lots):
        self.held[order_id] -= atoms
        assert self.held[order_id] >= 0, f"order {order_id} pays more than it held"
        if lots is not None and self.lots[order_id] is not None:
            self.lots[order_id] -= lots
