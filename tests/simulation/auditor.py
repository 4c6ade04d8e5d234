"""The auditor: after every commit the books must be, to the atom, what its own books say; in the end, so must all else.

It sees what an outsider sees: rows, records and answers. It checks I1 to I15, in the words of decision note 0082.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.batches import decode_fill
from schemas.topics import BATCHES, EXECUTIONS, FILLS
from tests.ledger.memory.rows import Order
from tests.simulation.books import Books
from tests.simulation.broker import Record
from tests.simulation.clients import Said, Units
from tests.simulation.journal_audit import JournalAudit
from tests.simulation.own_books import DONE, OwnBooks, OwnOrder
from tests.simulation.violation import Violation

FULL_EVERY = 16
THRESHOLD_ATOMS = 1_000
Logs = Mapping[tuple[str, int], list[Record]]


class Auditor:
    """One run's."""

    def __init__(self, books: Books, journal: JournalAudit, units: Mapping[str, Units], logs: Logs) -> None:
        self.books = books
        self.journal = journal
        self.own = OwnBooks()
        self.commits = 0
        self._units = units
        self._assets: dict[int, str] = {}
        self._logs = logs
        self._batched: Counter[str] = Counter()
        self._filled: Counter[int] = Counter()
        self._seqs: Counter[tuple[int, str]] = Counter()
        self._transfers = self._postings = self._trades = 0
        self._wallet_sums: Counter[tuple[int, str]] = Counter()
        self._pending_sums: Counter[tuple[int, str]] = Counter()
        self._system_sums: Counter[tuple[str, str, str]] = Counter()
        self._keys: dict[tuple[int, str], int] = {}

    # --- at every commit ---

    def committed(self, what: str) -> None:
        self.commits += 1
        if what in ("command", "claim"):
            return
        self._new_orders()
        self._new_transfers()
        self._new_settlements()
        self._new_postings()
        self._wallets()
        self._trades_told()
        everything = self.commits % FULL_EVERY == 0
        self._orders(self.own.orders if everything else self.own.touched)
        self.own.touched.clear()

    def _new_orders(self) -> None:
        for order_id in range(len(self.own.orders) + 1, len(self.books.orders) + 1):
            row = self.books.orders[order_id]
            key, units = (row.user_id, row.client_order_id), self._units[row.market]
            own = OwnOrder(
                order_id, row.user_id, row.side, row.kind, row.price_ticks, row.lots, row.quote_atoms,
                units.lot_atoms, units.tick_lot_atoms,
            )  # fmt: skip
            if key in self._keys:
                raise Violation("I7", f"order {order_id} and another have the key {key[1]}")
            self._keys[key] = order_id
            self._assets[order_id] = units.quote if row.side == "buy" else units.base
            self.own.add(own)

    def _new_transfers(self) -> None:
        for transfer_id, request in self.books.asked[self._transfers :]:
            sign = -1 if request.kind == "withdrawal" else 1
            self.own.owned[request.user_id, request.asset] += sign * request.amount_atoms
            if (request.user_id, request.key) in self._keys:
                raise Violation("I7", f"transfer {transfer_id} uses the key {request.key} again")
            self._keys[request.user_id, request.key or ""] = transfer_id
        self._transfers = len(self.books.asked)

    def _new_settlements(self) -> None:
        for mark in self.books.watermarks:
            if mark.topic != EXECUTIONS.name:
                continue
            market, place = mark.market, (mark.partition, mark.market)
            settled, told = self._seqs[place], self.journal.told[market]
            if mark.seq < settled:
                raise Violation("I10", f"the watermark of {market} went back from {settled} to {mark.seq}")
            if mark.seq > len(told):
                raise Violation("I9", f"the books settled seq {mark.seq} of {market}, Kafka has {len(told)}")
            if mark.seq and mark.chain != told[mark.seq - 1].chain:
                raise Violation("I12", f"the watermark of {market} has another chain at seq {mark.seq}")
            for one in told[settled : mark.seq]:
                for event in one.events:
                    units = self._units[market]
                    self.own.follow(market, units.base, units.quote, event)
            self._seqs[place] = mark.seq
        self._new_batches()

    def _new_batches(self) -> None:
        for mark in self.books.watermarks:
            if mark.topic == BATCHES.name:
                told, units = self.journal.batches[mark.market], self._units[mark.market]
                for one in told[self._batched[mark.market] : mark.seq]:
                    for event in one.events:
                        self.own.gather(units.base, units.quote, event, THRESHOLD_ATOMS)
                self._batched[mark.market] = mark.seq
            elif mark.topic == FILLS.name:
                log = self._logs[FILLS.name, mark.partition]
                for record in log[self._filled[mark.partition] : mark.next_offset]:
                    fill = decode_fill(record.value)
                    units = self._units[fill.market]
                    self.own.fill(units.base, units.quote, fill)
                self._filled[mark.partition] = mark.next_offset

    def _new_postings(self) -> None:
        legs: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for leg in self.books.postings.after(self._postings):
            legs[leg.transfer_id][leg.asset] += leg.amount
            if leg.account == "wallet":
                self._wallet_sums[leg.user_id or 0, leg.asset] += leg.amount
            elif leg.account == "pending":
                self._pending_sums[leg.user_id or 0, leg.asset] += leg.amount
            else:
                self._system_sums[leg.account, leg.market or "", leg.asset] += leg.amount
        self._postings = len(self.books.postings)
        for transfer_id, sums in legs.items():
            if any(sums.values()):
                raise Violation("I3", f"the legs of transfer {transfer_id} sum to {dict(sums)}")

    def _wallets(self) -> None:
        held = self.own.held(self._assets)
        totals: Counter[str] = Counter()
        for account in self.books.system_accounts:
            totals[account.asset] += account.balance
        for wallet in self.books.wallets:
            totals[wallet.asset] += wallet.available + wallet.held + wallet.pending
            if min(wallet.available, wallet.held, wallet.pending) < 0:
                raise Violation("I2", f"negative: {wallet}")
        if drift := {asset: amount for asset, amount in totals.items() if amount}:
            raise Violation("I1", f"not zero: {drift}")
        for wallet in self.books.wallets:
            key = wallet.user_id, wallet.asset
            sums = self._wallet_sums[key], self._pending_sums[key]
            if (wallet.available + wallet.held, wallet.pending) != sums:
                raise Violation("I3", f"wallet {key} is {wallet}, its postings sum to {sums}")
            if wallet.held != held[key]:
                raise Violation("I4", f"wallet {key} holds {wallet.held}, its open orders need {held[key]}")
            owned = self.own.owned[key], self.own.pending[key]
            if (wallet.available + wallet.held, wallet.pending) != owned:
                raise Violation("I9", f"wallet {key} is {wallet}, by the journal {owned} are owned and pending")
        balances = {(one.account, one.market, one.asset): one.balance for one in self.books.system_accounts}
        for place in {**balances, **self._system_sums}:
            if balances.get(place, 0) != self._system_sums[place]:
                raise Violation("I3", f"account {place} is not the sum of its postings")

    def _trades_told(self) -> None:
        if len(self.books.trades) != len(self.own.trades):
            raise Violation("I9", f"the books have {len(self.books.trades)} trades, not {len(self.own.trades)}")
        for row in self.books.trades.after(self._trades):
            place = row.market, row.trade_seq
            told = (row.kind, row.price_ticks, row.lots, row.taker_order_id, row.maker_order_id)
            if told != self.own.trades.get(place):
                raise Violation("I9", f"trade {place} is {told}, not {self.own.trades.get(place)}")
        self._trades = len(self.books.trades)

    def _orders(self, ids: Iterable[int]) -> None:
        for order_id in ids:
            row, own = self.books.orders[order_id], self.own.orders[order_id]
            if row.held_remaining != own.need():
                raise Violation("I4", f"order {order_id} ({own.state}) holds {row.held_remaining}, needs {own.need()}")
            there = (row.state, row.lots, row.filled_lots, row.filled_quote_atoms)
            wanted = (own.state, own.lots, own.filled, own.filled_quote)
            if there != wanted:
                raise Violation("I8", f"order {order_id} is {there}, by the journal {wanted}")

    # --- in the end ---

    def finish(self, said: Iterable[Said], views: Mapping[str, Any]) -> None:
        """When everything is still."""
        self.committed("the end")
        self._orders(self.own.orders)
        self.journal.finish()
        for command in self.books.commands:
            if command.state != "decided":
                raise Violation("I14", f"command {command.id} ({command.kind}) was never decided")
            place = command.journal_partition, command.journal_offset
            if [place] != self.journal.deciding[command.id]:
                raise Violation("I5", f"command {command.id} is decided at {place}")
        for order in self.own.orders.values():
            if order.kind == "purchase" and order.state not in ("completed", "refunded", "rejected"):
                raise Violation("I15", f"purchase {order.order_id} is {order.state} for ever")
        self._promises(list(said))
        self._views(views)

    def _promises(self, said: list[Said]) -> None:
        by_key: dict[tuple[int, str], list[Said]] = defaultdict(list)
        for one in said:
            if one.verb in ("place", "transfer") and one.request.key:
                by_key[one.request.user_id, one.request.key].append(one)
        for key, requests in by_key.items():
            ids = {one.answer.order_id for one in requests if one.answer and one.answer.kind in ("done", "accepted")}
            there = self._keys.get(key)
            if ids and ids != {there}:
                raise Violation("I5", f"key {key} was answered with {ids}, the books have {there}")
            if there is not None and not ids and all(one.answer and one.answer.kind == "refused" for one in requests):
                raise Violation("I6", f"key {key} was refused, and the books have {there}")

    def _views(self, views: Mapping[str, Any]) -> None:
        for market, naive in self.journal.markets.items():
            if (view := views.get(market)) is None:
                raise Violation("I13", f"{market} has no view")
            depth: dict[str, Counter[int]] = {"buy": Counter(), "sell": Counter()}
            for order in naive.book:
                depth[order.side][order.price] += order.lots
            wanted = sorted(depth["buy"].items(), reverse=True), sorted(depth["sell"].items())
            shown = list(view.depth.bids), list(view.depth.asks)
            if shown != wanted or view.seq != len(self.journal.told[market]):
                raise Violation("I13", f"{market} is shown as {shown} at seq {view.seq}, not {wanted}")
            if shown[0] and shown[1] and shown[0][0][0] >= shown[1][0][0]:
                raise Violation("I11", f"the book of {market} is crossed: {shown[0][0]} over {shown[1][0]}")

    def answered(self, verb: str, answer: Any, order: Order | None) -> None:
        """Promise 3: a 201 or 200 says what the books say."""
        if order is None or answer.kind != "done":
            return
        if verb == "place" and order.state == "pending" and order.kind != "purchase":
            raise Violation("I5", f"order {order.id} was answered as decided and is pending")
        if verb == "cancel" and answer.detail == "canceled" and order.state not in DONE:
            raise Violation("I8", f"order {order.id} was answered as canceled and is {order.state}")
