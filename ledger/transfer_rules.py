"""What becomes of a deposit, a withdrawal or an adjustment: decided here, from what was fetched, by the first rule
that applies. The key comes before every rule of business: a repeat is answered, even when it could not be done today.
Only a signature seen before comes first, because whoever sends it again need not be its owner.
"""

import dataclasses
import enum
from typing import Literal

from ledger.postings import MAX_TOTAL_ATOMS, Posting, adjustment, deposit, withdrawal

TransferKind = Literal["deposit", "withdrawal", "adjustment"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransferRequest:
    """A wish to move money over the border. `digest` is of the body as it was sent, `key` the client's own name."""

    kind: TransferKind
    user_id: int
    asset: str
    amount_atoms: int
    requested_by: int
    key: str | None = None
    digest: str = ""
    note: str | None = None
    signature: bytes | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FormerUse:
    """What a key was used for before."""

    subject: str
    subject_id: int
    digest: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TransferState:
    """What the books say before the transfer. `available` is None where there is no such user or asset; `total` is
    what all own of the asset, `gross` the largest sum that has passed over one side of the border."""

    former_use: FormerUse | None = None
    signature_seen: bool = False
    available: int | None
    total: int
    gross: int


class Refused(enum.Enum):
    """Why not, in order: the first that applies is the answer."""

    REPLAYED = "replayed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    UNKNOWN_WALLET = "unknown_wallet"
    NOT_POSITIVE = "not_positive"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    AMOUNT_TOO_LARGE = "amount_too_large"


@dataclasses.dataclass(frozen=True, slots=True)
class Repeat:
    """The key was used for this very transfer before; nothing moves."""

    transfer_id: int


Decision = tuple[Posting, ...] | Repeat | Refused


def decide(request: TransferRequest, state: TransferState) -> Decision:
    """The legs to post, or the answer without them."""
    if state.signature_seen:
        return Refused.REPLAYED
    if state.former_use is not None:
        return _repeat(request, state.former_use)
    if state.available is None:
        return Refused.UNKNOWN_WALLET
    if request.amount_atoms == 0 or (request.amount_atoms < 0 and request.kind != "adjustment"):
        return Refused.NOT_POSITIVE
    gained = -request.amount_atoms if request.kind == "withdrawal" else request.amount_atoms
    if state.available + gained < 0:
        return Refused.INSUFFICIENT_FUNDS
    if gained > 0 and state.total + gained > MAX_TOTAL_ATOMS:
        return Refused.AMOUNT_TOO_LARGE
    if state.gross + abs(gained) >= 2 * MAX_TOTAL_ATOMS:
        return Refused.AMOUNT_TOO_LARGE
    return LEGS[request.kind](request.user_id, request.asset, request.amount_atoms)


LEGS = {"deposit": deposit, "withdrawal": withdrawal, "adjustment": adjustment}


def _repeat(request: TransferRequest, former: FormerUse) -> Repeat | Refused:
    """A key belongs to one body for ever, and to orders and transfers alike."""
    if former.subject != "transfer" or former.digest != request.digest:
        return Refused.IDEMPOTENCY_CONFLICT
    return Repeat(former.subject_id)
