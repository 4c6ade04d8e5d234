"""The legs of every transfer that is not a trade: who gives, who gets. The legs of each sum to zero per asset.

Signs are seen from the owner of the account. The exchange's accounts for the outside world (`deposits`, `withdrawals`,
`adjustments`) are as negative as what came in through them.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

MAX_TOTAL_ATOMS = 1 << 62
"""No asset's total passes this, so a wallet and the sum of two fit a `bigint`."""
OUTSIDE = ("deposits", "withdrawals", "adjustments", "exchange_payable")
"""The accounts through which an asset comes and goes: its total is minus their sum, and minus what the house owes."""

TransactionType = Literal["deposit", "withdrawal", "purchase", "refund", "trade", "fee", "adjustment"]


class Posting(NamedTuple):
    """One leg. `user_id` is set for a `wallet` and its `pending`, and `type` for what the user sees of it."""

    account: str
    asset: str
    amount: int
    user_id: int | None = None
    market: str | None = None
    order_id: int | None = None
    type: TransactionType | None = None


def deposit(user_id: int, asset: str, amount: int) -> tuple[Posting, ...]:
    """Money comes in from outside."""
    return (
        Posting("wallet", asset, amount, user_id=user_id, type="deposit"),
        Posting("deposits", asset, -amount),
    )


def withdrawal(user_id: int, asset: str, amount: int) -> tuple[Posting, ...]:
    """Money goes out."""
    return (
        Posting("wallet", asset, -amount, user_id=user_id, type="withdrawal"),
        Posting("withdrawals", asset, amount),
    )


def adjustment(user_id: int, asset: str, amount: int) -> tuple[Posting, ...]:
    """An admin corrects a wallet, up or down; the note on the transfer says why."""
    return (
        Posting("wallet", asset, amount, user_id=user_id, type="adjustment"),
        Posting("adjustments", asset, -amount),
    )


def sums(postings: Iterable[Posting]) -> dict[str, int]:
    """What the legs of a transfer sum to, per asset, without the zeros: empty when the transfer is balanced."""
    total: Counter[str] = Counter()
    for posting in postings:
        total[posting.asset] += posting.amount
    return {asset: amount for asset, amount in total.items() if amount}
