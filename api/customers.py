"""Customers without a login, for whom admins order."""

from api import idempotency, numbers, paging, wallet
from api.call import Call
from api.catalogue import Listing
from api.database import written
from api.routing import Policy, Routes
from ledger import customers, reads
from ledger.accounts import HOME_CURRENCY
from ledger.transfer_rules import Refused
from schemas import money, times
from schemas.bodies.customers import Customer, NewCustomer
from schemas.bodies.pages import Page, PageQuery
from schemas.errors import AMOUNT_TOO_LARGE, IDEMPOTENCY_CONFLICT, NOT_FOUND, not_found

routes = Routes("customers")


@routes.post(
    "customers",
    Policy.ADMIN,
    body=NewCustomer,
    answer=Customer,
    status=201,
    idempotent=True,
    refusals=(AMOUNT_TOO_LARGE, IDEMPOTENCY_CONFLICT),
)
async def add(call: Call, body: NewCustomer) -> Customer:
    """Make a customer; the balance is an ordinary deposit."""
    listing = await call.services.catalogue.recent()
    with numbers.refusing():
        atoms = money.atoms(body.balance, listing.currency(HOME_CURRENCY, "balance").scale, "balance", lowest=0)
    request = customers.CustomerRequest(
        name=body.name,
        balance_atoms=atoms,
        requested_by=call.user.id,
        key=idempotency.key(call.request),
        digest=idempotency.digest("customer", call.sent),
    )
    async with call.services.database.connection() as connection:
        result = await customers.create_customer(connection, request)
        if isinstance(result, Refused):
            raise wallet.refusal(result, "balance")
        with written():
            row = await reads.customer(connection, result)
    if row is None:
        raise not_found("customer")
    return _shown(row, listing)


@routes.get("customers", Policy.ADMIN, query=PageQuery, answer=Page[Customer])
async def many(call: Call, query: PageQuery) -> dict[str, object]:
    """All customers, newest first."""
    async with call.services.database.connection() as connection:
        rows = await reads.customers(connection, paging.before(query), query.limit + 1)
    listing = await call.services.catalogue.recent()
    return paging.page(query, rows, lambda row: row.id, lambda row: _shown(row, listing))


@routes.get(r"customers/{customer_id:\d{1,19}}", Policy.ADMIN, answer=Customer, refusals=(NOT_FOUND,))
async def one(call: Call) -> Customer:
    """One customer."""
    async with call.services.database.connection() as connection:
        row = await reads.customer(connection, call.number("customer_id", "customer"))
    if row is None:
        raise not_found("customer")
    return _shown(row, await call.services.catalogue.recent())


def _shown(row: reads.Customer, listing: Listing) -> Customer:
    return Customer(
        id=row.id,
        name=row.name,
        balance=listing.amount(HOME_CURRENCY, row.available),
        created_at=times.text(row.created_at),
    )
