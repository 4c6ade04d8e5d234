"""Batches of purchases and the house's account of each, for admins."""

from typing import Any

from api import paging
from api.call import Call
from api.routing import Policy, Routes
from ledger import batch_reads
from ledger.batch_reads import SeenBatch
from schemas import times
from schemas.bodies.batches import Batch
from schemas.bodies.pages import Page, PageQuery
from schemas.errors import NOT_FOUND, not_found
from schemas.money import money_text, quantity_text

routes = Routes("exchanges")


@routes.get("exchanges/batches", Policy.ADMIN, query=PageQuery, answer=Page[Batch])
async def many(call: Call, query: PageQuery) -> dict[str, object]:
    """All batches, newest first."""
    async with call.services.database.connection() as connection:
        rows = await batch_reads.batches(connection, paging.before_place(query), query.limit + 1)
    return paging.page(query, rows, lambda row: row.place, shown)


@routes.get(r"exchanges/batches/{batch_id:[A-Z0-9-]{1,40}}", Policy.ADMIN, answer=Batch, refusals=(NOT_FOUND,))
async def one(call: Call) -> Batch:
    """One batch."""
    async with call.services.database.connection() as connection:
        row = await batch_reads.batch(connection, call.request.match_info["batch_id"])
    if row is None:
        raise not_found("batch")
    return shown(row)


def shown(row: SeenBatch) -> Batch:
    """A batch as operators see it, here and on the command line."""
    return Batch.model_construct(
        id=row.id,
        crypto=row.base,
        market=row.market,
        amount=quantity_text(row.base_atoms, row.base_scale),
        notional=money_text(row.notional_atoms, row.quote_scale),
        topped_up=money_text(row.topped_up_atoms, row.quote_scale),
        state=row.state,
        orders=row.orders,
        attempts=row.attempts,
        last_error=row.last_error,
        resolved_by=row.resolved_by,
        exchange_order_id=row.exchange_order_id,
        **_account(row),
        created_at=times.text(row.created_at),
        closed_at=None if row.closed_at is None else times.text(row.closed_at),
        settled_at=None if row.settled_at is None else times.text(row.settled_at),
    )


def _account(row: SeenBatch) -> dict[str, Any]:
    """Nothing before the exchange's word. A batch that bought nothing was charged nothing, and paid back."""
    names = ("charged", "charged_asset", "paid", "gain", "bought", "delivered", "inventory")
    if row.settled_at is None:
        return dict.fromkeys(names)
    filled, charged = row.filled_atoms or 0, row.charged_atoms or 0
    money = (charged, row.paid_atoms, row.paid_atoms - charged)
    charged_text, paid, gain = (money_text(atoms, row.quote_scale) for atoms in money)
    crypto = (filled, row.delivered_atoms, filled - row.delivered_atoms)
    bought, delivered, inventory = (quantity_text(atoms, row.base_scale) for atoms in crypto)
    return dict(zip(names, (charged_text, row.quote, paid, gain, bought, delivered, inventory), strict=True))
