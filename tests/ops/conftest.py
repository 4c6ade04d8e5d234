"""Running a verb as an operator does: a process of its own, its settings from the environment."""

import asyncio
import dataclasses
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from runtime.embedded.home import Home
from runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OURS = ("TIDEMARK_", "POSTGRES_", "REDIS_", "KAFKA_")


@dataclasses.dataclass(frozen=True)
class Said:
    """How a verb ended and what it wrote."""

    code: int
    out: str
    err: str


Verb = Callable[..., Awaitable[Said]]


@pytest.fixture
def verb(database: Settings, tmp_path: Path) -> Verb:
    """`await verb("seed", file, NAME="value")` against books of this test's own."""

    async def run(*words: object, stdin: str = "", **environ: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ops.cli", *map(str, words), cwd=ROOT, env=environment(database) | environ,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), timeout=60)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
def agent(stack: Settings, tmp_path: Path) -> Iterator[Callable[[str, int], None]]:
    """`agent("matching", 0)` runs an agent until the test ends, its site at that port."""
    running: list[subprocess.Popen[bytes]] = []
    Home(tmp_path / "agents").make()

    def start(name: str, site_port: int) -> None:
        environ = environment(stack) | {
            "TIDEMARK_HOME": str(tmp_path / "agents"), "TIDEMARK_TEST": "1", "TIDEMARK_SITE_PORT": str(site_port),
        }  # fmt: skip
        with (tmp_path / f"{name}.log").open("ab") as log:
            words = [sys.executable, "-m", f"agents.{name}"]
            running.append(subprocess.Popen(words, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stderr=log))

    yield start
    for process in running:
        process.kill()
        process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """The variables that say what the settings say."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
        **settings.environ(),
        "TIDEMARK_CONFIG": os.devnull,
    }
