"""The books in the hand while they are made again from the topics, by the very rules that the wallet agent follows.

Amounts may be below zero here for a while, because the topics have no common order; what is drained is final. An order
is kept until it is done and its command decided, so memory is the open orders, whatever the length of the journal.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

import ledger.replay.row_rules as made
from ledger.batch_rules import Batch, Outcome, Purchase, gather, lines_of, settle_fills
from ledger.postings import Posting
from ledger.replay.row_rules import Asked, Gathered, MarketRow, Rows
from ledger.settle_rules import settle
from ledger.settlement import DONE, Assets, Order, Settlement, Terms, Wallet
from schemas.batches import BatchRecord, Fill
from schemas.commands import BuyFromHouse, OpenMarket, PlaceOrder, ReduceOrder
from schemas.entries import AccountOpened, AdminMade, CurrencyAdded, Entry, Moved
from schemas.executions import ChainedExecution, Rejected

HOME_CURRENCY = "USD"
REMEMBERED = 1 << 18
"""How many numbers of a market the engine knows as repeats; what is behind those it rejects."""


class Kept(NamedTuple):
    """An order of the tables that is not done yet."""

    order: Order
    market: str
    command_id: int
    gathered: Gathered | None


class Repeats:
    """Which numbers of a market were seen among the latest."""

    __slots__ = ("_former", "_latest")

    def __init__(self) -> None:
        self._latest: set[int] = set()
        self._former: set[int] = set()

    def is_new(self, number: int) -> bool:
        """Whether it is seen for the first time; from now on it is known."""
        if number in self._latest or number in self._former:
            return False
        self._latest.add(number)
        if len(self._latest) > REMEMBERED:
            self._former, self._latest = self._latest, set()
        return True


class Remade:
    """All of the books that is not drained yet. `transfer_id` is the first that no entry has."""

    def __init__(self, transfer_id: int) -> None:
        self.rows: Rows = defaultdict(list)
        self.orders: dict[int, Order] = {}
        self.pending: dict[int, int | None] = {}
        self.wallets: dict[tuple[int, str], Wallet] = defaultdict(Wallet)
        self.system: dict[tuple[str, str, str], int] = defaultdict(int)
        self.batches: dict[str, Batch] = {}
        self.markets: dict[str, MarketRow] = {}
        self.terms: dict[str, Terms] = {}
        self.admins: set[int] = set()
        self.changed: dict[int, Order] = {}
        self.transfer_id = transfer_id
        self.trades = 0
        self.gathered: dict[int, Gathered] = {}
        self._placed: dict[int, Asked] = {}
        self._asked: dict[int, Asked] = {}
        self._command_of: dict[int, int] = {}
        self._lists: dict[str, list[int]] = defaultdict(list)
        self._repeats: dict[str, Repeats] = defaultdict(Repeats)
        self._assets: dict[str, Assets] = {}

    # What the tables have already.

    def know_market(self, row: MarketRow) -> None:
        self.markets[row.symbol] = row
        self._assets[row.symbol] = Assets(row.base, row.quote)

    def know_order(self, kept: Kept) -> None:
        order_id = kept.order.order_id
        self.orders[order_id] = kept.order
        self._command_of[order_id] = kept.command_id
        if kept.gathered is not None:
            self._join(order_id, kept.gathered)

    def know_command(self, command_id: int, order_id: int | None) -> None:
        """One that is undecided."""
        self.pending[command_id] = order_id

    # What the topics say.

    def enter(self, entry: Entry) -> None:
        """An account, a currency or a transfer over the border; each once."""
        match entry:
            case AccountOpened():
                self.rows["users"].append(made.user(entry))
                self.wallets.setdefault((entry.user_id, HOME_CURRENCY), Wallet())
                self.rows["idempotency_keys"] += made.customer_key(entry)
            case AdminMade():
                self.admins.add(entry.user_id)
            case CurrencyAdded():
                self.rows["currencies"].append(made.currency(entry))
            case _:
                self._moved(entry)

    def command(self, asked: Asked) -> None:
        """A command of the journal. A repeat, and one for a market that never was, change nothing."""
        command = asked.command
        if command.market not in self.markets:
            if not isinstance(command, OpenMarket) or (row := made.market(command, asked.partition)) is None:
                return
            self.know_market(row)
        if command.command_id in self.pending or not self._repeats[command.market].is_new(command.number):
            return
        self._asked[command.command_id] = asked
        self.pending[command.command_id] = getattr(command, "order_id", None)
        if type(command) is PlaceOrder or type(command) is BuyFromHouse:
            self._place(asked, command)
        elif isinstance(command, ReduceOrder) and command.key is not None:
            self.rows["idempotency_keys"].append(made.change_key(command, command.key))

    def execute(self, executions: Sequence[ChainedExecution]) -> None:
        """Executions in the order of each market."""
        known = list(map(self._concerning, executions))
        self._absorb(settle(known, self._assets, self.orders, self.pending))

    def gather(self, records: Sequence[BatchRecord]) -> None:
        """Batch events; the executions that they follow were applied before."""
        events = [(record.market, event) for record in records for event in record.events]
        wanted = [(line.order_id, market) for market, event in events for line in lines_of(event)]
        batches = self._batches(event.batch_id for _, event in events)
        self._take(gather(records, self._assets, self._purchases(wanted), batches))

    def fill(self, fills: Sequence[Fill]) -> None:
        """What the exchange said of batches that are closed by now."""
        wanted = [(order_id, fill.market) for fill in fills for order_id in self._lists.get(fill.batch_id, ())]
        batches = self._batches(fill.batch_id for fill in fills)
        self._take(settle_fills(fills, self._assets, self._purchases(wanted), batches))

    # What is final.

    def drain(self) -> Rows:
        """The rows that will not change any more."""
        drained, self.rows = self.rows, defaultdict(list)
        return drained

    def rest(self) -> Rows:
        """What is left once the topics are read: open orders, and commands that nobody has decided yet."""
        for order_id, asked in self._placed.items():
            self.rows["orders"].append(made.order(asked, self.orders[order_id], self.gathered.get(order_id)))
        self.rows["commands"] += [made.command(asked, None) for asked in self._asked.values()]
        return self.drain()

    def _moved(self, entry: Moved) -> None:
        legs = made.border_legs(entry)
        self.transfer_id = max(self.transfer_id, entry.transfer_id + 1)
        self._book(legs)
        self.rows["transfers"].append(made.border_transfer(entry))
        self.rows["postings"] += [made.posting(entry.transfer_id, leg) for leg in legs]
        self.rows["idempotency_keys"] += made.transfer_key(entry)

    def _book(self, legs: Iterable[Posting]) -> None:
        for leg in legs:
            if leg.user_id is None:
                self.system[leg.account, leg.market or "", leg.asset] += leg.amount
            else:
                self.wallets[leg.user_id, leg.asset].available += leg.amount

    def _place(self, asked: Asked, command: PlaceOrder | BuyFromHouse) -> None:
        """The hold was taken when the order was placed."""
        wallet = self.wallets[command.user_id, command.hold.asset]
        wallet.available -= command.hold.atoms
        wallet.held += command.hold.atoms
        self.orders[command.order_id] = made.pending_order(asked, command)
        self._placed[command.order_id] = asked
        self._command_of[command.order_id] = command.command_id
        self.rows["idempotency_keys"].append(made.order_key(command))

    def _concerning(self, execution: ChainedExecution) -> ChainedExecution:
        """Without late rejects of orders that are drained: they concern only an order that is still pending."""
        for event in execution.events:
            if type(event) is Rejected and event.order_id not in self.orders:
                break
        else:
            return execution
        left = [event for event in execution.events if type(event) is not Rejected or event.order_id in self.orders]
        return msgspec.structs.replace(execution, events=left)

    def _absorb(self, done: Settlement) -> None:
        self._add(done.wallets, done.system)
        self.trades += len(done.trades)
        for trade in done.trades:
            self.rows["trades"].append(made.trade(self.transfer_id, trade))
            self.rows["transfers"].append(made.trade_transfer(self.transfer_id, trade))
            self.rows["postings"] += [made.posting(self.transfer_id, leg) for leg in trade.legs]
            self.transfer_id += 1
        for decided in done.decided:
            command_id = decided.result.command_id
            order_id = self.pending.pop(command_id)
            asked = self._asked.pop(command_id, None)
            if asked is None:
                self.rows["decided"].append(made.decision(decided))
            else:
                self.rows["commands"].append(made.command(asked, decided))
            if order_id is not None and order_id not in done.orders:
                self._settle(order_id)
        for symbol, terms in done.markets.items():
            self.terms[symbol] = made.later_terms(self.terms.get(symbol), terms)
        for order_id in done.orders:
            self._settle(order_id)

    def _take(self, done: Outcome) -> None:
        self._add(done.wallets, done.system)
        self.batches |= done.batches
        for transfer in done.transfers:
            self.rows["transfers"].append(made.batch_transfer(self.transfer_id, transfer))
            self.rows["postings"] += [made.posting(self.transfer_id, leg) for leg in transfer.legs]
            self.transfer_id += 1
        for order_id, purchase in done.purchases.items():
            if purchase.at_ms and purchase.batch_id is not None and purchase.line is not None:
                order = self.orders[order_id]
                order.state, order.seq, order.at_ms = purchase.state, purchase.seq, purchase.at_ms
                self._join(order_id, Gathered(purchase.is_aggregated, purchase.batch_id, purchase.line))
                self._settle(order_id)

    def _add(self, wallets: dict[tuple[int, str], Wallet], system: dict[tuple[str, str, str], int]) -> None:
        for key, change in wallets.items():
            wallet = self.wallets[key]
            wallet.available += change.available
            wallet.held += change.held
            wallet.pending += change.pending
        for account, atoms in system.items():
            self.system[account] += atoms

    def _join(self, order_id: int, gathered: Gathered) -> None:
        former = self.gathered.get(order_id)
        self.gathered[order_id] = gathered
        if former is None:
            self._lists[gathered.batch_id].append(order_id)

    def _batches(self, batch_ids: Iterable[str]) -> dict[str, Batch]:
        return {batch_id: self.batches[batch_id] for batch_id in batch_ids if batch_id in self.batches}

    def _purchases(self, wanted: Iterable[tuple[int, str]]) -> dict[int, Purchase]:
        return {order_id: self._purchase(order_id, market) for order_id, market in wanted if order_id in self.orders}

    def _purchase(self, order_id: int, market: str) -> Purchase:
        order, gathered = self.orders[order_id], self.gathered.get(order_id)
        base_atoms = order.filled_lots * self.markets[market].lot_base_atoms
        purchase = Purchase(order_id, order.user_id, order.state, base_atoms, order.filled_quote_atoms, seq=order.seq)
        if gathered is not None:
            purchase.is_aggregated, purchase.batch_id, purchase.line = gathered
        return purchase

    def _settle(self, order_id: int) -> None:
        """Remembers that an order changed; one that is done, and whose command is decided, is final."""
        order = self.orders.get(order_id)
        if order is None:
            return
        is_final = order.state in DONE and self._command_of[order_id] not in self.pending
        asked = self._placed.get(order_id)
        if asked is None:
            self.changed[order_id] = order
        elif is_final:
            self.rows["orders"].append(made.order(asked, order, self.gathered.get(order_id)))
        if is_final:
            del self.orders[order_id], self._command_of[order_id]
            self._placed.pop(order_id, None)
            if asked is not None:
                self.gathered.pop(order_id, None)
