"""What the supervisor writes down, and what is read of it."""

from pathlib import Path

import pytest

from runtime.embedded import runfiles
from runtime.embedded.home import Home
from runtime.embedded.runfiles import RunFile, State


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", cache=tmp_path / "cache")


def test_what_is_written_is_read(home: Home) -> None:
    home.make()
    files = [
        RunFile(name="api", state=State.RESTARTING, address="127.0.0.1:8000", restarts=2, reason="was killed"),
        RunFile(name="api-2", state=State.READY),
    ]
    for file in files:
        runfiles.write(home, file)
    assert runfiles.read(home) == {"api": files[0], "api-2": files[1]}
    runfiles.clear(home)
    assert runfiles.read(home) == {}


def test_a_home_in_which_nothing_ever_ran_says_nothing(home: Home) -> None:
    assert runfiles.read(home) == {}
