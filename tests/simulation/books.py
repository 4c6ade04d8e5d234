"""The books in memory: a twin of the tables, their constraints and their transactions, written by hand.

Only the pure rules are shared with the product. A transaction is one deed between two steps of the loop, as the row
locks make it in PostgreSQL; whether its commit was heard of is another matter (`Database`).
"""

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ledger import batch_rules, hold_rules, settle_rules, settlement, transfer_rules
from ledger.commands import command_of
from ledger.hold_rules import FormerOrder, NewOrder, Placed, SameAs
from ledger.postings import OUTSIDE, Posting
from ledger.settlement import Assets, Settlement, Trade
from ledger.transfer_rules import FormerUse, Repeat, TransferRequest, TransferState
from runtime.journal.errors import Unwell
from runtime.journal.sink import Run
from runtime.journal.watermark import Mark
from schemas.commands import Numbered
from schemas.executions import ChainedExecution
from schemas.topics import BATCHES, EXECUTIONS
from tests.simulation.loop import Process
from tests.simulation.weather import Weather

MAX_OPEN_ORDERS = 12
OPEN = {"pending", "open", "partially_filled", "aggregated", "sent"}
BORDER = {"deposit": "deposits", "withdrawal": "withdrawals", "adjustment": "adjustments"}
T = TypeVar("T")


class Away(Exception):  # noqa: N818  -- a state of the world
    """The database did not answer: what was asked for is done or is not."""


class Constraint(Exception):  # noqa: N818  -- named for what it is in the schema
    """What a CHECK of the schema says."""


@dataclasses.dataclass(slots=True)
class Wallet:
    available: int = 0
    held: int = 0
    pending: int = 0


@dataclasses.dataclass(slots=True)
class Order:
    """A row of orders."""

    new: NewOrder
    id: int
    command_id: int
    lots: int | None
    held_remaining: int
    state: str = "pending"
    reason: str | None = None
    filled_lots: int = 0
    filled_quote_atoms: int = 0
    seq: int | None = None
    is_aggregated: bool = False
    batch_id: str | None = None
    line: int | None = None

    @property
    def is_done(self) -> bool:
        return self.state not in OPEN


@dataclasses.dataclass(slots=True)
class Command:
    """A row of commands."""

    id: int
    market: str
    number: int
    kind: str
    user_id: int | None
    order_id: int | None
    arguments: str
    next_send_at: float
    state: str = "pending"
    outcome: str | None = None
    place: tuple[int, int] | None = None
    sends: int = 0


class Key(NamedTuple):
    digest: str
    subject: str
    subject_id: int


class Transfer(NamedTuple):
    """A row of transfers, with the request it came from when it crossed the border."""

    id: int
    kind: str
    request: TransferRequest | None = None


@dataclasses.dataclass
class Listed:
    """A row of markets."""

    symbol: str
    base: str
    quote: str
    partition: int
    lot_atoms: int
    number: int = 0
    terms: dict[str, Any] = dataclasses.field(default_factory=dict)


class Books:
    """All tables. A method is a transaction: it ends in `committed`, or raises and has changed nothing."""

    def __init__(self, users: Sequence[int], markets: Sequence[Listed]) -> None:
        self.assets = sorted({asset for market in markets for asset in (market.base, market.quote)})
        self.users = users
        self.markets = {market.symbol: market for market in markets}
        self.wallets: dict[tuple[int, str], Wallet] = defaultdict(Wallet)
        self.system: Counter[tuple[str, str, str]] = Counter()
        self.orders: dict[int, Order] = {}
        self.commands: dict[int, Command] = {}
        self.pending: dict[int, None] = {}
        self.keys: dict[tuple[int, str], Key] = {}
        self.transfers: list[Transfer] = []
        self.postings: list[tuple[int, Posting]] = []
        self.trades: dict[tuple[str, int], Trade] = {}
        self.marks: dict[tuple[str, int], dict[str, Mark]] = defaultdict(dict)
        self.batches: dict[str, batch_rules.Batch] = {}
        self.early = 0
        self.ids: Counter[str] = Counter()
        self.committed: Callable[[str], None] = lambda what: None

    def next_id(self, table: str) -> int:
        self.ids[table] += 1
        return self.ids[table]

    # --- what the API writes ---

    def place(self, orders: Sequence[NewOrder], now: float) -> list[Placed | hold_rules.Refused]:
        decisions = hold_rules.decide(orders, self._before(orders), MAX_OPEN_ORDERS)
        answers: list[Placed | hold_rules.Refused] = []
        for decision in decisions:
            if isinstance(decision, NewOrder):
                answers.append(self._hold(decision, now))
            elif isinstance(decision, SameAs):
                first = answers[decision.index]
                answers.append(Placed(first.order_id, first.command_id, repeated=True))
            else:
                answers.append(decision)
        self.committed("holds")
        return answers

    def _before(self, orders: Sequence[NewOrder]) -> hold_rules.Books:
        former = {}
        for order in orders:
            key = self.keys.get((order.owner, order.key))
            if key is not None:
                row = self.orders.get(key.subject_id) if key.subject == "order" else None
                ids = (row.id, row.command_id) if row is not None else (None, None)
                former[order.owner, order.key] = FormerOrder(key.digest, *ids)
        open_orders: Counter[tuple[int, str]] = Counter()
        for row in self.orders.values():
            if row.state in OPEN:
                open_orders[row.new.user_id, row.new.market] += 1
        return hold_rules.Books({key: w.available for key, w in self.wallets.items()}, open_orders, former)

    def _hold(self, new: NewOrder, now: float) -> Placed:
        wallet = self.wallets[new.user_id, new.hold_asset]
        if wallet.available < new.hold_atoms:
            raise Constraint("wallets_available")
        wallet.available -= new.hold_atoms
        wallet.held += new.hold_atoms
        order_id = self.next_id("orders")
        kind = "buy_from_house" if new.kind == "purchase" else "place_order"
        command = self._command(new.market, kind, {}, new.user_id, order_id, now)
        self.orders[order_id] = Order(new, order_id, command.id, new.lots, new.hold_atoms)
        self.keys[new.owner, new.key] = Key(new.digest, "order", order_id)
        return Placed(order_id, command.id, number=command.number)

    def _command(self, market: str, kind: str, arguments, user_id, order_id, now: float) -> Command:
        listed = self.markets[market]
        listed.number += 1
        row = Command(
            self.next_id("commands"), market, listed.number, kind, user_id, order_id, json.dumps(arguments), now + 3.0
        )
        self.commands[row.id] = row
        self.pending[row.id] = None
        return row

    def add_command(self, market: str, kind: str, arguments: Mapping[str, Any], user_id, order_id, now: float) -> int:
        row = self._command(market, kind, arguments, user_id, order_id, now)
        self.committed("command")
        return row.id

    def claim(self, now: float) -> list[int]:
        due = [self.commands[i] for i in self.pending if self.commands[i].next_send_at <= now]
        for row in due:
            row.sends += 1
            row.next_send_at = now + min(60.0, 2.0 * 2 ** min(row.sends - 1, 5))
        if due:
            self.committed("claim")
        return [row.id for row in due]

    def record(self, command_id: int) -> tuple[int, Numbered]:
        """A command's record, from its row and its order's."""
        row = self.commands[command_id]
        fields: dict[str, Any] = {name: getattr(row, name) for name in ("id", "market", "number", "kind", "user_id")}
        fields |= {"order_id": row.order_id, "arguments": row.arguments}
        order = self.orders.get(row.order_id or 0)
        if order is not None and order.command_id == row.id:
            new = order.new
            fields |= {
                "order_kind": new.kind, "side": new.side, "lots": order.lots, "quote_atoms": new.quote_atoms,
                "price_ticks": new.price_ticks, "time_in_force": new.time_in_force, "post_only": new.post_only,
                "self_trade": new.self_trade, "hold_asset": new.hold_asset, "hold_atoms": new.hold_atoms,
                "placed_by": new.placed_by, "client_order_id": new.key, "body_digest": new.digest,
            }  # fmt: skip
        return self.markets[row.market].partition, command_of(fields)

    def transfer(self, request: TransferRequest) -> int | transfer_rules.Refused:
        key = self.keys.get((request.requested_by, request.key or ""))
        former = FormerUse(subject=key.subject, subject_id=key.subject_id, digest=key.digest) if key else None
        accounts = [(account, amount) for (account, _, asset), amount in self.system.items() if asset == request.asset]
        total = -sum(amount for account, amount in accounts if account in OUTSIDE)
        total -= sum(min(amount, 0) for account, amount in accounts if account == "house")
        border = abs(self.system[BORDER[request.kind], "", request.asset])
        known = request.user_id in self.users and request.asset in self.assets
        available = self.wallets[request.user_id, request.asset].available if known else None
        state = TransferState(former_use=former, available=available, total=total, gross=border)
        decision = transfer_rules.decide(request, state)
        if isinstance(decision, transfer_rules.Refused):
            return decision
        if isinstance(decision, Repeat):
            return decision.transfer_id
        return self._post(request, decision)

    def _post(self, request: TransferRequest, legs: Sequence[Posting]) -> int:
        transfer_id = self.next_id("transfers")
        for leg in legs:
            if leg.account == "wallet":
                self.wallets[leg.user_id or 0, leg.asset].available += leg.amount
            else:
                self.system[leg.account, leg.market or "", leg.asset] += leg.amount
            self.postings.append((transfer_id, leg))
        self.transfers.append(Transfer(transfer_id, request.kind, request))
        if request.key is not None:
            self.keys[request.requested_by, request.key] = Key(request.digest, "transfer", transfer_id)
        self.committed("transfer")
        return transfer_id

    # --- what the wallet agent writes ---

    def settle(self, run: Run[ChainedExecution]) -> Settlement:
        """A run and its watermarks."""
        marks = self._hold_marks(run)
        done = self.decide([told.value for told in run.records])
        self._persist(done)
        marks.update(run.after)
        self.committed("settlement")
        return done

    def _hold_marks(self, run: Run[Any]) -> dict[str, Mark]:
        marks = self.marks[run.topic, run.partition]
        if {market: marks.get(market, Mark()) for market in run.before} != run.before:
            raise Unwell("another worker has moved the watermark")
        return marks

    def gather(self, run: Run[Any]) -> None:
        """A run of batches or fills and its watermarks."""
        marks, values = self._hold_marks(run), [told.value for told in run.records]
        if run.topic == BATCHES.name:
            places = (places.items() for (topic, _), places in self.marks.items() if topic == EXECUTIONS.name)
            batch_rules.check_reached(values, {market: mark.seq for some in places for market, mark in some})
            lines = [line for record in values for event in record.events for line in batch_rules.lines_of(event)]
            rows = [self.orders[line.order_id] for line in lines]
            decide: Any = batch_rules.gather
        else:
            ids = {fill.batch_id for fill in values}
            rows = [row for row in self.orders.values() if row.batch_id in ids]
            decide = batch_rules.settle_fills
        purchases = {row.id: self._as_purchase(row) for row in rows}
        batches = {batch_id: dataclasses.replace(batch) for batch_id, batch in self.batches.items()}
        self._persist_batches(decide(values, self._assets(), purchases, batches))
        marks.update(run.after)
        self.committed("batches")

    def _as_purchase(self, row: Order) -> batch_rules.Purchase:
        base_atoms = row.filled_lots * self.markets[row.new.market].lot_atoms
        return batch_rules.Purchase(
            row.id, row.new.user_id, row.state, base_atoms, row.filled_quote_atoms, row.is_aggregated, row.batch_id,
            row.line, row.seq,
        )  # fmt: skip

    def _persist_batches(self, done: batch_rules.Outcome) -> None:
        self._move(done.wallets, done.system)
        for purchase in done.purchases.values():
            if purchase.at_ms:
                row = self.orders[purchase.order_id]
                for name in ("state", "is_aggregated", "batch_id", "line", "seq"):
                    setattr(row, name, getattr(purchase, name))
        self.batches |= done.batches
        for transfer in done.transfers:
            transfer_id = self.next_id("transfers")
            self.transfers.append(Transfer(transfer_id, transfer.kind))
            self.postings += [(transfer_id, leg) for leg in transfer.legs]

    def _assets(self) -> dict[str, Assets]:
        return {name: Assets(market.base, market.quote) for name, market in self.markets.items()}

    def _move(self, wallets: Mapping[tuple[int, str], settlement.Wallet], system: Mapping[Any, int]) -> None:
        """All of it, or nothing where a wallet would be negative."""
        for key, change in wallets.items():
            before = self.wallets[key]
            after = (before.available + change.available, before.held + change.held, before.pending + change.pending)
            if min(after) < 0:
                raise Constraint(f"wallets of {key}: {after}")
        for key, change in wallets.items():
            wallet = self.wallets[key]
            wallet.available += change.available
            wallet.held += change.held
            wallet.pending += change.pending
        for account, amount in system.items():
            self.system[account] += amount

    def decide(self, executions: Sequence[ChainedExecution]) -> Settlement:
        assets = self._assets()
        ids = settle_rules.concerned(executions, assets)
        orders = {i: _as_fetched(self.orders[i]) for i in ids if i in self.orders}
        asked = [one.command_id for one in executions if one.command_id is not None and one.last]
        commands = {i: self.commands[i].order_id for i in asked if i in self.pending}
        return settle_rules.settle(executions, assets, orders, commands)

    def _persist(self, done: Settlement) -> None:
        for row in done.orders.values():
            _check(row, self.orders[row.order_id])
        for trade in done.trades:
            if (trade.market, trade.trade_seq) in self.trades:
                raise Constraint(f"trades_seq: {trade.market} {trade.trade_seq} is there")
        self._move(done.wallets, done.system)
        for row in done.orders.values():
            _write(row, self.orders[row.order_id])
        self._persist_trades(done.trades)
        for decided in done.decided:
            command = self.commands[decided.result.command_id]
            command.state, command.outcome = "decided", decided.result.outcome
            command.place = (decided.partition, decided.offset)
            del self.pending[command.id]
        for symbol, terms in done.markets.items():
            said = {name: value for name, value in dataclasses.asdict(terms).items() if value is not None}
            self.markets[symbol].terms |= said

    def _persist_trades(self, trades: Sequence[Trade]) -> None:
        for trade in trades:
            transfer_id = self.next_id("transfers")
            self.trades[trade.market, trade.trade_seq] = trade
            self.transfers.append(Transfer(transfer_id, "trade" if trade.kind == "book" else "purchase"))
            self.postings += [(transfer_id, leg) for leg in trade.legs]


def _as_fetched(row: Order) -> settlement.Order:
    return settlement.Order(
        row.id, row.new.user_id, row.new.side, row.state, row.lots, row.filled_lots, row.filled_quote_atoms,
        row.held_remaining, row.reason,
    )  # fmt: skip


def _check(after: settlement.Order, row: Order) -> None:
    """The constraints of the orders table."""
    if not 0 <= after.held_remaining <= row.new.hold_atoms:
        raise Constraint(f"orders_hold: order {row.id} holds {after.held_remaining}")
    if after.lots is not None and not 0 <= after.filled_lots <= after.lots:
        raise Constraint(f"orders_filled: order {row.id} of {after.lots} has {after.filled_lots}")
    if after.held_remaining and after.state in settlement.DONE:
        raise Constraint(f"orders_done_hold_nothing: order {row.id}")


def _write(after: settlement.Order, row: Order) -> None:
    for name in ("state", "reason", "lots", "filled_lots", "filled_quote_atoms", "held_remaining", "seq"):
        setattr(row, name, getattr(after, name))


class Database:
    """One process's connections. A commit that nobody heard of is `Away`, and the books know better."""

    def __init__(self, books: Books, process: Process, weather: Weather) -> None:
        self.books = books
        self._process = process
        self._weather = weather

    async def run(self, deed: Callable[[], T]) -> T:
        self._process.check()
        await self._weather.pause()
        if self._weather.happens(self._weather.database_refuses):
            raise Away("the transaction was rolled back")
        result = deed()
        await self._weather.pause()
        if self._weather.happens(self._weather.commit_unknown):
            raise Away("the connection broke around the commit")
        return result
