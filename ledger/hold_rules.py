"""Which orders of a batch may be placed, and what they hold: decided together, in the order in which they came.

The key comes before every rule of business, so a retry is answered even when the money has gone. One bad order fails
alone: the ones behind it see the wallet as if it had not been there.
"""

import dataclasses
import enum
from collections import Counter
from collections.abc import Iterable, Mapping

WalletKey = tuple[int, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order that passed the door. `key` is its client_order_id, in the name space of whoever placed it."""

    user_id: int
    placed_by: int | None = None
    market: str
    kind: str
    side: str
    time_in_force: str | None = None
    post_only: bool = False
    self_trade: str | None = None
    lots: int | None = None
    quote_atoms: int | None = None
    price_ticks: int
    hold_asset: str
    hold_atoms: int
    key: str
    digest: str

    @property
    def owner(self) -> int:
        """In whose name space the key is."""
        return self.user_id if self.placed_by is None else self.placed_by


@dataclasses.dataclass(frozen=True, slots=True)
class FormerOrder:
    """What a key was used for before; `command_id` and `order_id` are None when it was no order."""

    digest: str
    order_id: int | None
    command_id: int | None


class Refused(enum.Enum):
    """Why not, in order: the first that applies is the answer."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    INSUFFICIENT_FUNDS = "insufficient_funds"


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """The order and the command that a request is answered with; `repeated` when they were there before.

    `number` is the command's in its market, for whoever placed it now and sends it to the journal.
    """

    order_id: int
    command_id: int
    repeated: bool = False
    number: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class SameAs:
    """The same key and body stand earlier in this very batch, at this index."""

    index: int


@dataclasses.dataclass(frozen=True, slots=True)
class Books:
    """What the books say before the batch. A wallet that is not there is empty."""

    available: Mapping[WalletKey, int]
    open_orders: Mapping[tuple[int, str], int]
    former: Mapping[tuple[int, str], FormerOrder]


Decision = NewOrder | Placed | SameAs | Refused


def decide(orders: Iterable[NewOrder], books: Books, max_open_orders: int) -> list[Decision]:
    """Per order: itself when it is to be placed, else the answer without it."""
    available: Counter[WalletKey] = Counter(books.available)
    open_orders: Counter[tuple[int, str]] = Counter(books.open_orders)
    seen: dict[tuple[int, str], int] = {}
    decisions: list[Decision] = []
    for index, order in enumerate(orders):
        name = (order.owner, order.key)
        if name in seen:
            decision = _same(order, decisions[seen[name]], seen[name])
        else:
            decision = _decide(order, books, available, open_orders, max_open_orders)
        if isinstance(decision, NewOrder):
            seen[name] = index
            available[order.user_id, order.hold_asset] -= order.hold_atoms
            open_orders[order.user_id, order.market] += 1
        decisions.append(decision)
    return decisions


def _same(order: NewOrder, first: Decision, index: int) -> Decision:
    """The key was used earlier in this batch."""
    same = isinstance(first, NewOrder) and first.digest == order.digest
    return SameAs(index) if same else Refused.IDEMPOTENCY_CONFLICT


def _decide(
    order: NewOrder,
    books: Books,
    available: Mapping[WalletKey, int],
    open_orders: Mapping[tuple[int, str], int],
    max_open_orders: int,
) -> Decision:
    former = books.former.get((order.owner, order.key))
    if former is not None:
        if former.order_id is None or former.command_id is None or former.digest != order.digest:
            return Refused.IDEMPOTENCY_CONFLICT
        return Placed(former.order_id, former.command_id, repeated=True)
    if open_orders[order.user_id, order.market] >= max_open_orders:
        return Refused.TOO_MANY_OPEN_ORDERS
    if available[order.user_id, order.hold_asset] < order.hold_atoms:
        return Refused.INSUFFICIENT_FUNDS
    return order
