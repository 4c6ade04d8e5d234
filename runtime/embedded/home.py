"""The data folder of one instance: its layout, its ports, its secrets, its lock and the children it left behind.

Everything is made once and kept. Each file is written beside its place and moved in, so a kill leaves the old one or
the new one. Only the holder of the lock starts servers; anybody may read addresses and secrets with `resolve`.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from runtime.embedded.program import Broken
from runtime.settings import PLACEHOLDERS, Settings

Value = TypeVar("Value")
LOOPBACK = "127.0.0.1"
# Below the range from which kernels take the local ports of outgoing connections: a port chosen there could be gone
# at the next start.
PORT_RANGE = range(15_000, 32_000)
PROC = Path("/proc")
SECRET_NAMES = ("postgres_password", "redis_password", "secret_key", "jwt_secret_key")


class Home:
    """A data folder. Reading it makes what is missing; a folder that cannot be written raises Broken."""

    def __init__(self, path: Path, *, cache: Path | None = None) -> None:
        self.path = path
        self.data = path / "data"
        self.logs = path / "logs"
        self.run = path / "run"
        self.cache = cache or default_cache(os.environ)  # shared by all homes of a user: jars and archives of classes

    def make(self) -> None:
        """Makes the folders."""
        for folder in (self.path, self.data, self.logs, self.run):
            make_folder(folder)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Broken(f"{self.path} cannot be written to: make it yours, or set TIDEMARK_HOME to another folder.")

    def port(self, name: str) -> int:
        """The port of one program, chosen free once and kept. `kafka_controller` is one of the names."""
        ports = self._ports()
        if name not in ports:
            with self._exclusive("ports.lock"):
                ports = self._ports()
                if name not in ports:
                    ports[name] = free_port(taken=set(ports.values()))
                write_whole(self.path / "ports.json", json.dumps(ports, indent=1, sort_keys=True) + "\n")
        return ports[name]

    def ports(self) -> dict[str, int]:
        """The ports chosen so far, by name."""
        return dict(self._ports())

    def secret(self, name: str) -> str:
        """A random secret of this folder, made once."""
        return self._secrets()[name]

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held by the one supervisor of this folder; the kernel gives it back when the holder dies."""
        self.make()
        with (self.path / "lock").open("a+", encoding="ascii") as file:
            if not _taken(file.fileno()):
                raise Broken(
                    f"{self.path} is held by the supervisor with process id {_pid_in(file.fileno()) or 'unknown'}: "
                    f"stop it, or set TIDEMARK_HOME to another folder."
                )
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
            file.truncate(0)

    def holder(self) -> int | None:
        """The process id of the supervisor that holds the lock, if one does."""
        try:
            with (self.path / "lock").open("r+", encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _pid_in(file.fileno())
        except OSError:
            pass
        return None

    def remember_child(self, name: str, pid: int) -> None:
        """Writes down a child just started, so that the next supervisor can find it if this one is killed."""
        write_whole(self.run / f"{name}.pid", f"{pid} {start_of(pid) or ''}\n")

    def forget_child(self, name: str) -> None:
        """The child has ended and was seen to end."""
        (self.run / f"{name}.pid").unlink(missing_ok=True)

    def former_children(self) -> dict[str, int]:
        """Children of an earlier supervisor that still live, by name: same process id and same start."""
        found = {}
        for file in sorted(self.run.glob("*.pid")):
            pid, _, start = file.read_text(encoding="ascii").strip().partition(" ")
            if pid.isdigit() and start and start_of(int(pid)) == start:
                found[file.stem] = int(pid)
        return found

    def resolve(self, settings: Settings) -> Settings:
        """The settings with the addresses of the embedded servers and the secrets of this folder filled in."""
        changes: dict[str, object] = {}
        if settings.postgres_host is None:
            password = self.secret("postgres_password")
            changes |= {
                "postgres_host": LOOPBACK,
                "postgres_port": self.port("postgres"),
                "postgres_password": password,
            }
        if settings.redis_host is None:
            password = self.secret("redis_password")
            changes |= {"redis_host": LOOPBACK, "redis_port": self.port("valkey"), "redis_password": password}
        if settings.kafka_bootstrap is None:
            changes["kafka_bootstrap"] = f"{LOOPBACK}:{self.port('kafka')}"
        for name in ("secret_key", "jwt_secret_key"):
            if getattr(settings, name).lower() in PLACEHOLDERS:
                changes[name] = self.secret(name)
        return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]  # names and types as in Settings

    def _ports(self) -> dict[str, int]:
        return self._read("ports.json", int)

    def _secrets(self) -> dict[str, str]:
        found = self._read("secrets.json", str)
        if not found:
            with self._exclusive("secrets.lock"):
                found = self._read("secrets.json", str)
                if not found:
                    found = {name: secrets.token_urlsafe(32) for name in SECRET_NAMES}
                    write_whole(self.path / "secrets.json", json.dumps(found, indent=1) + "\n", mode=0o600)
        return found

    def _read(self, name: str, value: Callable[[Any], Value]) -> dict[str, Value]:
        """What one of our files holds; nothing when it is not there yet."""
        file = self.path / name
        try:
            return {key: value(held) for key, held in json.loads(file.read_text(encoding="ascii")).items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Broken(f"{file} cannot be read ({error.strerror}): make it yours.") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise Broken(f"{file} is damaged: remove it, and a new one is made.") from error

    @contextlib.contextmanager
    def _exclusive(self, name: str) -> Iterator[None]:
        """Two processes may ask for a first port or secret at once; both get the same."""
        self.make()
        with (self.run / name).open("a", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def resolve(settings: Settings) -> Settings:
    """The settings as every process of the instance sees them: addresses, passwords and secrets filled in."""
    return Home(settings.home).resolve(settings)


def default_cache(environ: Mapping[str, str]) -> Path:
    """The platform's folder for what can be fetched again."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tidemark"
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "tidemark"


def make_folder(folder: Path) -> None:
    """Makes a private folder and those above it; Broken says which one cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Broken(
            f"{folder} cannot be made ({error.strerror}): set TIDEMARK_HOME to a folder that you can write to."
        ) from error


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Writes a file so that a reader, or a kill, sees all of it or none of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Broken(f"{path} cannot be written ({error.strerror}): make room, or make the folder yours.") from error


def remove_tree(folder: Path) -> None:
    """Removes a folder and all in it; one that is not there is fine."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def free_port(taken: set[int]) -> int:
    """A loopback port on which nobody listens now."""
    for _ in range(1000):
        port = secrets.choice(PORT_RANGE)
        if port not in taken and not port_in_use(port):
            return port
    raise Broken(f"no free port was found on {LOOPBACK} between {PORT_RANGE.start} and {PORT_RANGE.stop}.")


def port_in_use(port: int) -> bool:
    """Whether somebody listens on the loopback port (one in TIME_WAIT is free)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False


def require_free_port(home: Home, name: str) -> None:
    """Raises Broken when another program listens on the port that was chosen for this one."""
    port = home.port(name)
    if port_in_use(port):
        raise Broken(
            f"port {port}, kept for {name}, is taken by another program: stop that one, "
            f"or remove {home.path / 'ports.json'} so that new ports are chosen."
        )


def start_of(pid: int) -> str | None:
    """When the process began, in the words of the system; None when there is none, or only a zombie."""
    if (PROC / "self").exists():
        try:
            fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = answer.stdout.strip().partition(" ")
    return None if not start or state.startswith("Z") else start.strip().replace(" ", "_")


def _taken(descriptor: int) -> bool:
    """Takes the lock. Tried for a moment: somebody who asks for its holder has it for an instant."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None
