"""A child does not outlive its supervisor, however that one ends, on either of the two roads."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded.life import TETHER
from tests.runtime.embedded.programs import lives, until

SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from runtime.embedded import life
from runtime.embedded.program import Command

async def main():
    command = Command(
        argv=(sys.executable, "-I", "-S", "-c", sys.argv[2]), env=dict(os.environ), cwd=Path(sys.argv[1]),
        stop_timeout_s=0.5,
    )
    log = os.open(Path(sys.argv[1]) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child = life.start(command, log, watchdog=sys.argv[3] == "watchdog")
    print(child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
OBEDIENT = "import time, pathlib\npathlib.Path('up').touch()\nwhile True: time.sleep(0.05)"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + OBEDIENT
sees_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
ROADS = ["watchdog", *(["kernel"] if sys.platform == "linux" else [])]


def start_supervisor(folder: Path, text: str, road: str) -> tuple[subprocess.Popen[str], int]:
    argv = (sys.executable, "-c", SUPERVISOR, str(folder), text, road)
    supervisor = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    return supervisor, int(supervisor.stdout.readline())


@pytest.mark.parametrize("road", ROADS)
async def test_a_killed_supervisor_takes_its_child_along(tmp_path: Path, road: str) -> None:
    supervisor, child = start_supervisor(tmp_path, OBEDIENT, road)
    await until((tmp_path / "up").exists)
    supervisor.kill()
    supervisor.wait()
    await until(lambda: not lives(child))


async def test_the_watchdog_kills_a_child_that_does_not_listen(tmp_path: Path) -> None:
    supervisor, child = start_supervisor(tmp_path, DEAF, "watchdog")
    await until((tmp_path / "up").exists)
    supervisor.kill()
    supervisor.wait()
    await until(lambda: not lives(child))


@sees_proc
async def test_the_watchdog_ends_with_its_child(tmp_path: Path) -> None:
    supervisor, child = start_supervisor(tmp_path, OBEDIENT, "watchdog")
    await until((tmp_path / "up").exists)
    watchdog = int(Path(f"/proc/{child}/task/{child}/children").read_text().split()[0])
    os.kill(child, signal.SIGKILL)
    await until(lambda: not lives(watchdog))
    assert supervisor.poll() is None
    supervisor.kill()
    supervisor.wait()


def tethered(supervisor: int, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-I", "-S", str(TETHER), str(supervisor), "15", "-", "5", environ.get("LC_CTYPE", "-"))
    return subprocess.run((*argv, *command), env=environ, capture_output=True, text=True, check=False)


def test_a_child_whose_supervisor_is_gone_does_not_start() -> None:
    done = tethered(1, sys.executable, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{sys.executable} was not started: the supervisor is gone\n"


def test_a_program_that_is_not_there_is_named() -> None:
    done = tethered(os.getpid(), "/no/such/program")
    assert (done.returncode, done.stderr) == (1, "/no/such/program cannot be started: No such file or directory\n")


@sees_proc
@pytest.mark.parametrize("environ", [{"A": "1"}, {"A": "1", "LC_CTYPE": "C"}])
def test_the_child_gets_exactly_the_environment_it_was_given(environ: dict[str, str]) -> None:
    text = Path("/proc/self/environ")  # not Python's view of it: Python adds to its own
    done = tethered(os.getpid(), "/bin/cat", str(text), **environ)
    assert dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair) == environ


@sees_proc
def test_signals_that_python_ignores_are_not_ignored_by_the_child() -> None:
    done = tethered(os.getpid(), "/bin/cat", "/proc/self/status")
    ignored = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("SigIgn:"))
    assert int(ignored, 16) & (1 << (signal.SIGPIPE - 1)) == 0
