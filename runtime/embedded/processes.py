"""The exchange's own processes as programs of the supervisor: every one whose module is there, in the order of starts.

Each finds the embedded servers by itself through TIDEMARK_HOME, so no secret travels through its environment.
"""

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from runtime.embedded import ask
from runtime.embedded.home import LOOPBACK, Home
from runtime.embedded.program import Command, NotReady, Program
from runtime.settings import PROJECT_ROOT, Settings

API = "api"
ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, not bound to


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A process of the exchange: what it is called and what Python runs."""

    name: str
    module: str


AGENTS = (
    Row("exchange", "agents.settlement.exchange"),
    Row("matching", "agents.matching"),
    Row("wallet", "agents.wallet"),
    Row("marketdata", "agents.marketdata"),
    Row("settlement", "agents.settlement"),
    Row("desk", "agents.settlement.desk"),
)
ROWS = (*AGENTS, Row(API, "api"))


def own_processes(settings: Settings, home: Home, *, apis: int = 1, root: Path = PROJECT_ROOT) -> list[Program]:
    """One program per process that exists so far; the API comes last, and is the first to stop.

    Further APIs are called api-2 and so on, and each has a port of its own that the folder keeps.
    """
    first = [OwnProcess(row.name, row.module, settings, home) for row in ROWS if exists(row, root=root)]
    return [*first, *more_apis(settings, home, apis)]


def more_apis(settings: Settings, home: Home, apis: int) -> list["OwnProcess"]:
    """Those beside the first."""
    names = [f"{API}-{number}" for number in range(2, apis + 1)]
    return [OwnProcess(name, API, dataclasses.replace(settings, port=home.port(name)), home) for name in names]


def is_api(program: Program) -> bool:
    return isinstance(program, OwnProcess) and program.module == API


def exists(row: Row, *, root: Path = PROJECT_ROOT) -> bool:
    """Whether this process can be started; nothing is imported to find out."""
    path = root.joinpath(*row.module.split("."))
    return (path / "__main__.py").is_file() or path.with_suffix(".py").is_file()


def api_address(settings: Settings) -> str:
    """Where the API is reached from this machine; an address of IPv6 has brackets, as in a URL."""
    host = LOOPBACK if settings.bind in ANY_ADDRESS else settings.bind
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


class OwnProcess:
    """One of our processes. Ready means that its own site says so."""

    def __init__(self, name: str, module: str, settings: Settings, home: Home) -> None:
        self.name = name
        self.module = module
        self._settings = settings
        self._home = home

    @property
    def address(self) -> str:
        if self.module == API:
            return api_address(self._settings)
        return f"{LOOPBACK}:{self._home.port(self.name)}"

    async def prepare(self) -> None:
        """Nothing: what these need, the servers and the migrations have made."""

    def command(self) -> Command:
        return Command(
            argv=(sys.executable, "-m", self.module),
            env=self._environment(os.environ),
            cwd=PROJECT_ROOT,
            # Without a supervisor the servers are going too, and a start recovers everything: nothing to wait for.
            death_signal=signal.SIGKILL,
        )

    def _environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {
            **environ,
            "TIDEMARK_HOME": str(self._home.path),
            "TIDEMARK_PORT": str(self._settings.port),
            "TIDEMARK_SITE_PORT": self.address.rpartition(":")[2],
        }

    async def probe(self) -> None:
        status, body = await ask.get(self.address, "/ready")
        if status != 200:
            raise NotReady(reason_in(body) or f"{self.address} answered {status}")


def reason_in(body: str) -> str:
    """What the parts that are not ready say, of an answer of /ready."""
    try:
        parts = json.loads(body)["parts"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(body.split())[:300]
    return "; ".join(f"{name}: {reason}" for name, reason in parts if reason is not None)
