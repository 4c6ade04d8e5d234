"""A market for tests: commands go through the real engine, and come out as the records that readers find."""

import dataclasses
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from agents.matching.agent import PROGRAM, Book
from runtime.journal.partition import Partition
from schemas.commands import (
    BuyFromHouse,
    CancelAll,
    CancelOrder,
    ChangeMarket,
    Command,
    Hold,
    ListPrice,
    OpenMarket,
    PlaceOrder,
    ReduceOrder,
    Side,
    Tick,
    encode_command,
)
from schemas.executions import ChainedExecution, decode_execution
from schemas.topics import EXECUTIONS, TRADES
from schemas.views import Level
from tests.runtime.journal.records import Fake

SYMBOL = "BTC-USD"
VALUE, LOT = 100, 10_000


def command(kind: type, number: int, market: str, /, **fields: object) -> Command:
    return kind(market=market, command_id=number, number=number, **fields)


class Exchange:
    """The matching agent's machine on one partition, without a broker."""

    def __init__(self, market: str = SYMBOL, partition: int = 0) -> None:
        self.market = market
        self.partition: Partition = Partition(PROGRAM, partition)
        self.now_ms = 1_700_000_000_000
        self.number = 0
        self.executions: list[bytes] = []
        self.trades: list[bytes] = []
        base, quote = market.split("-")
        terms = {"base": base, "quote": quote, "base_scale": 8, "quote_scale": 8, "tick_size": "0.01"}
        self.say(OpenMarket, **terms, lot_size="0.0001")

    def say(self, kind: type, /, **fields: object) -> list[ChainedExecution]:
        """One command; its outcome."""
        self.number += 1
        return self.send(command(kind, self.number, self.market, **fields))

    def send(self, *commands: Command) -> list[ChainedExecution]:
        first, number = len(self.executions), self.partition.number
        for each in commands:
            record = Fake(self.partition.next_offset, encode_command(each), self.now_ms, self.market.encode(), number)
            for outgoing in self.partition.run([record]):
                told = {EXECUTIONS.name: self.executions, TRADES.name: self.trades}[outgoing.topic]
                told.append(outgoing.value)
        return [decode_execution(value) for value in self.executions[first:]]

    def place(self, side: Side, price: int, lots: int, user_id: int = 1, **more: object) -> int:
        """A limit order; its id."""
        hold = Hold("USD", price * lots * VALUE) if side == "buy" else Hold(self.market.split("-")[0], lots * LOT)
        order_id = self.number + 1
        self.say(
            PlaceOrder, order_id=order_id, user_id=user_id, side=side, kind="limit", lots=lots, price_ticks=price,
            hold=hold, **more,
        )  # fmt: skip
        return order_id

    def house_price(self, price: int) -> None:
        self.say(ListPrice, price_ticks=price)

    def buy_from_house(self, price: int, lots: int) -> None:
        order_id = self.number + 1
        self.say(
            BuyFromHouse, order_id=order_id, user_id=1, lots=lots, price_ticks=price,
            hold=Hold("USD", price * lots * VALUE),
        )  # fmt: skip

    def anything(self, chance: random.Random) -> None:
        """A command of any kind around one price, so that much trades, leaves and is refused."""
        side: Side = chance.choice(("buy", "sell"))
        user_id, order_id = chance.randint(1, 4), chance.randint(1, self.number + 1)
        self.now_ms += chance.choice((0, 0, 1, 7, 1000, 40_000))
        match chance.randrange(20):
            case 0:
                self.say(CancelAll, user_id=user_id)
            case 1 | 2 | 3:
                self.say(CancelOrder, order_id=order_id, user_id=user_id)
            case 4 | 5:
                self.say(ReduceOrder, order_id=order_id, user_id=user_id, lots=chance.randint(1, 9))
            case 6:
                self.send(Tick(market=self.market))
            case 7:
                self.house_price(chance.randint(90, 110))
            case 8:
                self.buy_from_house(100, chance.randint(1, 5))
            case 9:
                self.say(ChangeMarket, taker_fee_bps=chance.randint(0, 30))
            case _:
                more = {"self_trade": chance.choice(("expire_taker", "expire_maker", "expire_both"))}
                if chance.random() < 0.2:
                    more["time_in_force"] = chance.choice(("ioc", "fok"))
                price = 10_000 + chance.randint(-8, 8)
                self.place(side, price, chance.randint(1, 12), user_id, **more)

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The engine's own book, added up by price, best first."""
        machine = self.partition.markets[self.market].machine
        assert isinstance(machine, Book)
        assert machine.state is not None
        sums: dict[str, dict[int, int]] = {"buy": defaultdict(int), "sell": defaultdict(int)}
        book = machine.state.book
        for order in book.orders.values():
            sums["buy" if order.side is book.bids else "sell"][order.price] += order.lots
        return sorted(sums["buy"].items(), reverse=True), sorted(sums["sell"].items())


@dataclasses.dataclass
class Reader:
    """A client's book: a snapshot and the deltas that join it."""

    seq: int
    bids: dict[str, str]
    asks: dict[str, str]

    def take(self, delta) -> None:
        assert delta.first_seq <= self.seq + 1 <= delta.last_seq, (self.seq, delta.first_seq, delta.last_seq)
        self.seq = delta.last_seq
        self.put(delta.bids, delta.asks)

    def put(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        for side, changes in ((self.bids, bids), (self.asks, asks)):
            for price, amount in changes:
                if amount == "0":
                    side.pop(price, None)
                else:
                    side[price] = amount

    def levels(self) -> tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]:
        by_price = [
            sorted(side.items(), key=lambda level: int(level[0].replace(".", ""))) for side in (self.bids, self.asks)
        ]
        return by_price[0][::-1], by_price[1]
