"""A door that is really open: the API's own server on a free port, in front of the real servers, and a client.

The tests of one file share one name space and one open door; each makes users of its own.
"""

import contextlib
import dataclasses
import json
import secrets
import types
import typing
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from api import parts
from api.app import application
from api.server import listening
from api.services import Services
from api.table import ROUTES
from ledger import listings
from ledger.connection import books
from ledger.migrate import migrate
from runtime import kafka
from runtime.settings import Settings
from schemas import money
from schemas.topics import CHANGELOGS, TOPICS

SECRET = "a secret of the tests that is long enough for HS256"


@dataclasses.dataclass(frozen=True)
class Answered:
    """An answer, whole: status, body as the client sees it, headers."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Client:
    """Speaks HTTP to one API instance, as one user or as nobody."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str | None = None) -> None:
        self.session = session
        self.base = base
        self.token = token

    def as_user(self, token: str) -> "Client":
        return Client(self.session, self.base, token)

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answered:
        headers = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **options.pop("headers", {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = self.base + (path if path.startswith("/") else f"/api/v1/{path}")
        async with self.session.request(
            method, url, data=data, headers=headers, allow_redirects=False, **options
        ) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            parsed = json.loads(text, parse_float=str) if is_json and text else text or None
            return Answered(response.status, parsed, response.headers)

    async def get(self, path: str, **options: Any) -> Answered:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answered:
        return await self.call("POST", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> Answered:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Answered:
        return await self.call("DELETE", path, **options)

    async def register(self, username: str, password: str = "correct horse") -> "Client":
        answer = await self.post("accounts/auth/register/", {"username": username, "password": password})
        assert answer.status == 201, answer
        return self.as_user(answer.body["access"])


@dataclasses.dataclass(frozen=True)
class Door:
    """One API instance."""

    services: Services
    client: Client


@contextlib.asynccontextmanager
async def open_door(settings: Settings) -> AsyncIterator[Door]:
    async with (
        parts.services(settings) as services,
        listening(services, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Door(services, Client(session, f"http://127.0.0.1:{port}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings_of_door(servers: Settings) -> AsyncIterator[Settings]:
    """A migrated schema and a name space for the tests of one file."""
    settings = dataclasses.replace(
        servers, namespace=f"t{secrets.token_hex(6)}", jwt_secret_key=SECRET, secret_key=SECRET
    )
    await migrate(settings)
    try:
        yield settings
    finally:
        async with books(settings) as connection:
            await connection.execute(f'drop schema "{settings.postgres_schema}" cascade')
        await kafka.delete_topics(settings, [settings.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(settings_of_door: Settings) -> AsyncIterator[Door]:
    async with open_door(settings_of_door) as opened:
        yield opened


@pytest.fixture
def client(door: Door) -> Client:
    return door.client


@pytest.fixture
def application_without_servers() -> web.Application:
    """The application as it is served, behind which nothing is; for tests that only read its router."""
    services = typing.cast("Services", types.SimpleNamespace(settings=Settings(home=Path("unused"))))
    return application(services, ROUTES)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(door: Door) -> Client:
    """A user whom the books know as an admin."""
    user = await door.client.register("an-admin")
    await door.services.database.rows("update users set is_admin = true where username = 'an-admin'")
    return user


@pytest_asyncio.fixture(loop_scope="module")
async def market(door: Door) -> str:
    """A market of its own, opened as the wallet agent would when the journal says so."""
    base = f"T{secrets.token_hex(4).upper()}"
    units = money.market_units("0.01", "0.0001", 8, 8)
    new = listings.NewMarket(base=base, quote="USD", units=units, min_notional_atoms=10_000_000)
    async with door.services.database.transaction() as connection:
        await listings.add_currency(connection, base, base, 8)
        await listings.add_market(connection, new, partitions=4)
        await connection.execute("update markets set status = 'open', version = 1 where symbol = $1", new.symbol)
    return new.symbol


@pytest_asyncio.fixture(loop_scope="module")
async def user(client: Client) -> Client:
    """Somebody whom nobody else uses."""
    return await client.register(f"u{secrets.token_hex(6)}")
