"""Every movement of the caller's money, one line each."""

from api import paging
from api.call import Call
from api.catalogue import Listing
from api.routing import Policy, Routes
from ledger import reads
from schemas import times
from schemas.bodies.pages import Page, PageQuery
from schemas.bodies.wallet import Transaction
from schemas.errors import NOT_FOUND, not_found

routes = Routes("transactions")


@routes.get("transactions", Policy.READ, query=PageQuery, answer=Page[Transaction])
async def many(call: Call, query: PageQuery) -> dict[str, object]:
    """The caller's movements, newest first."""
    async with call.services.database.connection() as connection:
        rows = await reads.transactions(connection, call.user.id, paging.before(query), query.limit + 1)
    listing = await call.services.catalogue.recent()
    return paging.page(query, rows, lambda row: row.id, lambda row: _shown(row, listing))


@routes.get(r"transactions/{transaction_id:\d{1,19}}", Policy.READ, answer=Transaction, refusals=(NOT_FOUND,))
async def one(call: Call) -> Transaction:
    """One of the caller's movements."""
    async with call.services.database.connection() as connection:
        row = await reads.transaction(connection, call.user.id, call.number("transaction_id", "transaction"))
    if row is None:
        raise not_found("transaction")
    return _shown(row, await call.services.catalogue.recent())


def _shown(row: reads.Transaction, listing: Listing) -> Transaction:
    return Transaction.model_construct(
        id=row.id,
        type=row.type,
        asset=row.asset,
        amount=listing.amount(row.asset, row.amount),
        order_id=row.order_id,
        created_at=times.text(row.created_at),
    )
