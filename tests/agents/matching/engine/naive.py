"""A market as slow and plain as can be: lists, sorting and copies, written from the rules and not from the engine.

It shares the words of `schemas/` with the engine and no line of code. Where the two differ, one of them is wrong.
"""

import copy
import dataclasses
from fractions import Fraction

from schemas import commands as c
from schemas import executions as e
from schemas.executions import Expiry, Reject

SEEN = 262_144
LIMIT = 2**62
HIGHEST_PRICE = 2**60 - 1


@dataclasses.dataclass
class Resting:
    order_id: int
    user_id: int
    side: str
    price: int
    lots: int
    total: int


class Naive:
    def __init__(self, market):
        self.market = market
        self.terms = None
        self.now = 0
        self.book = []  # in order of arrival
        self.numbers = set()
        self.trades = 0
        self.last = None
        self.house = None

    def apply(self, command, now_ms):
        self.now = max(self.now, now_ms) if self.terms else now_ms
        if self.terms is None and not isinstance(command, c.OpenMarket):
            return [e.Ticked(now_ms)] if isinstance(command, c.Tick) else [self.no(command, Reject.UNKNOWN_MARKET)]
        if isinstance(command, c.Tick):
            return [e.Ticked(self.now)]
        if self.terms is None:
            return self.begin(command)
        highest = max(self.numbers)
        if command.number > highest + SEEN:
            return [e.Parked(command.command_id, command.number)]
        if command.number <= highest - SEEN:
            return [self.no(command, Reject.TOO_LATE)]
        if command.number in self.numbers:
            return [e.Ignored(command.command_id, command.number)]
        self.numbers.add(command.number)
        reason = self.why_not(command)
        if reason:
            return [self.no(command, reason)]
        return getattr(self, type(command).__name__)(command)

    def no(self, command, reason):
        if isinstance(command, c.PlaceOrder | c.BuyFromHouse):
            return e.Rejected(command.order_id, command.user_id, command.hold.atoms, reason)
        return e.Declined(command.command_id, getattr(command, "order_id", None), reason)

    # --- what is refused, in the order of the reasons ---

    def why_not(self, command):
        """All reasons that apply, and of these the first."""
        match command:
            case c.PlaceOrder():
                reasons = self.against_order(command)
            case c.BuyFromHouse():
                reasons = self.against_purchase(command)
            case c.ReduceOrder():
                reasons = self.against_reducing(command)
            case c.CancelOrder() | c.CancelAll():
                reasons = self.against_leaving(command)
            case c.ChangeMarket():
                reasons = self.against_terms(command)
            case c.ListPrice():
                reasons = self.against_price(command)
            case c.OpenMarket():
                reasons = {Reject.ALREADY_OPEN}
            case _:
                reasons = set()
        return next((reason for reason in Reject if reason in reasons), None)

    def against_status(self, may_only_rest):
        status = self.terms["status"]
        if status == "halted":
            return {Reject.MARKET_HALTED}
        if status == "cancel_only":
            return {Reject.MARKET_CANCEL_ONLY}
        return {Reject.MARKET_POST_ONLY} if status == "post_only" and not may_only_rest else set()

    def against_order(self, order):
        reasons = self.against_status(order.post_only and order.kind == "limit" and order.time_in_force == "gtc")
        if any(other.order_id == order.order_id for other in self.book):
            reasons.add(Reject.DUPLICATE_ORDER)
        if order.post_only and (order.kind == "market" or order.time_in_force != "gtc"):
            reasons.add(Reject.INVALID_ORDER)
        if (order.lots is None) == (order.quote_atoms is None):
            return reasons | {Reject.INVALID_ORDER}
        if order.quote_atoms is not None and (order.kind, order.side) != ("market", "buy"):
            reasons.add(Reject.INVALID_ORDER)
        if (order.lots if order.quote_atoms is None else order.quote_atoms) <= 0:
            reasons.add(Reject.INVALID_AMOUNT)
        if order.price_ticks is None:
            return reasons | {Reject.NO_PRICE if order.kind == "market" else Reject.INVALID_PRICE}
        if order.price_ticks <= 0 or order.price_ticks > HIGHEST_PRICE:
            reasons.add(Reject.INVALID_PRICE)
        low, high = self.band()
        if order.kind == "limit" and not low <= order.price_ticks <= high:
            reasons.add(Reject.OUTSIDE_BAND)
        return reasons | self.against_money(order.side, order.lots, order.quote_atoms, order.price_ticks, order.hold)

    def against_money(self, side, lots, quote_atoms, price, hold):
        reasons = set()
        value = quote_atoms if lots is None else self.quote(price, lots)
        size = 0 if lots is None else self.base(lots)
        if max(value, size) > LIMIT:
            reasons.add(Reject.TOO_LARGE)
        due = (self.terms["quote"], value) if side == "buy" else (self.terms["base"], size)
        if (hold.asset, hold.atoms) != due:
            reasons.add(Reject.HOLD_MISMATCH)
        if value < self.terms["min_notional_atoms"]:
            reasons.add(Reject.BELOW_MIN_NOTIONAL)
        return reasons

    def against_purchase(self, order):
        reasons = self.against_status(may_only_rest=False)
        if any(other.order_id == order.order_id for other in self.book):
            reasons.add(Reject.DUPLICATE_ORDER)
        if order.lots <= 0:
            reasons.add(Reject.INVALID_AMOUNT)
        if not 0 < order.price_ticks <= HIGHEST_PRICE:
            reasons.add(Reject.INVALID_PRICE)
        if self.house is None:
            reasons.add(Reject.NO_PRICE)
        elif self.house > order.price_ticks:
            reasons.add(Reject.PRICE_CHANGED)
        return reasons | self.against_money("buy", order.lots, None, order.price_ticks, order.hold)

    def against_leaving(self, command):
        reasons = {Reject.MARKET_HALTED} if self.terms["status"] == "halted" else set()
        if not isinstance(command, c.CancelAll) and self.find(command) is None:
            reasons.add(Reject.UNKNOWN_ORDER)
        return reasons

    def against_reducing(self, command):
        reasons = self.against_leaving(command)
        order = self.find(command)
        if order and command.lots <= order.total - order.lots:
            reasons.add(Reject.NOT_ABOVE_FILLED)
        if order and command.lots >= order.total:
            reasons.add(Reject.NOT_SMALLER)
        return reasons

    def against_price(self, command):
        return set() if 0 < command.price_ticks <= HIGHEST_PRICE else {Reject.INVALID_PRICE}

    def against_terms(self, command):
        fees = [command.maker_fee_bps or 0, command.taker_fee_bps or 0]
        good = all(0 <= fee <= 10_000 for fee in fees)
        good = good and 0 <= (command.band_bps or 0) <= 1_000_000 and 0 <= (command.min_notional_atoms or 0) <= LIMIT
        return set() if good else {Reject.INVALID_MARKET}

    # --- numbers ---

    def quote(self, price, lots):
        return lots * price * self.terms["tick_lot_quote_atoms"]

    def base(self, lots):
        return lots * self.terms["lot_base_atoms"]

    def held(self, side, price, lots):
        return self.quote(price, lots) if side == "buy" else self.base(lots)

    def band(self):
        reference = self.house if self.last is None else self.last
        if not self.terms["band_bps"] or reference is None:
            return 0, HIGHEST_PRICE
        width = Fraction(reference * self.terms["band_bps"], 10_000)
        return reference - width, reference + width

    def find(self, command):
        return next((o for o in self.book if (o.order_id, o.user_id) == (command.order_id, command.user_id)), None)

    # --- what each command does ---

    def begin(self, command):
        tick, lot = Fraction(command.tick_size), Fraction(command.lot_size)
        scales = 0 <= command.base_scale <= 8 and 0 <= command.quote_scale <= 8
        lot_atoms = lot * 10**command.base_scale if scales else Fraction(1, 2)
        tick_lot = tick * lot * 10**command.quote_scale if scales else Fraction(1, 2)
        fair = all(0 <= fee <= 10_000 for fee in (command.maker_fee_bps, command.taker_fee_bps))
        fair = fair and command.band_bps >= 0 and command.min_notional_atoms >= 0 and command.base != command.quote
        if not fair or lot_atoms.denominator != 1 or tick_lot.denominator != 1:
            return [self.no(command, Reject.INVALID_MARKET)]
        if command.number > SEEN:
            return [e.Parked(command.command_id, command.number)]
        names = e.MarketOpened.__struct_fields__
        self.terms = {name: getattr(command, name) for name in names if hasattr(command, name)}
        self.terms |= {"lot_base_atoms": int(lot_atoms), "tick_lot_quote_atoms": int(tick_lot)}
        self.numbers.add(command.number)
        return [e.MarketOpened(**self.terms)]

    def ChangeMarket(self, command):
        for name in e.MarketChanged.__struct_fields__:
            if getattr(command, name) is not None:
                self.terms[name] = getattr(command, name)
        return [e.MarketChanged(**{name: self.terms[name] for name in e.MarketChanged.__struct_fields__})]

    def ChangeRules(self, command):
        return [e.RulesChanged(command.rules_version)]

    def ListPrice(self, command):
        self.house = command.price_ticks
        return [e.PriceListed(self.house)]

    def BuyFromHouse(self, order):
        self.trades += 1
        paid = self.quote(self.house, order.lots)
        back = order.hold.atoms - paid
        return [
            e.HouseFilled(
                self.trades, order.order_id, order.user_id, self.house, order.lots, self.base(order.lots), paid, back
            )
        ]

    def CancelOrder(self, command):
        order = self.find(command)
        self.book.remove(order)
        back = self.held(order.side, order.price, order.lots)
        return [e.Canceled(order.order_id, order.user_id, order.side, order.price, order.lots, back)]

    def CancelAll(self, command):
        mine = sorted((o for o in self.book if o.user_id == command.user_id), key=lambda o: o.order_id)
        told = [event for order in mine for event in self.CancelOrder(order)]
        return [*told, e.AllCanceled(command.user_id, len(mine))]

    def ReduceOrder(self, command):
        order = self.find(command)
        cut = order.total - command.lots
        order.total -= cut
        order.lots -= cut
        back = self.held(order.side, order.price, cut)
        return [e.Reduced(order.order_id, order.user_id, order.side, order.price, cut, order.lots, order.total, back)]

    def PlaceOrder(self, order):
        low, high = self.band()
        reach = order.price_ticks
        if order.kind == "market":
            reach = min(reach, int(high)) if order.side == "buy" else max(reach, -int(-low // 1))
        if order.post_only and self.in_reach(order.side, reach):
            return [self.no(order, Reject.WOULD_TAKE)]
        if order.time_in_force == "fok":
            trial = copy.deepcopy(self)
            if not trial.in_reach(order.side, reach) or not trial.trade(order, reach)[1]:
                back = order.hold.atoms
                return [self.expired(order, order.lots, back, Expiry.WOULD_NOT_FILL)]
        return self.finish(order, *self.trade(order, reach))

    def in_reach(self, side, reach):
        """Opposite orders that this price reaches, best price first, then first come."""
        if side == "buy":
            return sorted((o for o in self.book if o.side == "sell" and o.price <= reach), key=lambda o: o.price)
        return sorted((o for o in self.book if o.side == "buy" and o.price >= reach), key=lambda o: -o.price)

    def trade(self, order, reach):
        """What is told of the trades, whether the order has all it can have, whether it met itself, what is left."""
        events, lots, money, met_itself, price = [], order.lots, order.quote_atoms, False, None
        for maker in self.in_reach(order.side, reach):
            price = maker.price
            wanted = lots if money is None else money // self.quote(price, 1)
            if wanted == 0:
                break
            if maker.user_id == order.user_id:
                if order.self_trade in ("expire_maker", "expire_both"):
                    self.book.remove(maker)
                    events.append(self.expired_maker(maker))
                if order.self_trade in ("expire_taker", "expire_both"):
                    met_itself = True
                    break
                continue
            some = min(wanted, maker.lots)
            maker.lots -= some
            if maker.lots == 0:
                self.book.remove(maker)
            lots = None if lots is None else lots - some
            money = None if money is None else money - self.quote(price, some)
            events.append(self.traded(order, maker, some, lots))
        done = lots == 0 or (money is not None and price is not None and money < self.quote(price, 1))
        return events, done and not met_itself, met_itself, lots, money

    def finish(self, order, events, done, met_itself, lots, money):
        if done and money is None:
            return events
        if done and any(isinstance(event, e.Traded) for event in events):
            return [*events, e.Filled(order.order_id, order.user_id, money)]
        back = self.held(order.side, order.price_ticks, lots) if money is None else money
        if done:
            return [*events, self.expired(order, None, back, Expiry.BELOW_ONE_LOT)]
        if met_itself:
            return [*events, self.expired(order, lots, back, Expiry.SELF_TRADE)]
        if order.kind == "market" or order.time_in_force == "ioc":
            return [*events, self.expired(order, lots, back, Expiry.UNFILLED)]
        self.book.append(Resting(order.order_id, order.user_id, order.side, order.price_ticks, lots, order.lots))
        return [*events, e.Rested(order.order_id, order.user_id, order.side, order.price_ticks, lots)]

    def traded(self, order, maker, lots, left):
        self.trades += 1
        self.last = maker.price
        base, quote = self.base(lots), self.quote(maker.price, lots)
        gets = {"buy": base, "sell": quote}
        better = 0
        if order.side == "buy" and order.lots is not None:
            better = self.quote(order.price_ticks, lots) - quote
        return e.Traded(
            trade_seq=self.trades, price_ticks=maker.price, lots=lots, base_atoms=base, quote_atoms=quote,
            taker_side=order.side, maker_order_id=maker.order_id, maker_user_id=maker.user_id,
            maker_fee_atoms=int(Fraction(gets[maker.side] * self.terms["maker_fee_bps"], 10_000)),
            maker_left_lots=maker.lots, taker_order_id=order.order_id, taker_user_id=order.user_id,
            taker_fee_atoms=int(Fraction(gets[order.side] * self.terms["taker_fee_bps"], 10_000)),
            taker_left_lots=left, taker_released_atoms=better,
        )  # fmt: skip

    def expired(self, order, lots, back, reason):
        return e.Expired(
            order.order_id, order.user_id, order.side, order.price_ticks, lots, back, reason, was_resting=False
        )

    def expired_maker(self, maker):
        back = self.held(maker.side, maker.price, maker.lots)
        return e.Expired(
            maker.order_id,
            maker.user_id,
            maker.side,
            maker.price,
            maker.lots,
            back,
            Expiry.SELF_TRADE,
            was_resting=True,
        )
