"""The caller's money: what he has, and moving it in and out."""

from api import idempotency, numbers, wallet_answers
from api.call import Call
from api.catalogue import Listing
from api.database import written
from api.routing import Policy, Routes
from ledger import transfers
from ledger.transfer_rules import Refused, TransferKind, TransferRequest
from schemas import money
from schemas.bodies.wallet import Move, Wallet
from schemas.errors import (
    AMOUNT_TOO_LARGE,
    FORBIDDEN,
    IDEMPOTENCY_CONFLICT,
    INSUFFICIENT_FUNDS,
    INTERNAL,
    UNKNOWN_ASSET,
    Refusal,
)

routes = Routes("wallet")


@routes.get("accounts/wallet", Policy.READ, answer=Wallet)
async def show(call: Call) -> Wallet:
    """What the caller has: available, held by open orders, and on its way."""
    return await _shown(call, await call.services.catalogue.recent())


@routes.patch(
    "accounts/wallet/deposit",
    Policy.TRADE,
    body=Move,
    answer=Wallet,
    idempotent=True,
    refusals=(UNKNOWN_ASSET, AMOUNT_TOO_LARGE, IDEMPOTENCY_CONFLICT, FORBIDDEN),
)
async def deposit(call: Call, body: Move) -> Wallet:
    """Put money in. In the sandbox everybody may; elsewhere only an admin."""
    if not (call.services.settings.sandbox or call.user.is_admin):
        raise Refusal(FORBIDDEN, "Deposits are made by an admin here.")
    return await _move(call, "deposit", body)


@routes.patch(
    "accounts/wallet/withdraw",
    Policy.WITHDRAW,
    body=Move,
    answer=Wallet,
    idempotent=True,
    refusals=(UNKNOWN_ASSET, INSUFFICIENT_FUNDS, IDEMPOTENCY_CONFLICT),
)
async def withdraw(call: Call, body: Move) -> Wallet:
    """Take money out, as far as it is available."""
    return await _move(call, "withdrawal", body)


async def _move(call: Call, kind: TransferKind, body: Move) -> Wallet:
    listing = await call.services.catalogue.with_currency(body.asset)
    currency = listing.currency(body.asset, "asset")
    with numbers.refusing():
        amount_atoms = money.atoms(body.amount, currency.scale, "amount")
    request = TransferRequest(
        kind=kind,
        user_id=call.user.id,
        asset=body.asset,
        amount_atoms=amount_atoms,
        requested_by=call.user.id,
        key=idempotency.key(call.request),
        digest=idempotency.digest(kind, call.sent),
    )
    async with call.services.database.connection() as connection:
        result = await transfers.transfer(connection, request)
    if isinstance(result, Refused):
        raise refusal(result)
    call.services.updates.touch([(call.user.id, None)])
    with written():
        return await _shown(call, listing)


def refusal(refused: Refused, field: str = "amount") -> Refusal:
    """Why a transfer was not made, in words."""
    match refused:
        case Refused.IDEMPOTENCY_CONFLICT:
            return idempotency.conflict(idempotency.HEADER)
        case Refused.INSUFFICIENT_FUNDS:
            return Refusal(INSUFFICIENT_FUNDS, f"{field} is more than the wallet has available.", field)
        case Refused.AMOUNT_TOO_LARGE:
            return Refusal(AMOUNT_TOO_LARGE, f"{field} would take the asset past what the books can count.", field)
    return Refusal(INTERNAL, "The books do not know this wallet.")


async def _shown(call: Call, listing: Listing) -> Wallet:
    return wallet_answers.answer(await call.services.wallets.find(call.user.id) or (), listing)
