"""Children of a supervisor that was killed: waited for, then ended, and nobody else is ever touched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.embedded import leftovers
from runtime.embedded.home import Home
from runtime.embedded.leftovers import end_leftovers
from tests.runtime.embedded.programs import lives

BRIEF = "import time\ntime.sleep(0.5)"
LASTING = "import time\ntime.sleep(600)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home", cache=tmp_path / "cache")
    home.make()
    return home


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(processes: list[subprocess.Popen[bytes]], text: str) -> int:
    process = subprocess.Popen((sys.executable, "-c", text), stdout=subprocess.PIPE, start_new_session=True)
    processes.append(process)
    if "print" in text:
        assert process.stdout is not None
        process.stdout.readline()
    return process.pid


async def test_nothing_left_says_nothing(home: Home) -> None:
    told: list[str] = []
    await end_leftovers(home, told.append)
    assert told == []


async def test_one_that_is_ending_is_waited_for(home: Home, started: list[subprocess.Popen[bytes]]) -> None:
    pid = start(started, BRIEF)
    home.remember_child("kafka", pid)
    told: list[str] = []
    await end_leftovers(home, told.append)
    assert told == [f"Waiting for what an earlier supervisor left behind to end: kafka ({pid}) ..."]
    assert not lives(pid)  # though nobody has reaped it: a zombie is no process


@pytest.mark.parametrize(("text", "signals"), [(LASTING, ["SIGTERM"]), (DEAF, ["SIGTERM", "SIGKILL"])])
async def test_one_that_does_not_end_is_ended(
    home: Home,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    signals: list[str],
) -> None:
    monkeypatch.setattr(leftovers, "PATIENCE_S", tuple((number, 0.3) for number, _ in leftovers.PATIENCE_S))
    pid = start(started, text)
    home.remember_child("wallet", pid)
    told: list[str] = []
    await end_leftovers(home, told.append)
    sent = [f"Ending with {name} what did not end by itself: wallet ({pid}) ..." for name in signals]
    assert told[1:] == sent
    assert not lives(pid)


async def test_a_process_that_only_has_the_number_is_left_alone(
    home: Home, started: list[subprocess.Popen[bytes]]
) -> None:
    pid = start(started, LASTING)
    (home.run / "wallet.pid").write_text(f"{pid} 12345\n")
    (home.run / "api.pid").write_text(f"{os.getpid()} 1\n")
    told: list[str] = []
    await end_leftovers(home, told.append)
    assert (told, lives(pid)) == ([], True)
