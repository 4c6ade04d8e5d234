"""What batches and fills do to the books: purchases go their way, and their crypto is delivered or refunded.

A purchase was paid for when the house sold it; here it is delivered whole or refunded whole. What the exchange bought
beyond that is the house's inventory, and what it charged the house owes it.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ledger.postings import Posting
from ledger.settlement import Assets, Mismatch, Wallet
from schemas.batches import BatchEvent, BatchRecord, Closed, Dissolved, Fill, Filled, Joined, Line

SETTLED = frozenset({"filled", "failed"})


class TooEarly(Exception):  # noqa: N818  -- a state of the world, not a fault
    """Another topic must reach the books first; the message says what is awaited."""


@dataclasses.dataclass(slots=True)
class Purchase:
    """The part of an order's row that batches read and change."""

    order_id: int
    user_id: int
    state: str
    base_atoms: int
    quote_atoms: int
    is_aggregated: bool = False
    batch_id: str | None = None
    line: int | None = None
    seq: int | None = None
    at_ms: int = 0


@dataclasses.dataclass(slots=True)
class Batch:
    """A row of `batches`."""

    batch_id: str
    market: str
    number: int
    lots: int
    notional_atoms: int
    topped_up_atoms: int
    state: str
    filled_atoms: int | None
    charged_asset: str | None
    charged_atoms: int | None
    exchange_order_id: str | None
    created_ms: int
    closed_ms: int | None
    settled_ms: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Transfer:
    """A row of `transfers`, and its legs."""

    kind: str
    market: str
    batch_id: str
    at_ms: int
    legs: tuple[Posting, ...]


@dataclasses.dataclass(slots=True)
class Outcome:
    """Everything that one transaction writes."""

    purchases: dict[int, Purchase]
    batches: dict[str, Batch]
    wallets: dict[tuple[int, str], Wallet] = dataclasses.field(default_factory=lambda: defaultdict(Wallet))
    system: dict[tuple[str, str, str], int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    transfers: list[Transfer] = dataclasses.field(default_factory=list)

    def book(self, transfer: Transfer) -> None:
        """Legs move what they name."""
        self.transfers.append(transfer)
        for leg in transfer.legs:
            if leg.user_id is None:
                self.system[leg.account, leg.market or "", leg.asset] += leg.amount
            elif leg.account == "pending":
                self.wallets[leg.user_id, leg.asset].pending += leg.amount
            else:
                self.wallets[leg.user_id, leg.asset].available += leg.amount


def check_reached(records: Iterable[BatchRecord], reached: Mapping[str, int]) -> None:
    """A batch record follows an execution, which the books must have."""
    for record in records:
        seq = reached.get(record.market, 0)
        if seq < record.follows:
            raise TooEarly(f"{record.market} is at {seq} in the books, its batches are at {record.follows}")


def lines_of(event: BatchEvent) -> Sequence[Line]:
    return (event.order,) if isinstance(event, Joined) else event.orders


def gather(
    records: Sequence[BatchRecord],
    assets: Mapping[str, Assets],
    purchases: Mapping[int, Purchase],
    batches: Mapping[str, Batch],
) -> Outcome:
    """The effect of batch events, in order. The rows are as locked, and are changed in place."""
    outcome = Outcome(dict(purchases), dict(batches))
    for record in records:
        for event in record.events:
            match event:
                case Joined():
                    _joined(outcome, record, event)
                case Closed():
                    _closed(outcome, record, event)
                case Dissolved():
                    _dissolved(outcome, record, event, assets[record.market])
    return outcome


def settle_fills(
    fills: Sequence[Fill],
    assets: Mapping[str, Assets],
    purchases: Mapping[int, Purchase],
    batches: Mapping[str, Batch],
) -> Outcome:
    """The effect of what the exchange said. A fill that comes again changes nothing; one that says otherwise than
    before is a Mismatch."""
    outcome = Outcome(dict(purchases), dict(batches))
    lists: dict[str, list[Purchase]] = defaultdict(list)
    for purchase in sorted(purchases.values(), key=lambda one: one.line or 0):
        lists[purchase.batch_id or ""].append(purchase)
    for fill in fills:
        batch = outcome.batches.get(fill.batch_id)
        if batch is None or batch.state == "open":
            raise TooEarly(f"batch {fill.batch_id} is not closed in the books")
        if batch.state in SETTLED:
            _check_repeat(batch, fill)
        else:
            _settle(outcome, batch, fill, lists[fill.batch_id], assets[batch.market])
    return outcome


def _step(purchase: Purchase, states: frozenset[str], state: str, at_ms: int) -> None:
    if purchase.state not in states:
        raise Mismatch(f"order {purchase.order_id} is {purchase.state} and cannot become {state}")
    purchase.state, purchase.at_ms = state, at_ms


def _purchase(outcome: Outcome, line: Line) -> Purchase:
    purchase = outcome.purchases.get(line.order_id)
    if purchase is None:
        raise Mismatch(f"order {line.order_id} of a batch is not in the books")
    said = (line.user_id, line.base_atoms, line.quote_atoms)
    if said != (purchase.user_id, purchase.base_atoms, purchase.quote_atoms):
        raise Mismatch(f"order {line.order_id} is otherwise in the books than in its batch")
    return purchase


WAITING = frozenset({"pending"})
GATHERED = frozenset({"pending", "aggregated"})
SENT = frozenset({"sent"})


def _joined(outcome: Outcome, record: BatchRecord, event: Joined) -> None:
    purchase = _purchase(outcome, event.order)
    _step(purchase, WAITING, "aggregated", record.time_ms)
    purchase.is_aggregated, purchase.batch_id, purchase.line = True, event.batch_id, event.line
    purchase.seq = record.follows
    batch = outcome.batches.get(event.batch_id)
    if batch is None:
        batch = outcome.batches[event.batch_id] = _new(record, event.batch_id, event.number, record.time_ms)
    batch.lots += event.order.lots
    batch.notional_atoms += event.order.quote_atoms


def _new(record: BatchRecord, batch_id: str, number: int, created_ms: int) -> Batch:
    return Batch(batch_id, record.market, number, 0, 0, 0, "open", None, None, None, None, created_ms, None, None)


def _take_batch(outcome: Outcome, record: BatchRecord, event: Closed | Dissolved, opened_ms: int) -> Batch:
    batch = outcome.batches.get(event.batch_id)
    if batch is None:
        batch = outcome.batches[event.batch_id] = _new(record, event.batch_id, event.number, opened_ms)
    if batch.state != "open":
        raise Mismatch(f"batch {event.batch_id} is {batch.state} and cannot be closed")
    batch.closed_ms = record.time_ms
    return batch


def _closed(outcome: Outcome, record: BatchRecord, event: Closed) -> None:
    batch = _take_batch(outcome, record, event, event.opened_ms)
    batch.state = "closed"
    batch.lots, batch.notional_atoms, batch.topped_up_atoms = event.lots, event.notional_atoms, event.topped_up_atoms
    for number, line in enumerate(event.orders, 1):
        purchase = _purchase(outcome, line)
        _step(purchase, GATHERED, "sent", record.time_ms)
        purchase.batch_id, purchase.line, purchase.seq = event.batch_id, number, record.follows


def _dissolved(outcome: Outcome, record: BatchRecord, event: Dissolved, assets: Assets) -> None:
    batch = _take_batch(outcome, record, event, record.time_ms)
    batch.state, batch.settled_ms = "failed", record.time_ms
    for line in event.orders:
        purchase = _purchase(outcome, line)
        _step(purchase, GATHERED, "refunded", record.time_ms)
        purchase.seq = record.follows
        outcome.book(_refund(batch, purchase, assets, record.time_ms))


def _settle(outcome: Outcome, batch: Batch, fill: Fill, purchases: Sequence[Purchase], assets: Assets) -> None:
    """In list order; the first that is not wholly covered, and all after it, are refunded in full."""
    bought = fill.base_atoms if isinstance(fill, Filled) else 0
    delivered = 0
    is_covered = True
    for purchase in purchases:
        is_covered = is_covered and delivered + purchase.base_atoms <= bought
        _step(purchase, SENT, "completed" if is_covered else "refunded", fill.time_ms)
        if is_covered:
            delivered += purchase.base_atoms
            outcome.book(_delivery(batch, purchase, assets, fill.time_ms))
        else:
            outcome.book(_refund(batch, purchase, assets, fill.time_ms))
    batch.settled_ms, batch.filled_atoms, batch.state = fill.time_ms, bought, "filled" if bought else "failed"
    if isinstance(fill, Filled):
        batch.charged_asset, batch.charged_atoms = fill.charged_asset, fill.charged_atoms
        batch.exchange_order_id = fill.exchange_order_id
        _bought(outcome, batch, fill, delivered, assets)


def _bought(outcome: Outcome, batch: Batch, fill: Filled, delivered: int, assets: Assets) -> None:
    """The exchange is owed what it charged and owes what it bought; the house sold the one and keeps the surplus."""
    amounts = (
        ("house", assets.base, delivered),
        ("inventory", assets.base, fill.base_atoms - delivered),
        ("exchange_payable", assets.base, -fill.base_atoms),
        ("house", fill.charged_asset, -fill.charged_atoms),
        ("exchange_payable", fill.charged_asset, fill.charged_atoms),
    )
    legs = tuple(Posting(account, asset, atoms, market=batch.market) for account, asset, atoms in amounts if atoms)
    if legs:
        outcome.book(Transfer("exchange", batch.market, batch.batch_id, fill.time_ms, legs))


def _delivery(batch: Batch, purchase: Purchase, assets: Assets, at_ms: int) -> Transfer:
    user_id, order_id = purchase.user_id, purchase.order_id
    legs = (
        Posting("pending", assets.base, -purchase.base_atoms, user_id=user_id, order_id=order_id),
        Posting("wallet", assets.base, purchase.base_atoms, user_id=user_id, order_id=order_id, type="purchase"),
    )
    return Transfer("delivery", batch.market, batch.batch_id, at_ms, legs)


def _refund(batch: Batch, purchase: Purchase, assets: Assets, at_ms: int) -> Transfer:
    user_id, order_id = purchase.user_id, purchase.order_id
    legs = (
        Posting("pending", assets.base, -purchase.base_atoms, user_id=user_id, order_id=order_id),
        Posting("house", assets.base, purchase.base_atoms, market=batch.market),
        Posting("wallet", assets.quote, purchase.quote_atoms, user_id=user_id, order_id=order_id, type="refund"),
        Posting("house", assets.quote, -purchase.quote_atoms, market=batch.market),
    )
    return Transfer("refund", batch.market, batch.batch_id, at_ms, legs)


def _check_repeat(batch: Batch, fill: Fill) -> None:
    said = (fill.base_atoms, fill.charged_asset, fill.charged_atoms) if isinstance(fill, Filled) else (0, None, None)
    known = (batch.filled_atoms or 0, batch.charged_asset, batch.charged_atoms)
    if said != known:
        raise Mismatch(f"batch {batch.batch_id} was settled with {known}, and now the exchange says {said}")


def wallets_of(buyers: Iterable[tuple[int, str]], assets: Mapping[str, Assets]) -> set[tuple[int, str]]:
    """The wallets to lock: both assets of each buyer's market."""
    return {(user, asset) for user, market in buyers for asset in (assets[market].base, assets[market].quote)}
