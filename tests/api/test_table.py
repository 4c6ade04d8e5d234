"""The router against the table of routes: nothing is served that declares no policy, nothing declared is missing."""

import re

from aiohttp import web

from api.app import both
from api.routing import Policy
from api.table import ROUTES

PUBLIC = {
    ("GET", "/"), ("GET", "/live"), ("GET", "/ready"), ("GET", "/metrics"), ("GET", "/api/v1/time"),
    ("POST", "/api/v1/accounts/auth/register"), ("POST", "/api/v1/accounts/auth/login"),
    ("POST", "/api/v1/accounts/auth/refresh"), ("POST", "/api/v1/accounts/auth/logout"),
    ("GET", "/api/v1/currencies"), ("GET", "/api/v1/markets"),
    ("GET", "/api/v1/markets/{symbol}"), ("GET", "/api/v1/markets/{symbol}/orderbook"),
    ("GET", "/api/v1/markets/{symbol}/trades"), ("GET", "/api/v1/markets/{symbol}/ticker"),
    ("GET", "/api/v1/markets/{symbol}/candles"),
    ("GET", "/api/v1/exchanges/crypto-currencies"), ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/swagger"), ("GET", "/api/v1/swagger/{file}"),
    ("GET", "/api/v1/ws"), ("GET", "/api/v1/redoc"), ("GET", "/api/v1/redoc/{file}"),
}  # fmt: skip


def served(app: web.Application) -> set[tuple[str, str]]:
    return {(route.method, route.resource.canonical) for route in app.router.routes() if route.method != "HEAD"}


def test_the_router_serves_exactly_the_table(application_without_servers):
    declared = {(route.method, path) for route in ROUTES for path in both(route.plain_path)}
    assert served(application_without_servers) == declared


def test_every_route_declares_a_policy_and_a_sentence():
    for route in ROUTES:
        assert isinstance(route.policy, Policy), route.path
        assert re.fullmatch(r"[A-Z].*\.", route.summary), route.path


def test_what_is_public_is_known_by_heart():
    assert {(route.method, route.plain_path) for route in ROUTES if route.policy is Policy.PUBLIC} == PUBLIC


def test_no_route_is_declared_twice():
    names = [(route.method, route.plain_path) for route in ROUTES]
    assert len(set(names)) == len(names)
    assert len({route.name for route in ROUTES}) == len(ROUTES)
