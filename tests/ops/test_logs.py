"""`tidemark logs`: the last lines, and on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops import cli
from runtime.settings import PROJECT_ROOT


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path))
    return folder


def test_the_last_lines_are_shown(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (logs / "api.log").write_text("one\ntwo\nthree\n")
    assert cli.main(["logs", "api", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"


def test_a_name_without_a_log_is_answered_with_those_that_have_one(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "kafka.log").touch()
    (logs / "kafka.log.1").touch()
    assert cli.main(["logs", "broker"]) == 1
    assert capsys.readouterr().err == f"tidemark: {logs} has no log of 'broker': there is kafka.\n"


def test_before_the_first_start_there_is_none(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs", "kafka"]) == 1
    assert capsys.readouterr().err.endswith("nothing was started with this folder yet.\n")


def test_following_shows_what_comes(logs: Path) -> None:
    log = logs / "api.log"
    log.write_text("old\n")
    argv = (sys.executable, "-m", "ops.cli", "logs", "api", "-f", "-n", "1")
    with subprocess.Popen(argv, cwd=PROJECT_ROOT, env=os.environ, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        try:
            assert follower.stdout.readline() == "old\n"
            with log.open("a") as file:
                file.write("new\n")
            assert follower.stdout.readline() == "new\n"
        finally:
            follower.kill()
