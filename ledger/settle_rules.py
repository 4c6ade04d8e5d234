"""What executions do to the books: decided here, event by event, from the orders as they were fetched.

A hold belongs to its order: what a fill consumes and what an end releases is taken from the order's own
`held_remaining`, and an order that is done holds nothing. A disagreement between event and books is Mismatch: then
Kafka and the books have parted ways, and nothing of the run is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ledger.postings import Posting
from ledger.settlement import DONE, Assets, Decided, Mismatch, Order, Settlement, Terms, Trade
from schemas.executions import (
    Canceled,
    ChainedExecution,
    Declined,
    Event,
    Expired,
    Filled,
    HouseFilled,
    Ignored,
    MarketChanged,
    MarketOpened,
    Parked,
    PriceListed,
    Reduced,
    Rejected,
    Rested,
    RulesChanged,
    Traded,
)
from schemas.results import Result

ORDER_EVENTS = (Rested, Filled, Canceled, Reduced, Expired, Rejected, HouseFilled)


def concerned(executions: Iterable[ChainedExecution], assets: Mapping[str, Assets]) -> list[int]:
    """The orders to look at before `settle`, each once."""
    orders: set[int] = set()
    for execution in executions:
        for event in execution.events:
            if isinstance(event, Traded):
                orders.add(event.maker_order_id)
                orders.add(event.taker_order_id)
            elif isinstance(event, ORDER_EVENTS):
                orders.add(event.order_id)
            else:
                continue
            if execution.market not in assets:
                raise Mismatch(f"market {execution.market} is not in the books")
    return sorted(orders)


def settle(
    executions: Sequence[ChainedExecution],
    assets: Mapping[str, Assets],
    orders: Mapping[int, Order],
    commands: Mapping[int, int | None],
) -> Settlement:
    """The effect of executions, in order. `orders` are the rows as locked, and are changed in place; `commands` are
    those still pending, each with the order that it is about."""
    books = _Books(orders, commands)
    for execution in executions:
        books.begin(execution, assets.get(execution.market))
        for event in execution.events:
            APPLY.get(type(event), _nothing)(books, event)
        books.end()
    return books.settlement


class _Books:
    """The books in the hand while a run is applied."""

    def __init__(self, orders: Mapping[int, Order], commands: Mapping[int, int | None]) -> None:
        self.settlement = Settlement()
        self._orders = orders
        self._commands = commands
        self._decided: set[int] = set()
        self.execution: ChainedExecution
        self.assets: Assets

    def begin(self, execution: ChainedExecution, assets: Assets | None) -> None:
        self.execution = execution
        if assets is not None:
            self.assets = assets

    def end(self) -> None:
        """A command is decided by its last part, unless it was put aside or repeats one that was decided."""
        execution = self.execution
        command_id = execution.command_id
        if command_id is None or command_id not in self._commands or not execution.last or not execution.events:
            return
        final = execution.events[-1]
        if isinstance(final, Ignored | Parked) or command_id in self._decided:
            return
        self._decided.add(command_id)
        result = self._result(command_id, final)
        self.settlement.decided.append(
            Decided(result, execution.reply, execution.partition, execution.offset, execution.time_ms)
        )

    def _result(self, command_id: int, final: Event) -> Result:
        order_id = self._commands[command_id]
        if isinstance(final, Declined):
            return Result(command_id, str(final.reason), order_id)
        if order_id is None:
            return Result(command_id, str(final.__struct_config__.tag))
        return Result(command_id, self.order(order_id).state, order_id)

    def order(self, order_id: int) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise Mismatch(f"order {order_id} is not in the books")
        return order

    def touch(self, order_id: int) -> Order:
        """An order that this execution changes: it must not be done, and remembers the execution."""
        order = self.order(order_id)
        if order.state in DONE:
            raise Mismatch(f"order {order_id} is {order.state} and cannot change at seq {self.execution.seq}")
        order.seq, order.at_ms = self.execution.seq, self.execution.time_ms
        self.settlement.orders[order_id] = order
        return order

    def terms(self) -> Terms:
        terms = self.settlement.markets.setdefault(self.execution.market, Terms(self.execution.seq))
        terms.seq = self.execution.seq
        return terms

    def hold_asset(self, order: Order) -> str:
        return self.assets.quote if order.side == "buy" else self.assets.base

    def spend(self, order: Order, atoms: int) -> None:
        """A fill takes from what is held."""
        _take(order, atoms)
        self.settlement.wallets[order.user_id, self.hold_asset(order)].held -= atoms

    def release(self, order: Order, atoms: int) -> None:
        """What is no longer needed goes back to available."""
        if atoms:
            _take(order, atoms)
            wallet = self.settlement.wallets[order.user_id, self.hold_asset(order)]
            wallet.held -= atoms
            wallet.available += atoms

    def credit(self, user_id: int, asset: str, atoms: int) -> None:
        self.settlement.wallets[user_id, asset].available += atoms

    def finish(self, order: Order, state: str, reason: str | None = None) -> None:
        if order.held_remaining:
            raise Mismatch(f"order {order.order_id} is {state} and still holds {order.held_remaining}")
        order.state, order.reason = state, reason


def _take(order: Order, atoms: int) -> None:
    if not 0 <= atoms <= order.held_remaining:
        raise Mismatch(f"order {order.order_id} holds {order.held_remaining}, and {atoms} are taken from it")
    order.held_remaining -= atoms


def _nothing(books: _Books, event: Any) -> None:
    """An event that moves nothing in the books."""


def _rested(books: _Books, event: Rested) -> None:
    order = books.touch(event.order_id)
    order.state = "partially_filled" if order.filled_lots else "open"


def _traded(books: _Books, event: Traded) -> None:
    maker, taker = books.touch(event.maker_order_id), books.touch(event.taker_order_id)
    legs = _side(books, maker, event, event.maker_left_lots, event.maker_fee_atoms, 0)
    legs += _side(books, taker, event, event.taker_left_lots, event.taker_fee_atoms, event.taker_released_atoms)
    execution = books.execution
    books.settlement.trades.append(
        Trade(
            execution.market, execution.seq, event.trade_seq, "book", event.price_ticks, event.lots, event.quote_atoms,
            event.taker_side, taker.order_id, taker.user_id, event.taker_fee_atoms,
            maker.order_id, maker.user_id, event.maker_fee_atoms, execution.time_ms, legs,
        )
    )  # fmt: skip


def _side(books: _Books, order: Order, event: Traded, left: int | None, fee: int, released: int) -> tuple[Posting, ...]:
    """What one side of a trade gives and gets, as the legs say it; the fee is taken out of what it gets."""
    base, quote = books.assets.base, books.assets.quote
    if order.side == "buy":
        base_atoms, quote_atoms, received = event.base_atoms, -event.quote_atoms, base
        books.spend(order, event.quote_atoms)
        books.credit(order.user_id, base, base_atoms - fee)
    else:
        base_atoms, quote_atoms, received = -event.base_atoms, event.quote_atoms, quote
        books.spend(order, event.base_atoms)
        books.credit(order.user_id, quote, quote_atoms - fee)
    books.release(order, released)
    order.filled_lots += event.lots
    order.filled_quote_atoms += event.quote_atoms
    if left == 0:
        books.finish(order, "filled")
    else:
        order.state = "partially_filled"
    legs = (
        Posting("wallet", base, base_atoms, order.user_id, None, order.order_id, "trade"),
        Posting("wallet", quote, quote_atoms, order.user_id, None, order.order_id, "trade"),
    )
    return legs + _fee(books, order, received, fee) if fee else legs


def _fee(books: _Books, order: Order, asset: str, atoms: int) -> tuple[Posting, ...]:
    market = books.execution.market
    books.settlement.system["fees", market, asset] += atoms
    return (
        Posting("wallet", asset, -atoms, order.user_id, None, order.order_id, "fee"),
        Posting("fees", asset, atoms, None, market),
    )


def _filled(books: _Books, event: Filled) -> None:
    order = books.touch(event.order_id)
    books.release(order, event.released_atoms)
    books.finish(order, "filled")


def _canceled(books: _Books, event: Canceled) -> None:
    order = books.touch(event.order_id)
    books.release(order, event.released_atoms)
    books.finish(order, "canceled")


def _reduced(books: _Books, event: Reduced) -> None:
    order = books.touch(event.order_id)
    order.lots = event.total_lots
    books.release(order, event.released_atoms)


def _expired(books: _Books, event: Expired) -> None:
    order = books.touch(event.order_id)
    books.release(order, event.released_atoms)
    books.finish(order, "expired", str(event.reason))


def _rejected(books: _Books, event: Rejected) -> None:
    """A late repeat of an order that was accepted changes nothing; a purchase that was filled is pending still."""
    order = books.order(event.order_id)
    if order.state == "pending" and not order.filled_lots:
        books.touch(event.order_id)
        books.release(order, event.released_atoms)
        books.finish(order, "rejected", str(event.reason))


def _house_filled(books: _Books, event: HouseFilled) -> None:
    """The buyer pays at once; what he bought is pending until it was bought outside."""
    order, market = books.touch(event.order_id), books.execution.market
    base, quote = books.assets.base, books.assets.quote
    books.spend(order, event.quote_atoms)
    books.release(order, event.released_atoms)
    order.filled_lots, order.filled_quote_atoms = event.lots, event.quote_atoms
    books.settlement.wallets[order.user_id, base].pending += event.base_atoms
    books.settlement.system["house", market, quote] += event.quote_atoms
    books.settlement.system["house", market, base] -= event.base_atoms
    legs = (
        Posting("wallet", quote, -event.quote_atoms, user_id=order.user_id, order_id=order.order_id, type="purchase"),
        Posting("house", quote, event.quote_atoms, market=market),
        Posting("pending", base, event.base_atoms, user_id=order.user_id, order_id=order.order_id),
        Posting("house", base, -event.base_atoms, market=market),
    )
    execution = books.execution
    books.settlement.trades.append(
        Trade(
            market, execution.seq, event.trade_seq, "house", event.price_ticks, event.lots, event.quote_atoms,
            "buy", order.order_id, order.user_id, 0, None, None, 0, execution.time_ms, legs,
        )
    )  # fmt: skip


def _market_opened(books: _Books, event: MarketOpened) -> None:
    _market_changed(books, event)


def _market_changed(books: _Books, event: MarketChanged | MarketOpened) -> None:
    terms = books.terms()
    terms.status = event.status
    terms.maker_fee_bps, terms.taker_fee_bps = event.maker_fee_bps, event.taker_fee_bps
    terms.band_bps, terms.min_notional_atoms = event.band_bps, event.min_notional_atoms


def _rules_changed(books: _Books, _event: RulesChanged) -> None:
    books.terms()


def _price_listed(books: _Books, event: PriceListed) -> None:
    books.terms().house_price_ticks = event.price_ticks


APPLY: Mapping[type, Any] = {
    Rested: _rested,
    Traded: _traded,
    Filled: _filled,
    Canceled: _canceled,
    Reduced: _reduced,
    Expired: _expired,
    Rejected: _rejected,
    HouseFilled: _house_filled,
    MarketOpened: _market_opened,
    MarketChanged: _market_changed,
    RulesChanged: _rules_changed,
    PriceListed: _price_listed,
}
"""Events without a row move nothing."""
