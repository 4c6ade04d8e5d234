"""The servers of a test run live exactly as long as the run: shared by its workers, gone with it, kill -9 or not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WITHIN_S = 120

pytestmark = pytest.mark.slow


@pytest.fixture
def temporary(tmp_path) -> Path:
    """Where the inner run puts its folder: short, since a socket's path is."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def inner(temporary) -> Iterator["subprocess.Popen[bytes]"]:
    """Another run of pytest, with two workers and servers of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMARK_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/runtime/test_redis.py"]
    run = subprocess.Popen(
        command, cwd=ROOT, env=environ | {"TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    yield run
    run.kill()
    run.communicate()


def wait_until(condition) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def runs(temporary: Path) -> list[Path]:
    return list(temporary.glob("tidemark-*"))


def processes_of(folder: Path) -> list[str]:
    """Whoever has the folder in its command line or works in it."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


def test_two_workers_share_one_set_of_servers_that_ends_with_the_run(inner, temporary):
    output, _ = inner.communicate(timeout=WITHIN_S)
    assert inner.returncode == 0, output.decode()
    assert runs(temporary) == []
    assert processes_of(temporary) == []


def test_a_run_that_is_killed_leaves_no_server_and_no_folder(inner, temporary):
    wait_until(lambda: any((run / "home" / "run" / "kafka.pid").exists() for run in runs(temporary)))
    inner.send_signal(signal.SIGKILL)
    inner.wait()
    wait_until(lambda: not runs(temporary))
    wait_until(lambda: not processes_of(temporary))
