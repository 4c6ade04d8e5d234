"""Deposits, withdrawals and adjustments in the books: fetch, decide, persist, in one transaction with the outbox."""

import dataclasses

import asyncpg

from ledger.connection import Connection
from ledger.postings import OUTSIDE, Posting
from ledger.queries import query
from ledger.transfer_rules import FormerUse, Refused, Repeat, TransferRequest, TransferState, decide

BORDER = {"deposit": "deposits", "withdrawal": "withdrawals", "adjustment": "adjustments"}


@dataclasses.dataclass(frozen=True, slots=True)
class Transferred:
    """The transfer that the request is answered with; `repeated` when it was there before."""

    transfer_id: int
    repeated: bool = False


async def transfer(connection: Connection, request: TransferRequest) -> Transferred | Refused:
    """Does it once, whoever asks how often. A refusal leaves no trace."""
    while True:
        transaction = connection.transaction()
        await transaction.start()
        try:
            result = await post(connection, request)
        except asyncpg.UniqueViolationError:
            await transaction.rollback()  # a rival with this key or signature was faster: look again, and see it
            continue
        except BaseException:
            await transaction.rollback()
            raise
        if isinstance(result, Refused):
            await transaction.rollback()
        else:
            await transaction.commit()
        return result


async def post(connection: Connection, request: TransferRequest) -> Transferred | Refused:
    """The same inside a transaction of the caller, who rolls back when it is refused."""
    decision = decide(request, await _fetch(connection, request))
    match decision:
        case Refused():
            return decision
        case Repeat(transfer_id):
            return Transferred(transfer_id, repeated=True)
        case postings:
            return Transferred(await _persist(connection, request, postings))


async def _fetch(connection: Connection, request: TransferRequest) -> TransferState:
    available = await connection.fetchval(query("transfers.lock_wallet"), request.user_id, request.asset)
    border = await connection.fetchval(query("transfers.lock_border"), BORDER[request.kind], request.asset)
    row = await connection.fetchrow(
        query("transfers.state"), request.requested_by, request.key, request.asset, request.signature, list(OUTSIDE)
    )
    assert row is not None, "one row is joined to"
    return TransferState(
        former_use=None
        if row["subject"] is None
        else FormerUse(subject=row["subject"], subject_id=row["subject_id"], digest=row["digest"]),
        signature_seen=row["signature_seen"],
        available=available,
        total=row["total"],
        gross=abs(border or 0),
    )


async def _persist(connection: Connection, request: TransferRequest, postings: tuple[Posting, ...]) -> int:
    transfer_id: int = await connection.fetchval(
        query("transfers.post"),
        request.kind,
        request.requested_by,
        request.key,
        request.note,
        [leg.account for leg in postings],
        [leg.asset for leg in postings],
        [leg.amount for leg in postings],
        [leg.user_id for leg in postings],
        [leg.type for leg in postings],
        request.digest,
        request.signature,
    )
    return transfer_id
