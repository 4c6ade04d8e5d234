"""What can be owned here."""

from api.call import Call
from api.routing import Policy, Routes
from ledger import listings
from schemas.bodies.markets import Currency, NewCurrency
from schemas.errors import ALREADY_EXISTS, Refusal

routes = Routes("currencies")


@routes.get("currencies", Policy.PUBLIC, answer=list[Currency])
async def many(call: Call) -> list[Currency]:
    """Every currency, by its code."""
    listing = await call.services.catalogue.fresh()
    return [Currency(code=each.code, name=each.name, scale=each.scale) for each in listing.currencies.values()]


@routes.post("currencies", Policy.ADMIN, body=NewCurrency, answer=Currency, status=201, refusals=(ALREADY_EXISTS,))
async def add(call: Call, body: NewCurrency) -> Currency:
    """Make a currency; its scale is fixed for life."""
    async with call.services.database.transaction() as connection:
        if not await listings.add_currency(connection, body.code, body.name, body.scale):
            raise Refusal(ALREADY_EXISTS, f"code is {body.code}, and there is such a currency already.", "code")
        await call.audit(connection, "add_currency", body.code)
    return Currency(code=body.code, name=body.name, scale=body.scale)
