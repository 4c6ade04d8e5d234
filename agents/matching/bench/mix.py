"""One mix of commands, the same every time: 60 % passive limit orders, 30 % cancels, 10 % takers.

A taker takes about four makers, so that the book keeps its size: by default some 10,000 orders on more than 200 prices.
"""

import random

from agents.matching.engine import Market
from agents.matching.engine.book import Book
from schemas.commands import CancelOrder, Command, Hold, OpenMarket, PlaceOrder, TimeInForce

MIDDLE, DEEPEST, USERS = 1_000_000, 150, 500
OPEN = OpenMarket(
    market="BTC-USD", command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8,
    tick_size="0.01", lot_size="0.0001", maker_fee_bps=5, taker_fee_bps=10, band_bps=2_000, min_notional_atoms=100,
)  # fmt: skip


class Source:
    """The same commands in the same order every time. A market runs along, so that cancels name orders that rest.

    `before` is what filled the book.
    """

    def __init__(self, resting: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.number = 1
        self.market = Market(OPEN.market)
        self.market.apply(OPEN, 1)
        self.resting: list[int] = []
        self.before = [OPEN, *self.rest(resting)]

    @property
    def book(self) -> Book:
        assert self.market.state is not None
        return self.market.state.book

    def rest(self, count: int) -> list[Command]:
        """Orders that only rest."""
        return [self._emit(self._passive()) for _ in range(count)]

    def take(self, count: int) -> list[Command]:
        """The next commands of the mix."""
        return [self._emit(self._mixed()) for _ in range(count)]

    def _emit(self, command: PlaceOrder | CancelOrder) -> Command:
        self.market.apply(command, 1)
        if command.number in self.book.orders:
            self.resting.append(command.number)
        return command

    def _mixed(self) -> PlaceOrder | CancelOrder:
        draw = self.random.random()
        if draw < 0.6:
            return self._passive()
        return self._taker() if draw < 0.7 else self._cancel()

    def _passive(self) -> PlaceOrder:
        depth = 1 + min(int(self.random.expovariate(1 / 45)), DEEPEST)
        return self._place(-depth, self.random.randrange(USERS), self.random.randint(1, 10), "gtc")

    def _taker(self) -> PlaceOrder:
        return self._place(DEEPEST + 50, USERS + self.random.randrange(USERS), self.random.randint(1, 32), "ioc")

    def _place(self, forward: int, user: int, lots: int, time_in_force: TimeInForce) -> PlaceOrder:
        self.number += 1
        buys = self.random.random() < 0.5
        price = MIDDLE + forward if buys else MIDDLE - forward
        return PlaceOrder(
            market=OPEN.market, command_id=self.number, number=self.number, order_id=self.number, user_id=user + 1,
            side="buy" if buys else "sell", kind="limit", price_ticks=price, lots=lots, time_in_force=time_in_force,
            hold=Hold("USD", price * lots * 100) if buys else Hold("BTC", lots * 10_000),
            client_order_id=f"bench-{self.number}", body_digest="c0ffee" * 5, reply="api-1",
        )  # fmt: skip

    def _cancel(self) -> CancelOrder:
        self.number += 1
        while True:
            place = self.random.randrange(len(self.resting))
            order_id, self.resting[place] = self.resting[place], self.resting[-1]
            self.resting.pop()
            if order_id in self.book.orders:
                break
        user_id = self.book.orders[order_id].user_id
        return CancelOrder(
            market=OPEN.market, command_id=self.number, number=self.number, order_id=order_id, user_id=user_id,
            reply="api-1",
        )  # fmt: skip
