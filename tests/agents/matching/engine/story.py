"""The language of the stories: commands as lines, what came of them as indented lines, names instead of numbers.

A tick is 1, a lot is 1, both assets have scale 0, so that all numbers can be checked in the head. An order's user is
called like the order unless `user=` says otherwise; the hold is what the order needs unless `hold=` says otherwise.
"""

from agents.matching.engine import Market
from schemas import commands as c
from schemas import executions as e

TYPES = {
    "limit": ("limit", "gtc", False),
    "post_only": ("limit", "gtc", True),
    "immediate_or_cancel": ("limit", "ioc", False),
    "fill_or_kill": ("limit", "fok", False),
    "market": ("market", "gtc", False),
    "market_fill_or_kill": ("market", "fok", False),
    "market_post_only": ("market", "gtc", True),
}
MARKET, BASE, QUOTE = "APPLE-COIN", "APPLE", "COIN"


def told(text):
    """The story with its indented lines as the engine tells them."""
    teller, lines = Teller(), []
    for line in text.splitlines():
        if line.startswith(" "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += ["  " + words for words in teller.tell(line)]
    return "\n".join(lines) + "\n"


class Teller:
    def __init__(self):
        self.market = Market(MARKET)
        self.number = 0
        self.orders = {}
        self.users = {}
        self.last = None

    def tell(self, line):
        verb, *words = line.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        if verb != "open" and self.market.state is None:
            self.send(self.open([], {}))
        command = getattr(self, verb)([word for word in words if "=" not in word], options)
        return [self.line(event) for event in self.send(command)]

    def send(self, command):
        self.last = command
        return self.market.apply(command, 0)

    def envelope(self, options):
        self.number += 1
        number = int(options.get("number", self.number))
        return {"market": MARKET, "command_id": self.number, "number": number}

    def owned(self, name, options):
        return {"order_id": self.id(self.orders, name), "user_id": self.id(self.users, options.get("user", name))}

    def id(self, names, name):
        return names.setdefault(name, len(names) + 1)

    def name(self, names, number):
        return next((name for name, known in names.items() if known == number), "-")

    # --- commands ---

    def open(self, words, options):
        terms = {"base_scale": 0, "quote_scale": 0, "tick_size": options.get("tick", "1"), "lot_size": "1"}
        return c.OpenMarket(base=BASE, quote=QUOTE, **terms, **self.terms(options), **self.envelope(options))

    def change(self, words, options):
        status = {"status": options["status"]} if "status" in options else {}
        return c.ChangeMarket(**status, **self.terms(options), **self.envelope(options))

    def terms(self, options):
        maker, taker = options["fees"].split("/") if "fees" in options else (None, None)
        terms = {
            "maker_fee_bps": maker, "taker_fee_bps": taker,
            "band_bps": options.get("band"), "min_notional_atoms": options.get("least"),
        }  # fmt: skip
        return {name: int(value) for name, value in terms.items() if value is not None}

    def place(self, words, options):
        name, side, kind, *numbers = words
        price, lots = (int(number) if number != "-" else None for number in (*numbers, "-", "-")[:2])
        money = int(options["spend"]) if "spend" in options else None
        due = (lots or 0) * (price or 0) if side == "buy" else (lots or 0)
        hold = c.Hold(QUOTE if side == "buy" else BASE, int(options.get("hold", due if money is None else money)))
        kind, time_in_force, post_only = TYPES[kind]
        return c.PlaceOrder(
            side=side, kind=kind, lots=lots, quote_atoms=money, price_ticks=price, time_in_force=time_in_force,
            post_only=post_only, self_trade=options.get("self_trade", "expire_taker"), hold=hold,
            **self.owned(name, options), **self.envelope(options),
        )  # fmt: skip

    def purchase(self, words, options):
        name, price, lots = words[0], int(words[1]), int(words[2])
        hold = c.Hold(QUOTE, int(options.get("hold", price * lots)))
        owned = self.owned(name, options)
        return c.BuyFromHouse(lots=lots, price_ticks=price, hold=hold, **owned, **self.envelope(options))

    def cancel(self, words, options):
        return c.CancelOrder(**self.owned(words[0], options), **self.envelope(options))

    def cancel_all(self, words, options):
        return c.CancelAll(user_id=self.id(self.users, words[0]), **self.envelope(options))

    def reduce(self, words, options):
        return c.ReduceOrder(lots=int(words[1]), **self.owned(words[0], options), **self.envelope(options))

    def list_price(self, words, options):
        return c.ListPrice(price_ticks=int(words[0]), **self.envelope(options))

    def rules(self, words, options):
        return c.ChangeRules(rules_version=int(words[0]), **self.envelope(options))

    def tick(self, words, options):
        return c.Tick(market=MARKET)

    def repeat(self, words, options):
        return self.last

    # --- events ---

    def line(self, event):
        kind = event.__struct_config__.tag
        return f"{kind:<9} {' '.join(str(word) for word in getattr(self, 'say_' + kind)(event) if word != '')}".rstrip()

    def order(self, event):
        return self.name(self.orders, event.order_id)

    def released(self, atoms):
        return f"released={atoms}" if atoms else ""

    def say_rested(self, event):
        return self.order(event), event.price_ticks, event.lots

    def say_traded(self, event):
        taker, maker = self.name(self.orders, event.taker_order_id), self.name(self.orders, event.maker_order_id)
        fees = (event.maker_fee_atoms, event.taker_fee_atoms)
        paid = f"fees={fees[0]}/{fees[1]}" if any(fees) else ""
        return taker, maker, event.price_ticks, event.lots, paid, self.released(event.taker_released_atoms)

    def say_filled(self, event):
        return self.order(event), self.released(event.released_atoms)

    def say_canceled(self, event):
        return self.order(event), event.price_ticks, event.lots, self.released(event.released_atoms)

    def say_all_canceled(self, event):
        return self.name(self.users, event.user_id), event.orders

    def say_reduced(self, event):
        left = f"{event.left_lots}/{event.total_lots}"
        return self.order(event), event.price_ticks, left, self.released(event.released_atoms)

    def say_expired(self, event):
        resting = "resting" if event.was_resting else ""
        return self.order(event), event.reason, resting, self.released(event.released_atoms)

    def say_rejected(self, event):
        return self.order(event), event.reason

    def say_declined(self, event):
        return ("-" if event.order_id is None else self.order(event)), event.reason

    def say_house_filled(self, event):
        return self.order(event), event.price_ticks, event.lots, self.released(event.released_atoms)

    def say_market_opened(self, event):
        return self.say_market_changed(event)

    def say_market_changed(self, event):
        fees = f"fees={event.maker_fee_bps}/{event.taker_fee_bps}"
        return event.status, fees, f"band={event.band_bps}", f"least={event.min_notional_atoms}"

    def say_rules_changed(self, event):
        return (event.rules_version,)

    def say_price_listed(self, event):
        return (event.price_ticks,)

    def say_ticked(self, event):
        return ()

    def say_ignored(self, event):
        return ()

    def say_parked(self, event):
        return (event.number,)


assert {f"say_{kind.__struct_config__.tag}" for kind in e.Event.__args__} <= set(dir(Teller)), "a word for every event"
