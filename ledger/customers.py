"""Customers without a login: a user with a name, and an ordinary deposit for what he begins with."""

import dataclasses

import asyncpg

from ledger import keys
from ledger.accounts import HOME_CURRENCY, NewUser, create_user
from ledger.connection import Connection
from ledger.keys import Key
from ledger.transfer_rules import Refused, TransferRequest
from ledger.transfers import post


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRequest:
    """Who wants which customer; `key` and `digest` as for transfers."""

    name: str
    balance_atoms: int
    requested_by: int
    key: str | None = None
    digest: str = ""


async def create_customer(connection: Connection, request: CustomerRequest) -> int | Refused:
    """The customer's id: of the one that this key made before, or of a new one. A refusal leaves no trace."""
    while True:
        transaction = connection.transaction()
        await transaction.start()
        try:
            result = await _create(connection, request)
        except asyncpg.UniqueViolationError:
            await transaction.rollback()  # a rival with this key was faster: look again, and see it
            continue
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if isinstance(result, Refused) else transaction.commit())
        return result


def _new_user(request: CustomerRequest) -> NewUser:
    return NewUser(name=request.name, requested_by=request.requested_by, key=request.key, digest=request.digest)


async def _create(connection: Connection, request: CustomerRequest) -> int | Refused:
    key = None
    if request.key is not None:
        key = Key(request.requested_by, request.key, request.digest)
        former = await keys.former_use(connection, key)
        if former is not None:
            same = former.subject == "user" and former.digest == request.digest
            return former.subject_id if same else Refused.IDEMPOTENCY_CONFLICT
    customer_id = await create_user(connection, _new_user(request))
    assert customer_id is not None, "only a username can be taken"
    if request.balance_atoms:
        deposited = await post(
            connection,
            TransferRequest(
                kind="deposit",
                user_id=customer_id,
                asset=HOME_CURRENCY,
                amount_atoms=request.balance_atoms,
                requested_by=request.requested_by,
            ),
        )
        if isinstance(deposited, Refused):
            return deposited
    if key is not None:
        await keys.keep(connection, key, "user", customer_id)
    return customer_id
