"""A child from its start to the moment when it was seen to end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from runtime.embedded import life
from runtime.embedded.life import Life
from runtime.embedded.program import Broken, Command
from tests.runtime.embedded.programs import lives, until

WAIT = "import time\nprint('up', flush=True)\nwhile True: time.sleep(0.05)"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT
FAMILY = (
    "import subprocess, sys\nprint(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)\n"
    + WAIT
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def start(log: Path, text: str) -> Life:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    argv = (sys.executable, "-I", "-S", "-c", text)
    try:
        return life.start(Command(argv=argv, env=dict(os.environ), cwd=log.parent), descriptor)
    finally:
        os.close(descriptor)


async def is_up(log: Path) -> None:
    await until(lambda: "up" in log.read_text().split())


async def test_the_end_comes_with_its_exit_code_and_both_outputs_in_the_log(log: Path) -> None:
    child = start(log, "import sys\nprint('out', flush=True)\nprint('err', file=sys.stderr)\nsys.exit(7)")
    assert await child.ended() == 7
    assert (child.over, log.read_text()) == (True, "out\nerr\n")


async def test_where_the_kernel_has_no_event_for_an_end_it_is_polled(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert await start(log, "raise SystemExit(7)").ended() == 7
    monkeypatch.delattr(os, "waitid", raising=False)
    assert await start(log, "raise SystemExit(8)").ended() == 8


async def test_a_child_has_a_session_of_its_own(log: Path) -> None:
    child = start(log, WAIT)
    await is_up(log)
    assert (os.getsid(child.pid), os.getpgid(child.pid)) == (child.pid, child.pid)
    await child.stop(signal.SIGTERM, 10)


async def test_a_child_that_listens_ends_when_asked(log: Path) -> None:
    child = start(log, WAIT)
    await is_up(log)
    assert await child.stop(signal.SIGTERM, 10) is True
    assert await child.ended() == -signal.SIGTERM


async def test_a_child_that_does_not_listen_is_killed(log: Path) -> None:
    child = start(log, DEAF)
    await is_up(log)
    assert await child.stop(signal.SIGTERM, 0.1) is False
    assert await child.ended() == -signal.SIGKILL


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_a_child_started_ends_with_it(log: Path, how: signal.Signals) -> None:
    child = start(log, FAMILY)
    await is_up(log)
    grandchild = int(log.read_text().split()[0])
    assert lives(grandchild)
    os.kill(child.pid, how)
    await child.ended()
    await until(lambda: not lives(grandchild))


async def test_many_wait_for_one_end_and_one_may_give_up(log: Path) -> None:
    child = start(log, WAIT)
    impatient = asyncio.create_task(child.ended())
    patient = asyncio.create_task(child.ended())
    await is_up(log)
    impatient.cancel()
    os.kill(child.pid, signal.SIGKILL)
    assert await patient == -signal.SIGKILL


async def test_a_folder_that_is_not_there_is_a_sentence(log: Path) -> None:
    command = Command(argv=("/bin/true",), env={}, cwd=log.parent / "gone")
    with pytest.raises(Broken, match=r"^/bin/true cannot be started in .*gone: No such file or directory\.$"):
        life.start(command, 2)


async def test_no_thread_but_the_main_one_starts_children(log: Path) -> None:
    with pytest.raises(RuntimeError, match="another thread"):
        await asyncio.to_thread(start, log, WAIT)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (143, "exited with code 143, which stands for SIGTERM"),
        (200, "exited with code 200"),
        (-9, "was killed by SIGKILL"),
        (-62, "was killed by signal 62"),
    ],
)
def test_an_end_in_words(code: int, words: str) -> None:
    assert life.in_words(code) == words
