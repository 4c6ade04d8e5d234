"""The exchange's own processes as the supervisor starts them."""

import dataclasses
import json
import signal
import sys
from pathlib import Path

import pytest

from runtime.embedded import processes
from runtime.embedded.home import Home
from runtime.embedded.processes import OwnProcess, is_api, own_processes, reason_in
from runtime.embedded.program import NotReady
from runtime.settings import PROJECT_ROOT, Settings
from tests.runtime.embedded.small_servers import answering, http


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home", cache=tmp_path / "cache")
    home.make()
    return home


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home=home.path, port=8123)


def test_those_that_exist_are_started_and_the_api_is_last(home: Home, settings: Settings, tmp_path: Path) -> None:
    for file in ("api/__main__.py", "agents/wallet/__main__.py", "agents/settlement/desk.py", "agents/matching/x.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert [one.name for one in own_processes(settings, home, root=tmp_path)] == ["wallet", "desk", "api"]


def test_further_apis_have_names_and_ports_of_their_own(home: Home, settings: Settings) -> None:
    apis = [one for one in own_processes(settings, home, apis=3) if is_api(one)]
    ports = [8123, home.port("api-2"), home.port("api-3")]
    assert [(one.name, one.address) for one in apis] == [
        (name, f"127.0.0.1:{port}") for name, port in zip(("api", "api-2", "api-3"), ports, strict=True)
    ]
    assert [one.command().env["TIDEMARK_PORT"] for one in apis] == [str(port) for port in ports]
    assert len(set(ports)) == 3


def test_a_process_finds_its_home_and_gets_no_secret(home: Home, settings: Settings) -> None:
    command = OwnProcess("wallet", "agents.wallet", settings, home).command()
    assert (command.argv, command.cwd, command.death_signal) == (
        (sys.executable, "-m", "agents.wallet"),
        PROJECT_ROOT,
        signal.SIGKILL,
    )
    assert command.env["TIDEMARK_HOME"] == str(home.path)
    assert command.env["TIDEMARK_SITE_PORT"] == str(home.port("wallet"))
    assert not [value for value in command.env.values() if value and value == home.secret("redis_password")]


@pytest.mark.parametrize(
    ("bind", "address"),
    [("0.0.0.0", "127.0.0.1:8123"), ("192.0.2.1", "192.0.2.1:8123"), ("::1", "[::1]:8123")],
)
def test_the_api_is_asked_at_an_address_that_reaches_it(
    home: Home, settings: Settings, bind: str, address: str
) -> None:
    assert OwnProcess("api", "api", dataclasses.replace(settings, bind=bind), home).address == address


async def test_ready_is_what_the_process_says_of_itself(
    home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = OwnProcess("api", "api", settings, home)
    async with answering({"/ready": http(200, '{"ready": true, "parts": {}}')}) as address:
        monkeypatch.setattr(processes, "api_address", lambda settings: address)
        await api.probe()
    body = json.dumps({"ready": False, "parts": {"books": "recovering", "postgres": None, "kafka": "away"}})
    async with answering({"/ready": http(503, body)}) as address:
        monkeypatch.setattr(processes, "api_address", lambda settings: address)
        with pytest.raises(NotReady, match=r"^books: recovering; kafka: away$"):
            await api.probe()


@pytest.mark.parametrize("body", ["", "no  json", "[]", '{"parts": 3}'])
def test_an_answer_of_another_shape_is_shown_as_it_is(body: str) -> None:
    assert reason_in(body) == " ".join(body.split())
