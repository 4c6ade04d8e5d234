"""A machine for one proof: a fresh clone and a fresh HOME under a folder with spaces, and everything started there.

Nothing of the person who runs the proof is used but the tools on PATH and the way to the network.
"""

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
# What a person's environment may hold that would change what is proved.
FOREIGN = ("TIDEMARK_", "POSTGRES_", "REDIS_", "KAFKA_", "XDG_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTEST_", "CI")
READY_WITHIN_S = 240.0
GONE_WITHIN_S = 30.0


class Proved(Protocol):
    """Takes what was proved, and the seconds it took where they are a figure worth knowing."""

    def __call__(self, what: str, seconds: float | None = None) -> None: ...


class Unproved(Exception):  # noqa: N818  -- a finding, not an error of this program
    """What was to be proved is not so; the message says what was seen."""


@dataclasses.dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        """What it complained of: make's own words and the lines that show progress are left out."""
        return [line for line in self.err.splitlines() if line.strip() and not re.match(r"make|  +[0-9]", line)]


@dataclasses.dataclass(frozen=True)
class Place:
    """One clone with one HOME. `environ` is the whole environment of whatever is started here."""

    root: Path
    clone: Path
    user_home: Path
    environ: Mapping[str, str]
    run_as: int | None = None

    @property
    def port(self) -> int:
        return int(self.environ["TIDEMARK_PORT"])

    @property
    def home(self) -> Path:
        """Where the data is, unless the environment says otherwise: as a person finds it."""
        mac = Path("Library", "Application Support", "tidemark")
        usual = self.user_home / (mac if sys.platform == "darwin" else Path(".local", "share", "tidemark"))
        return Path(self.environ.get("TIDEMARK_HOME", usual))

    def with_environ(self, **changes: str | None) -> "Place":
        """The same place with another environment; None takes a variable away."""
        changed = {name: value for name, value in {**self.environ, **changes}.items() if value is not None}
        return dataclasses.replace(self, environ=changed)

    def command(self, *argv: str) -> list[str]:
        if self.run_as is None:
            return list(argv)
        return ["setpriv", f"--reuid={self.run_as}", f"--regid={self.run_as}", "--clear-groups", *argv]

    def say(self, *argv: str, timeout_s: float = READY_WITHIN_S) -> Said:
        """Runs a command to its end."""
        process = self.popen(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Unproved(f"{' '.join(argv)} did not end within {timeout_s:.0f} s") from error
        return Said(process.returncode, out, err)

    def popen(self, *argv: str, stdout: int, stderr: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*argv),
            cwd=self.clone,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    def tidemark(self, *argv: str) -> Said:
        return self.say(str(self.clone / ".venv" / "bin" / "tidemark"), *argv)

    def status(self) -> dict[str, dict[str, object]]:
        """The rows of `tidemark status --json` by name."""
        said = self.tidemark("status", "--json")
        if not said.out.startswith("["):
            raise Unproved(f"status --json said {(said.out + said.err)[-300:]!r}")
        return {row["name"]: row for row in json.loads(said.out)}

    @contextlib.contextmanager
    def running(self, *argv: str) -> Iterator["Running"]:
        """`make run` until the block ends; whatever lives then is stopped as Ctrl-C does."""
        running = Running(self, argv or ("make", "run"))
        try:
            yield running
        finally:
            running.end()


def fresh(root: Path, *, run_as: int | None = None) -> Place:
    """A new clone of this repository with an empty HOME, both owned by whoever will run there."""
    place = Place(root, root / "a fresh clone", root / "a fresh home", os.environ, run_as)
    place.user_home.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(place.clone)], check=True)
    if run_as is not None:
        for path in (root, *root.rglob("*")):
            os.chown(path, run_as, run_as, follow_symlinks=False)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return dataclasses.replace(place, environ=kept).with_environ(
        HOME=str(place.user_home), TIDEMARK_PORT=str(free_port())
    )


class Running:
    """One `make run`, its output in a file."""

    def __init__(self, place: Place, argv: tuple[str, ...]) -> None:
        self.place = place
        self.began = time.monotonic()
        self.log = place.root / f"run-{time.monotonic_ns()}.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = place.popen(*argv, stdout=log.fileno(), stderr=subprocess.STDOUT)

    def ready(self) -> float:
        """Waits until the API and every row of the status are ready; the seconds since the start."""
        self.until("the API is ready", lambda: answers(f"http://127.0.0.1:{self.place.port}/ready"))
        seconds = time.monotonic() - self.began
        self.until("every process is ready", self.all_ready)
        return seconds

    def all_ready(self) -> bool:
        return self.place.tidemark("status", "--json").code == 0

    def until(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not true():
            if self.process.poll() is not None:
                raise Unproved(f"make run ended with {self.process.returncode} before {what}: {self.tail()}")
            if time.monotonic() > deadline:
                raise Unproved(f"{what}: not within {READY_WITHIN_S:.0f} s: {self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        return " / ".join(self.log.read_text(encoding="utf-8").splitlines()[-6:])

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Asks all in the foreground to stop, as a terminal does, and waits; the seconds it took."""
        began = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(timeout=GONE_WITHIN_S)
        return time.monotonic() - began

    def end(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop()
        for pid in processes_of(self.place.root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def processes_of(root: Path) -> dict[int, str]:
    """Every living process that works in the folder, was started from it or names it, with its command line."""
    if not Path("/proc/self").exists():
        listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        pairs = (line.strip().partition(" ") for line in listing.stdout.splitlines())
        return {int(pid): command for pid, _, command in pairs if str(root) in command}
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if is_zombie(folder):
                    continue
                command = (folder / "cmdline").read_bytes()
                traces = command + (folder / "environ").read_bytes() + os.fsencode((folder / "cwd").readlink())
                if os.fsencode(root) in traces:
                    found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def is_zombie(folder: Path) -> bool:
    """Dead, though nobody has asked how it ended: some containers have no init that does."""
    return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] in "ZX"


def nothing_left(root: Path, within_s: float = GONE_WITHIN_S) -> float:
    """Waits until no process of the folder lives; the seconds it took."""
    began = time.monotonic()
    while left := processes_of(root):
        if time.monotonic() - began > within_s:
            raise Unproved(f"left behind: {left}")
        time.sleep(0.02)
    return time.monotonic() - began


def path_without(folder: Path, unwanted: str, *, environ: Mapping[str, str]) -> Path:
    """A folder that does for a PATH: every command of the present one but those whose name has the pattern."""
    folder.mkdir()
    for place in reversed(environ["PATH"].split(":")):
        if not Path(place).is_dir():
            continue
        for tool in Path(place).iterdir():
            link = folder / tool.name
            link.unlink(missing_ok=True)
            if not re.fullmatch(unwanted, tool.name):
                link.symlink_to(tool.resolve())
    return folder
