"""Every route there is, noun by noun: what is not in this table is not served, not documented and not tested."""

from api import (
    accounts,
    commands,
    currencies,
    customers,
    documentation,
    health,
    market_admin,
    markets,
    order_changes,
    orderbook,
    orders,
    pages,
    stats,
    transactions,
    wallet,
)
from api.routing import Route

ROUTES: tuple[Route, ...] = (
    *pages.routes,
    *health.routes,
    *health.clock,
    *accounts.routes,
    *stats.routes,
    *wallet.routes,
    *transactions.routes,
    *currencies.routes,
    *markets.routes,
    *market_admin.routes,
    *orderbook.routes,
    *orders.routes,
    *order_changes.routes,
    *commands.routes,
    *customers.routes,
    *documentation.routes,
)
