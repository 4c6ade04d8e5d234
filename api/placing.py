"""From a sound body to a definite answer: hold, journal, outcome.

Nothing is said to a client before Kafka has his command. What is not decided in time is 202 with the command to ask
for, never a guess.
"""

import dataclasses
import secrets
from collections.abc import Mapping
from typing import Any

from api import admission, idempotency, validation
from api.call import Call
from api.catalogue import Listed
from api.commanding import require_journal, send
from api.database import written
from ledger import commands
from ledger.hold_rules import NewOrder, Placed, Refused
from ledger.orders import Seen
from runtime.crashpoints import crashpoint
from runtime.telemetry import logs
from schemas.bodies.orders import NewExchangeOrder, NewPurchase
from schemas.errors import (
    FORBIDDEN,
    INSUFFICIENT_FUNDS,
    INVALID_FIELD,
    TOO_MANY_OPEN_ORDERS,
    TWO_KEYS,
    Refusal,
    not_found,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """An order as it is now, and whether its command was decided in time."""

    seen: Seen
    is_decided: bool

    @property
    def status(self) -> int:
        return 201 if self.is_decided else 202


@dataclasses.dataclass(frozen=True, slots=True)
class Draft:
    """An order that passed the door, and its market."""

    order: NewOrder
    listed: Listed


async def draft(call: Call, sent: Mapping[str, Any], key: str | None) -> Draft:
    """Every check that needs neither the hold nor the journal."""
    services = call.services
    if "crypto" in sent:
        if "market" in sent:
            raise Refusal(INVALID_FIELD, "market is for exchange orders; a purchase has crypto alone.", "market")
        wanted = validation.body(NewPurchase, sent)
        origin = await _origin(call, wanted, sent, key)
        listing = await services.catalogue.fresh()  # the price that is held is the price that is shown
        listed = listing.house_market(wanted.crypto, "crypto")
        return Draft(admission.purchase(wanted, listed, origin), listed)
    body = validation.body(NewExchangeOrder, sent)
    origin = await _origin(call, body, sent, key)
    listed = (await services.catalogue.with_market(body.market)).market(body.market, "market")
    needs_price = body.type == "market" or listed.market.band_bps
    reference = await services.prices.reference(listed) if needs_price else admission.Reference()
    return Draft(admission.exchange_order(body, listed, reference, services.settings.collar_bps, origin), listed)


async def _origin(
    call: Call, body: NewExchangeOrder | NewPurchase, sent: Mapping[str, Any], key: str | None
) -> admission.Origin:
    if key is not None and body.client_order_id is not None:
        raise Refusal(TWO_KEYS, "Give either Idempotency-Key or client_order_id, not both.", "client_order_id")
    name = key or body.client_order_id or f"tidemark-{secrets.token_hex(12)}"
    fingerprint = idempotency.digest("order", sent)
    if body.customer_id is None:
        return admission.Origin(call.user.id, None, name, fingerprint)
    if not call.user.is_admin:
        raise Refusal(FORBIDDEN, "customer_id is for admins, who order on behalf of a customer.", "customer_id")
    if await call.services.profiles.find(body.customer_id) is None:
        raise not_found("customer")
    return admission.Origin(body.customer_id, call.user.id, name, fingerprint)


async def place(call: Call, sent: Mapping[str, Any], key: str | None, wait_s: float) -> Outcome:
    """Places the order, or answers with the one that this key placed before."""
    require_journal(call)
    wanted = await draft(call, sent, key)
    placed = await call.services.holding.place(wanted.order)
    if isinstance(placed, Refused):
        raise _refusal(placed, wanted.order, "client_order_id" if key is None else idempotency.HEADER)
    crashpoint("api.after_hold")
    with logs.about(command_id=placed.command_id, market=wanted.order.market), written(placed.command_id):
        if placed.repeated:
            return await _present(call, placed, wait_s)
        reply = call.services.outcomes.reply
        record = commands.placing(wanted.order, placed, wanted.listed.market.partition, reply)
        is_decided = await send(call, [record], placed.command_id, wait_s)
        return await _outcome(call, placed, is_decided)


async def _present(call: Call, placed: Placed, wait_s: float) -> Outcome:
    """A retry: what the first one led to, waited for as the first one was. What was sent is not sent again here."""
    seen = await call.services.orders.get(placed.order_id)
    if seen.order.state != "pending":
        return Outcome(seen, is_decided=True)
    with call.services.outcomes.expect(placed.command_id) as expected:
        is_decided = await expected.within(wait_s)
    return await _outcome(call, placed, is_decided)


async def _outcome(call: Call, placed: Placed, is_decided: bool) -> Outcome:
    """The order as it is now; one that is not pending any more is decided, whoever told."""
    seen = await call.services.orders.get(placed.order_id)
    return Outcome(seen, is_decided or seen.order.state != "pending")


def _refusal(refused: Refused, order: NewOrder, key_field: str) -> Refusal:
    match refused:
        case Refused.IDEMPOTENCY_CONFLICT:
            return idempotency.conflict(key_field)
        case Refused.TOO_MANY_OPEN_ORDERS:
            return Refusal(TOO_MANY_OPEN_ORDERS, f"There are too many open orders in {order.market}; cancel some.")
    field = "amount" if order.lots is not None else "quote_amount"
    return Refusal(INSUFFICIENT_FUNDS, f"{field} needs more {order.hold_asset} than the wallet has available.", field)
