"""Every route there is, noun by noun: what is not in this table is not served, not documented and not tested."""

from api import accounts, health, pages
from api.routing import Route

ROUTES: tuple[Route, ...] = (*pages.routes, *health.routes, *health.clock, *accounts.routes)
