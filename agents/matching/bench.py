"""How fast the engine is, part by part, on one mix of commands: `python -m agents.matching.bench`.

The mix is 60 % passive limit orders, 30 % cancels and 10 % takers that take about four makers each, so that the book
keeps its size: some 10,000 orders on more than 200 prices. Each row does what the row above does and one thing more.
Seconds are those of the processor: the engine waits for nothing, and neighbours on the machine should not count.
"""

import argparse
import gc
import json
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from agents.matching.engine import Market
from agents.matching.engine.book import Book, Side
from agents.matching.engine.taking import Taker, take
from schemas import commands as words
from schemas.commands import CancelOrder, Command, Hold, OpenMarket, PlaceOrder, TimeInForce
from schemas.executions import encode_events, encode_execution

MIDDLE, DEEPEST, USERS, BLOCK, RUN = 1_000_000, 150, 500, 50_000, 256
PLACE = ("BTC-USD", 1_000_000, 3, 2_000_000, 1_760_000_000_000, 1, True)
M = TypeVar("M")
C = TypeVar("C")
Reading = Callable[[Sequence[bytes]], Sequence[C]]
OPEN = OpenMarket(
    market="BTC-USD", command_id=1, number=1, base="BTC", quote="USD", base_scale=8, quote_scale=8,
    tick_size="0.01", lot_size="0.0001", maker_fee_bps=5, taker_fee_bps=10, band_bps=2_000, min_notional_atoms=100,
)  # fmt: skip


class Source:
    """The same commands in the same order every time. A market runs along, so that cancels name orders that rest."""

    def __init__(self, resting: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.number = 1
        self.market = Market(OPEN.market)
        self.market.apply(OPEN, 1)
        self.resting: list[int] = []
        self.rest(resting)

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


class Step(NamedTuple):
    """A command as the bare book takes it; a price of 0 is a cancel."""

    order_id: int
    user_id: int
    buys: bool
    price: int
    lots: int
    rests: bool


def steps(some: Sequence[Command]) -> list[Step]:
    """Commands without everything that the bare book has no use for."""
    bare = []
    for command in some:
        if isinstance(command, PlaceOrder):
            price, lots, rests = command.price_ticks or 0, command.lots or 0, command.time_in_force == "gtc"
            bare.append(Step(command.order_id, command.user_id, command.side == "buy", price, lots, rests))
        elif isinstance(command, CancelOrder):
            bare.append(Step(command.order_id, command.user_id, False, 0, 0, False))
    return bare


def run_bare(book: Book, run: Sequence[Step]) -> None:
    """The book alone: take, rest, remove."""
    sides, orders = (book.sides["sell"], book.sides["buy"]), book.orders
    for order_id, user_id, buys, price, lots, rests in run:
        if not price:
            book.remove(orders[order_id])
            continue
        own, against = sides[buys]
        left, best = lots, against.best
        if best is not None and best.key <= price * against.direction:
            taker = Taker(user_id, against, price, lots, None, "expire_taker")
            take(book, taker)
            left = taker.lots
        if rests and left:
            book.rest(own, price, order_id, user_id, left, lots)


def run_rules(market: Market, run: Sequence[Command]) -> None:
    """Every rule, and the events as values."""
    for command in run:
        market.apply(command, 1)


def run_events(market: Market, run: Sequence[Command]) -> None:
    """And the events as bytes."""
    for command in run:
        encode_events(market.apply(command, 1))


def run_records(market: Market, run: Sequence[Command]) -> None:
    """And around them the record of the outcome."""
    for command in run:
        encode_execution(PLACE, command, market.apply(command, 1))


def run_bytes(market: Market, run: Sequence[bytes]) -> None:
    """And every command from its bytes: what re-execution does."""
    for value in run:
        command = words.decode_command(value)
        assert not isinstance(command, words.Undecodable)
        encode_execution(PLACE, command, market.apply(command, 1))


def timed(deed: Callable[[M, Sequence[C]], None], target: M, encoded: Sequence[bytes], read: Reading[C]) -> float:
    """Seconds for all commands, in runs as they come from the journal; what `read` does to a run is not counted.

    Everything that exists already is out of the collector's sight, as the agent has it after opening.
    """
    gc.collect()
    gc.freeze()
    spent = 0.0
    for start in range(0, len(encoded), RUN):
        run = read(encoded[start : start + RUN])
        started = time.process_time()
        deed(target, run)
        spent += time.process_time() - started
    gc.unfreeze()
    return spent


def as_bytes(run: Sequence[bytes]) -> Sequence[bytes]:
    return run


def as_commands(run: Sequence[bytes]) -> Sequence[Command]:
    return [command for value in run if not isinstance(command := words.decode_command(value), words.Undecodable)]


def as_steps(run: Sequence[bytes]) -> Sequence[Step]:
    return steps(as_commands(run))


class Row(NamedTuple):
    """One line of the table."""

    name: str
    figure: float
    unit: str


def clocked(deed: Callable[[], object]) -> float:
    """Seconds for one deed."""
    gc.collect()
    gc.freeze()
    started = time.process_time()
    deed()
    spent = time.process_time() - started
    gc.unfreeze()
    return spent


def copied_book(snapshot: bytes) -> Book:
    """A book of its own with the same orders."""
    state = Market.restore(snapshot).state
    assert state is not None
    return state.book


def bench_parts(commands: int, resting: int, repeats: int) -> list[Row]:
    """Commands per second of each part."""
    source = Source(resting)
    snapshot = source.market.snapshot()
    encoded = [words.encode_command(command) for command in source.take(commands)]

    def part(name: str, seconds: Callable[[], float]) -> Row:
        return Row(name, commands / statistics.median(seconds() for _ in range(repeats)), "commands/s")

    rows = [
        part("the book alone", lambda: timed(run_bare, copied_book(snapshot), encoded, as_steps)),
        part("with all rules, events built", lambda: timed(run_rules, Market.restore(snapshot), encoded, as_commands)),
        part("and events encoded", lambda: timed(run_events, Market.restore(snapshot), encoded, as_commands)),
        part("and records encoded", lambda: timed(run_records, Market.restore(snapshot), encoded, as_commands)),
        part("and commands decoded", lambda: timed(run_bytes, Market.restore(snapshot), encoded, as_bytes)),
    ]
    sides: list[Side] = [source.book.bids, source.book.asks]
    return [
        *rows,
        Row("orders at rest in the end", len(source.book.orders), "orders"),
        Row("prices in the end", sum(len(side.levels) for side in sides), "levels"),
    ]


def bench_snapshot(resting: int, repeats: int) -> list[Row]:
    """What it costs to keep and to bring back a large book."""
    market = Source(resting).market
    first = clocked(market.snapshot)
    data = market.snapshot()
    keeping = statistics.median(clocked(market.snapshot) for _ in range(repeats))
    restoring = statistics.median(clocked(lambda: Market.restore(data)) for _ in range(repeats))
    return [
        Row(f"first snapshot of {resting:,} orders, all rows new", first * 1e3, "ms"),
        Row("and of the same again", keeping * 1e3, "ms"),
        Row(f"restore of {resting:,} orders", restoring * 1e3, "ms"),
        Row("its size", len(data) / 1e6, "MB"),
    ]


def bench_recovery(commands: int, resting: int) -> list[Row]:
    """A restored market re-executes so many commands from their bytes; making them up is not counted."""
    source = Source(resting)
    data = source.market.snapshot()
    market = Market.restore(data)
    spent = clocked(lambda: Market.restore(data))
    for _ in range(0, commands, BLOCK):
        block = [words.encode_command(command) for command in source.take(BLOCK)]
        spent += timed(run_bytes, market, block, as_bytes)
    assert market.snapshot() == source.market.snapshot()
    return [Row(f"restore and re-execute {commands:,} commands", spent, "s")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m agents.matching.bench", description=__doc__)
    parser.add_argument("--commands", type=int, default=200_000, help="measured commands per run")
    parser.add_argument("--resting", type=int, default=10_000, help="orders in the book before")
    parser.add_argument("--recovery", type=int, default=1_000_000, help="commands to re-execute")
    parser.add_argument("--repeats", type=int, default=5, help="runs per row; the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    asked = parser.parse_args()
    rows = [
        *bench_parts(asked.commands, asked.resting, asked.repeats),
        *bench_snapshot(100_000, asked.repeats),
        *bench_recovery(asked.recovery, asked.resting),
    ]
    if asked.json:
        print(json.dumps({row.name: {"figure": round(row.figure, 3), "unit": row.unit} for row in rows}))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}, median of {asked.repeats} runs")
    for row in rows:
        print(f"{row.name:<44}{row.figure:>14,.{0 if row.figure >= 100 else 1}f} {row.unit}")


if __name__ == "__main__":
    main()
