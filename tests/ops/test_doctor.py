"""`tidemark doctor` as people and programs read it."""

import json
import socket
from pathlib import Path

import pytest

from ops import cli
from runtime.embedded.home import free_port


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    port = free_port(set())
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMARK_PORT", str(port))
    return port


def test_no_problem_is_a_success(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out == "No problem found.\n"


def test_a_problem_is_told_with_what_mends_it(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", port)):
        assert cli.main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"port: Port {port} of the API is taken by ")
    assert lines[1:] == ["    mend: stop it, or set TIDEMARK_PORT to a free port", "1 problem(s) found."]


def test_a_wrong_setting_does_not_hide_the_rest(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMARK_SANDBOX", "false")
    (tmp_path / "home").write_text("")
    assert cli.main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [sorted(problem) for problem in found] == [["mend", "name", "what"]] * len(found)
    assert [problem["name"] for problem in found][:2] == ["settings", "folder"]
    assert found[0]["what"].startswith("SECRET_KEY is not set")
