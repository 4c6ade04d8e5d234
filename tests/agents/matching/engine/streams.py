"""Streams of commands from a seed: 6 users on 20 prices, mostly sensible, with every kind of nonsense among it.

The same seed gives the same stream, on every machine and for ever.
"""

import random

from schemas.commands import (
    BuyFromHouse,
    CancelAll,
    CancelOrder,
    ChangeMarket,
    ChangeRules,
    Hold,
    ListPrice,
    OpenMarket,
    PlaceOrder,
    ReduceOrder,
    Tick,
)

MARKET, BASE, QUOTE = "ABC-XYZ", "ABC", "XYZ"
LOWEST, PRICES, USERS = 95, 20, 6
LOT_ATOMS, TICK_LOT_ATOMS = 10, 7  # of a lot of 0.10 at scale 2, and of a tick of 0.7 at scale 2
VERBS = {
    "place": 70, "cancel": 8, "reduce": 5, "cancel_all": 2, "purchase": 4, "list_price": 2, "change": 2,
    "repeat": 1.5, "far": 1.2, "open_again": 0.6, "rules": 0.3, "tick": 0.7,
}  # fmt: skip


class Stream:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.number = 0
        self.placed = []
        self.sent = []

    def commands(self, count):
        self.sent += self.beginning()
        while len(self.sent) < count:
            verb = self.random.choices(list(VERBS), list(VERBS.values()))[0]
            self.sent.append(getattr(self, verb)())
        return self.sent

    def envelope(self):
        self.number += 1
        return {"market": MARKET, "command_id": 1000 + self.number, "number": self.number}

    def user(self):
        return self.random.randint(1, USERS)

    def some_order(self):
        """Mostly a real order of its real user, sometimes nobody's, sometimes somebody else's."""
        if not self.placed or self.random.random() < 0.05:
            return 999_999, self.user()
        order_id, user_id = self.random.choice(self.placed[-16:])
        return (order_id, user_id) if self.random.random() < 0.95 else (order_id, self.user())

    def beginning(self):
        early = [self.place(), Tick(market=MARKET), self.cancel()] if self.random.random() < 0.2 else []
        wrong = {"tick_size": "0.07", "lot_size": "0.01"} if self.random.random() < 0.5 else {"taker_fee_bps": 10_001}
        early += [self.open(**wrong)] if self.random.random() < 0.3 else []
        self.number = self.random.choice([0, 0, 230_000])
        rng = self.random
        fees = {"maker_fee_bps": rng.choice([0, 10, 33]), "taker_fee_bps": rng.choice([0, 20, 77, 10_000])}
        return [
            *early,
            self.open(**fees, band_bps=rng.choice([0, 0, 0, 1234]), min_notional_atoms=rng.choice([0, 900])),
        ]

    def open(self, **terms):
        given = {"base_scale": 2, "quote_scale": 2, "tick_size": "0.7", "lot_size": "0.10", **terms}
        return OpenMarket(base=BASE, quote=QUOTE, **given, **self.envelope())

    def open_again(self):
        return self.open()

    def place(self):
        rng = self.random
        side, kind = rng.choice(["buy", "sell"]), rng.choices(["limit", "market"], [80, 20])[0]
        order = {
            "order_id": 10 * (self.number + 1), "user_id": self.user(), "side": side, "kind": kind,
            "lots": rng.randint(1, 12), "quote_atoms": None, "price_ticks": LOWEST + rng.randrange(PRICES),
            "time_in_force": rng.choices(["gtc", "ioc", "fok"], [70, 12, 18])[0],
            "post_only": rng.random() < (0.12 if kind == "limit" else 0.01),
            "self_trade": rng.choice(["expire_taker", "expire_maker", "expire_both"]),
        }  # fmt: skip
        if order["post_only"] and rng.random() < 0.95:
            order["time_in_force"] = "gtc"
        if kind == "market" and side == "buy" and rng.random() < 0.5:
            order |= {"lots": None, "quote_atoms": rng.choice([rng.randint(1, 800), rng.randint(500, 12_000)])}
        if rng.random() < 0.06:
            order |= self.nonsense()
        if self.placed and rng.random() < 0.01:
            order["order_id"] = rng.choice(self.placed[-20:])[0]
        self.placed.append((order["order_id"], order["user_id"]))
        return PlaceOrder(**order, hold=self.hold(order), **self.envelope())

    def nonsense(self):
        return self.random.choice([
            {"lots": None}, {"quote_atoms": 500}, {"lots": 0}, {"lots": -3}, {"price_ticks": 0}, {"price_ticks": None},
            {"price_ticks": -5}, {"price_ticks": 2**60}, {"lots": 2**60}, {"price_ticks": 2**59}, {"price_ticks": 1},
            {"price_ticks": 400}, {"lots": 1, "price_ticks": 100}, {"kind": "market", "price_ticks": None},
        ])  # fmt: skip

    def hold(self, order):
        lots, price = order["lots"] or 0, order["price_ticks"] or 0
        if order["side"] == "sell":
            hold = Hold(BASE, lots * LOT_ATOMS)
        else:
            hold = Hold(QUOTE, order["quote_atoms"] or lots * price * TICK_LOT_ATOMS)
        if self.random.random() < 0.005:
            return Hold(hold.asset, hold.atoms + 1) if self.random.random() < 0.5 else Hold("OTHER", hold.atoms)
        return hold

    def purchase(self):
        rng = self.random
        lots, price = (
            rng.choices([rng.randint(1, 9), 0], [97, 3])[0],
            rng.choices([rng.randint(98, 104), 0], [97, 3])[0],
        )
        hold = Hold(QUOTE, lots * price * TICK_LOT_ATOMS + (rng.random() < 0.02))
        envelope = self.envelope()
        return BuyFromHouse(
            order_id=10 * self.number, user_id=self.user(), lots=lots, price_ticks=price, hold=hold, **envelope
        )

    def cancel(self):
        order_id, user_id = self.some_order()
        return CancelOrder(order_id=order_id, user_id=user_id, **self.envelope())

    def cancel_all(self):
        return CancelAll(user_id=self.user(), **self.envelope())

    def reduce(self):
        order_id, user_id = self.some_order()
        return ReduceOrder(order_id=order_id, user_id=user_id, lots=self.random.randint(0, 12), **self.envelope())

    def list_price(self):
        price = self.random.choice([98, 99, 100, 101, 102, 103, 0])
        return ListPrice(price_ticks=price, **self.envelope())

    def change(self):
        rng = self.random
        status = rng.choices(["open", "post_only", "cancel_only", "halted", None], [60, 8, 4, 4, 24])[0]
        if any(isinstance(sent, ChangeMarket) and sent.status not in (None, "open") for sent in self.sent[-12:]):
            status = "open"
        fee = rng.choice([None, 0, 25, 10_000, 10_001, -1])
        band, least = rng.choice([None, None, 0, 1500]), rng.choice([None, None, 0, 1200])
        return ChangeMarket(
            status=status, taker_fee_bps=fee, band_bps=band, min_notional_atoms=least, **self.envelope()
        )

    def repeat(self):
        return self.random.choice(self.sent[-30:])

    def far(self):
        """A number too far ahead, one as far ahead as may be, one that by now is too old, one whose bit was used."""
        old = self.random.choice([sent.number for sent in self.sent if not isinstance(sent, Tick)] or [1])
        near = self.number + self.random.choice([262_145, 300_000, 262_144, 50_000, -262_143, -262_144, -262_500])
        number = self.random.choice([near, near, old + 262_144, old])
        if self.number < number <= self.number + 262_144:
            self.number = number
        return CancelAll(market=MARKET, command_id=7, number=max(1, number), user_id=self.user())

    def rules(self):
        return ChangeRules(rules_version=1, **self.envelope())

    def tick(self):
        return Tick(market=MARKET)
