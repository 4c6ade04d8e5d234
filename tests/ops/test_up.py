"""`tidemark up` as a process: signals, exit codes, the lock, and what is left when it is killed.

Most tests give it small children instead of the servers; the last ones start the real PostgreSQL, Valkey and Kafka.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.up import banner, scale
from runtime.embedded import runfiles
from runtime.embedded.home import Home, free_port, write_whole
from runtime.settings import PROJECT_ROOT, load
from tests.runtime.embedded.programs import lives, until

DRIVER = """
import sys
from pathlib import Path
from ops.cli import main
from ops import plan
from runtime.embedded import leftovers
from runtime.embedded.child import Child
from runtime.embedded.leftovers import end_leftovers
from runtime.embedded.supervisor import Stage, Step
from tests.runtime.embedded import programs

def parts(self, *, servers_only):
    folder = self.home.path.parent
    stages = [Step("leftovers", lambda: end_leftovers(self.home, self.progress))]
    for pair in sys.argv[1:]:
        name, text = pair.split("=")
        script = programs.Script(name, getattr(programs, text), folder)
        stages.append(Stage(name, [Child(script, self.home, ready_timeout_s=30, progress=self.progress)]))
    return stages

plan.Planner.parts = parts
sys.exit(main(["up"]))
"""


class Up:
    """Starts of one home, each with its console in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "a home", cache=folder / "cache")
        self.port = free_port(set())
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *children: str) -> subprocess.Popen[bytes]:
        return self._start((sys.executable, "-c", DRIVER, *children))

    def start_servers(self) -> subprocess.Popen[bytes]:
        return self._start((sys.executable, "-m", "ops.cli", "up", "--servers-only"))

    def _start(self, argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
        environ = {
            **os.environ,
            "TIDEMARK_HOME": str(self.home.path),
            "TIDEMARK_PORT": str(self.port),
            "PYTHONPATH": ".",
        }
        with (self.folder / f"console{len(self.processes)}").open("wb") as console:
            process = subprocess.Popen(
                argv, cwd=PROJECT_ROOT, env=environ, stdout=console, stderr=console, start_new_session=True
            )
        self.processes.append(process)
        return process

    def console(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"console{self.processes.index(process)}").read_text()

    def says(self, process: subprocess.Popen[bytes], words: str) -> Callable[[], bool]:
        return lambda: words in self.console(process) or process.poll() is not None

    async def is_ready(self, process: subprocess.Popen[bytes], *, timeout_s: float = 60) -> None:
        await until(self.says(process, "Tidemark is ready"), timeout_s)
        assert process.poll() is None, self.console(process)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    ups = Up(tmp_path)
    yield ups
    for process in ups.processes:
        process.kill()
        process.wait()
    for pid in ups.home.former_children().values():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything_and_is_no_failure(up: Up, number: signal.Signals) -> None:
    process = up.start("kafka=SERVE", "api=SERVE")
    await up.is_ready(process)
    process.send_signal(number)
    assert process.wait(30) == 0
    assert f"{number.name}: stopping" in up.console(process)
    assert up.home.former_children() == {}
    assert [(up.home.logs / f"{name}.log").read_text().count("saving") for name in ("kafka", "api")] == [1, 1]


async def test_a_signal_that_comes_again_changes_nothing(up: Up) -> None:
    process = up.start("kafka=SERVE", "api=STUBBORN")
    await up.is_ready(process)
    process.send_signal(signal.SIGTERM)
    await until(up.says(process, "SIGTERM: stopping"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    await until(up.says(process, "already stopping"))
    (up.folder / "api.enough").touch()
    assert process.wait(30) == 0
    assert "saving" in (up.home.logs / "kafka.log").read_text()
    assert "did not stop" not in (up.home.logs / "supervisor.log").read_text()


async def test_ctrl_c_reaches_only_the_supervisor(up: Up) -> None:
    process = up.start("api=SERVE")
    await up.is_ready(process)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    assert process.wait(30) == 0
    assert "saving" in (up.home.logs / "api.log").read_text()
    assert "KeyboardInterrupt" not in (up.home.logs / "api.log").read_text()


async def test_a_start_that_fails_says_why_in_sentences_and_leaves_nothing(up: Up) -> None:
    process = up.start("kafka=SERVE", "api=FAIL")
    assert process.wait(60) == 1
    last = up.console(process).splitlines()
    assert "Traceback" not in last
    told = "tidemark: api did not get ready in 3 attempts: it exited with code 3. The last lines of"
    assert last[-2:] == [f"{told} {up.home.logs / 'api.log'}:", "    the sky is falling"]
    assert up.home.former_children() == {}


async def test_a_second_start_says_who_holds_the_folder(up: Up) -> None:
    first = up.start("api=SERVE")
    await up.is_ready(first)
    second = up.start("api=SERVE")
    assert second.wait(30) == 1
    assert f"is held by the supervisor with process id {first.pid}" in up.console(second)
    assert first.poll() is None


async def test_a_killed_supervisor_leaves_nothing_and_the_next_start_waits_for_what_is_ending(up: Up) -> None:
    first = up.start("kafka=STUBBORN", "api=SERVE")
    await up.is_ready(first)
    former = up.home.former_children()
    first.kill()
    first.wait()
    await until(lambda: not lives(former["api"]))
    second = up.start("kafka=SERVE", "api=SERVE")
    await until(up.says(second, f"left behind to end: kafka ({former['kafka']})"))
    assert lives(former["kafka"])
    (up.folder / "kafka.enough").touch()
    await up.is_ready(second)
    assert not lives(former["kafka"])


async def test_a_taken_port_stops_the_start_before_anything_runs(up: Up) -> None:
    up.home.make()
    with socket.create_server(("127.0.0.1", 0)) as other:
        write_whole(up.home.path / "ports.json", json.dumps({"kafka": other.getsockname()[1]}))
        process = up.start("kafka=SERVE")
        assert process.wait(30) == 1
    assert re.search(rf"kept for kafka, is taken by .+ \(process id {os.getpid()}\)", up.console(process))
    assert not (up.home.logs / "kafka.log").exists()


@pytest.mark.stack
async def test_the_real_servers_heal_survive_their_supervisor_and_stop(up: Up) -> None:
    first = up.start_servers()
    await until(up.says(first, "  PostgreSQL  127.0.0.1:"), 240)
    former = up.home.former_children()
    assert sorted(former) == ["kafka", "postgres", "valkey"]
    for pid in former.values():
        os.kill(pid, signal.SIGKILL)
    await until(
        lambda: states(up.home) == {"kafka": ("ready", 1), "postgres": ("ready", 1), "valkey": ("ready", 1)}, 120
    )
    healed = up.home.former_children()
    first.kill()
    first.wait()
    await until(lambda: not any(lives(pid) for pid in healed.values()))

    second = up.start_servers()
    await until(up.says(second, "  PostgreSQL  127.0.0.1:"), 240)
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0
    assert up.home.former_children() == {}
    assert "did not stop" not in (up.home.logs / "supervisor.log").read_text()


def states(home: Home) -> dict[str, tuple[str, int]]:
    return {
        name: (file.state.value, file.restarts) for name, file in runfiles.read(home).items() if name != "supervisor"
    }


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({}, "Login"),
        ({"TIDEMARK_BIND": "0.0.0.0"}, "Danger"),
        ({"TIDEMARK_SANDBOX": "false", "SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32}, "Try"),
    ],
)
def test_the_banner_tells_a_login_only_where_there_is_one(tmp_path: Path, environ: dict[str, str], word: str) -> None:
    settings = load(environ | {"TIDEMARK_HOME": str(tmp_path), "POSTGRES_PASSWORD": "p" * 32}, tmp_path / "none")
    lines = banner(settings, Home(tmp_path), servers_only=False).split("\n")
    assert lines[2].split()[0] == word


def test_the_banner_tells_where_further_apis_are(tmp_path: Path) -> None:
    home = Home(tmp_path)
    lines = banner(load({"TIDEMARK_HOME": str(tmp_path)}, tmp_path / "none"), home, servers_only=False, apis=2).split(
        "\n"
    )
    assert [line.strip() for line in lines[1:3]] == [
        "Tidemark is ready at http://127.0.0.1:8000",
        f"And at   http://127.0.0.1:{home.port('api-2')}",
    ]


def test_only_the_api_is_scaled_and_by_a_sensible_number() -> None:
    assert scale("api=3") == 3
    for text in ("api=0", "api=17", "api=x", "api", "wallet=2", "api=02"):
        with pytest.raises(argparse.ArgumentTypeError, match="write api=N, with N from 1 to 16"):
            scale(text)
