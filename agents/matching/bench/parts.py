"""How fast the engine is, part by part: each row does what the row above does and one thing more.

Seconds are those of the processor: the engine waits for nothing, and neighbours on the machine should not count.
Everything that exists before is out of the garbage collector's sight, as the agent has it after opening.
"""

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from agents.matching.agent import PROGRAM
from agents.matching.bench.mix import OPEN, Source
from agents.matching.engine import Market
from agents.matching.engine.book import Book, Order
from agents.matching.engine.taking import Taker, take
from runtime.journal.chain import ORIGIN, seal
from runtime.journal.partition import LOG_APPEND_TIME, Partition
from schemas.commands import CancelOrder, Command, PlaceOrder, Undecodable, decode_command, encode_command
from schemas.executions import Event, encode_events, encode_execution

COMMANDS, RESTING, RUN = 100_000, 10_000, 256
LARGE, ROUND = 100_000, 20_000
PLACE = (OPEN.market, 1_000_000, 3, 2_000_000, 1_760_000_000_000, 1, True)
KEPT = 200
M = TypeVar("M")
C = TypeVar("C")
Read = Callable[[Sequence[bytes]], Sequence[C]]


class Step(NamedTuple):
    """A command as the bare book takes it; a price of 0 is a cancel."""

    order_id: int
    user_id: int
    buys: bool
    price: int
    lots: int
    rests: bool


class Row:
    """A journal record, as far as a partition looks."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "timestamp_type", "value")

    def __init__(self, offset: int, value: bytes) -> None:
        self.partition, self.offset, self.timestamp, self.timestamp_type = 0, offset, 1, LOG_APPEND_TIME
        self.key, self.value = b"BTC-USD", value
        self.headers: tuple[()] = ()


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
    """And every command from its bytes."""
    for value in run:
        command = decode_command(value)
        assert not isinstance(command, Undecodable)
        encode_execution(PLACE, command, market.apply(command, 1))


def as_bytes(run: Sequence[bytes]) -> Sequence[bytes]:
    return run


def as_commands(run: Sequence[bytes]) -> Sequence[Command]:
    return [command for value in run if not isinstance(command := decode_command(value), Undecodable)]


def as_steps(run: Sequence[bytes]) -> Sequence[Step]:
    """Commands without everything that the bare book has no use for."""
    bare = []
    for command in as_commands(run):
        if isinstance(command, PlaceOrder):
            price, lots, rests = command.price_ticks or 0, command.lots or 0, command.time_in_force == "gtc"
            bare.append(Step(command.order_id, command.user_id, command.side == "buy", price, lots, rests))
        elif isinstance(command, CancelOrder):
            bare.append(Step(command.order_id, command.user_id, False, 0, 0, False))
    return bare


def copied_book(snapshot: bytes) -> Book:
    """A book of its own with the same orders."""
    state = Market.restore(snapshot).state
    assert state is not None
    return state.book


def encode_each(_: None, run: Sequence[Sequence[Event]]) -> None:
    for events in run:
        encode_events(events)


def seal_each(chains: list[str], run: Sequence[bytes]) -> None:
    for body in run:
        _, chains[0] = seal(body, chains[0])


def decode_each(_: None, run: Sequence[bytes]) -> None:
    for value in run:
        decode_command(value)


def make_and_drop(orders: dict[int, Order], run: Sequence[bytes]) -> None:
    """What the machine can do at all: objects made, kept by number, found and dropped."""
    for number in range(len(run)):
        order = orders[number] = Order()
        order.order_id = order.user_id = order.lots = number
        if number >= KEPT:
            del orders[orders[number - KEPT].order_id]


def timed(deed: Callable[[M, Sequence[C]], object], target: M, values: Sequence[bytes], read: Read[C]) -> float:
    """Seconds for all commands, in runs as they come from the journal; what `read` does to a run is not counted."""
    gc.collect()
    gc.freeze()
    spent = 0.0
    for start in range(0, len(values), RUN):
        run = read(values[start : start + RUN])
        started = time.process_time()
        deed(target, run)
        spent += time.process_time() - started
    gc.unfreeze()
    return spent


def clocked(deed: Callable[[], object]) -> float:
    """Seconds for one deed."""
    return timed(lambda _, __: deed(), None, (b"",), as_bytes)


class Parts:
    """A book in its first state, and commands for it; each method is the seconds of one row."""

    def __init__(self, commands: int = COMMANDS, resting: int = RESTING) -> None:
        source = Source(resting)
        self.snapshot = source.market.snapshot()
        self.before = [encode_command(command) for command in source.before]
        self.values = [encode_command(command) for command in source.take(commands)]
        self.orders = len(source.book.orders)
        self.levels = len(source.book.bids.levels) + len(source.book.asks.levels)

    def bare(self) -> float:
        return timed(run_bare, copied_book(self.snapshot), self.values, as_steps)

    def with_rules(self) -> float:
        return timed(run_rules, self.market, self.values, as_commands)

    def with_events(self) -> float:
        return timed(run_events, self.market, self.values, as_commands)

    def with_records(self) -> float:
        return timed(run_records, self.market, self.values, as_commands)

    def with_commands(self) -> float:
        return timed(run_bytes, self.market, self.values, as_bytes)

    def with_journal(self) -> float:
        partition = Partition(PROGRAM, 0)
        partition.run(rows(self.before, 0))
        counted = itertools.count(len(self.before), RUN)
        return timed(Partition.run, partition, self.values, lambda run: rows(run, next(counted)))

    def decoding(self) -> float:
        return timed(decode_each, None, self.values, as_bytes)

    def encoding(self) -> float:
        market = self.market
        return timed(encode_each, None, self.values, lambda run: [market.apply(c, 1) for c in as_commands(run)])

    def sealing(self) -> float:
        market = self.market

        def bodies(run: Sequence[bytes]) -> list[bytes]:
            return [encode_execution(PLACE, command, market.apply(command, 1)) for command in as_commands(run)]

        return timed(seal_each, [ORIGIN], self.values, bodies)

    def machine(self) -> float:
        return timed(make_and_drop, {}, self.values, as_bytes)

    @property
    def market(self) -> Market:
        return Market.restore(self.snapshot)


class Large:
    """A large book, kept and brought back."""

    def __init__(self, resting: int = LARGE) -> None:
        self.source = Source(resting)
        self.first = clocked(self.source.market.snapshot)

    def again(self) -> float:
        """A snapshot after one round's commands, as the agent takes them: some rows are new, most are kept."""
        self.source.take(ROUND)
        return clocked(self.source.market.snapshot)

    def restored(self) -> float:
        data = self.source.market.snapshot()
        return clocked(lambda: Market.restore(data))


def rows(values: Sequence[bytes], first: int) -> list[Row]:
    return [Row(offset, value) for offset, value in enumerate(values, first)]
