"""A door that is really open: the API's own server on a free port, in front of the real servers, and a client.

The tests of one file share one name space and one open door; each makes users of its own.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import types
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
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
from runtime.embedded.home import Home, free_port
from runtime.settings import PROJECT_ROOT, Settings
from schemas import money
from schemas.topics import CHANGELOGS, TOPICS
from tests.reconciled import books_are_right

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

    def at(self, base: str) -> "Client":
        """The same user at another instance."""
        return Client(self.session, base, self.token)

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
async def settings_of_door(servers: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Settings]:
    """A migrated schema and a name space for the tests of one file; after them the books must be right."""
    settings = dataclasses.replace(
        servers, namespace=f"t{secrets.token_hex(6)}", jwt_secret_key=SECRET, secret_key=SECRET
    )
    await migrate(settings)
    try:
        yield settings
        await books_are_right(settings, request.node)
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


class Processes:
    """Processes of the exchange in one name space: started, paused, killed, and gone at the end."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        Home(folder).make()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, module: str, **more: str) -> None:
        settings = self.settings
        environ = {
            **os.environ, **settings.environ(), "TIDEMARK_HOME": str(self.folder),
            "JWT_SECRET_KEY": settings.jwt_secret_key, "SECRET_KEY": settings.secret_key,
            "TIDEMARK_CONFIG": os.devnull, "TIDEMARK_TEST": "1", **more,
        }  # fmt: skip
        with (self.folder / f"{module}.log").open("ab") as log:
            self.running[module] = subprocess.Popen(
                [sys.executable, "-m", module], env=environ, cwd=PROJECT_ROOT, stderr=log, stdin=subprocess.DEVNULL
            )

    def send(self, module: str, number: signal.Signals) -> None:
        self.running[module].send_signal(number)

    def said(self, module: str) -> str:
        return (self.folder / f"{module}.log").read_text(errors="replace")[-4000:]

    def revive(self) -> None:
        """Starts again what has ended, as the supervisor does: an agent that was frozen halts by itself."""
        for module, process in list(self.running.items()):
            if process.poll() is not None:
                self.start(module)

    def all_said(self) -> str:
        return "\n".join(self.said(module) for module in self.running)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


async def wait_until(
    ask: Callable[[], Awaitable[Any]], within_s: float = 90.0, otherwise: Processes | None = None
) -> Any:
    """Asks again and again until the answer is true, and returns it; else shows what the processes said."""
    deadline = time.monotonic() + within_s
    while not (answer := await ask()):
        assert time.monotonic() < deadline, "" if otherwise is None else otherwise.all_said()
        if otherwise is not None:
            otherwise.revive()
        await asyncio.sleep(0.05)
    return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def agents(door: Door, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    """The matching agent and the wallet agent, behind the open door."""
    settings = door.services.settings
    await kafka.ensure_topics(settings, (*TOPICS, *CHANGELOGS))

    async def is_there() -> bool:
        return door.services.journal.is_there

    await wait_until(is_there)
    processes = Processes(settings, tmp_path_factory.mktemp("agents"))
    processes.start("agents.matching")
    processes.start("agents.wallet")
    try:
        yield processes
    finally:
        processes.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def open_market(agents: Processes, admin: Client) -> str:
    """A market of its own, really opened by the journal."""
    base = f"T{secrets.token_hex(4).upper()}"
    assert (await admin.post("currencies/", {"code": base, "name": base, "scale": 8})).status == 201
    body = {"symbol": f"{base}-USD", "base": base, "quote": "USD", "tick_size": "0.01", "lot_size": "0.0001"}
    answer = await admin.post("markets/", body | {"min_notional": "0.10"})

    async def is_open() -> bool:
        return (await admin.get(f"markets/{base}-USD/")).status == 200

    assert answer.status in (201, 202), answer
    await wait_until(is_open, otherwise=agents)
    return f"{base}-USD"


@pytest_asyncio.fixture(loop_scope="module")
async def second_door(settings_of_door: Settings) -> AsyncIterator[Door]:
    """Another instance before the same servers."""
    async with open_door(settings_of_door) as opened:
        yield opened


@pytest.fixture
def until(agents: Processes) -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Waits for something to come true, while the agents are kept running."""
    return lambda ask: wait_until(ask, otherwise=agents)


@pytest.fixture
def a_door() -> Callable[[Settings], contextlib.AbstractAsyncContextManager[Door]]:
    """Opens an instance with settings of its own."""
    return open_door


@pytest.fixture
def process_api(agents: Processes, door: Door) -> Callable[..., contextlib.AbstractAsyncContextManager[str]]:
    """An API as a process of its own, which a crash point can kill; gives its address."""

    @contextlib.asynccontextmanager
    async def opened(**environ: str) -> AsyncIterator[str]:
        port = free_port(set())
        base = f"http://127.0.0.1:{port}"
        agents.start("api", TIDEMARK_PORT=str(port), **environ)

        async def ready() -> bool:
            try:
                return (await door.client.at(base).get("/ready")).status == 200
            except aiohttp.ClientError:
                return False

        try:
            await wait_until(ready)
            yield base
        finally:
            process = agents.running.pop("api")
            process.kill()
            process.wait()

    return opened
