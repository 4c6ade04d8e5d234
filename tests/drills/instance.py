"""One instance of the exchange as an operator has it: `tidemark up` in a folder of its own, and every other verb."""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.embedded.errand import dying_with_us
from runtime.embedded.home import Home, free_port
from runtime.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
OURS = ("TIDEMARK_", "POSTGRES_", "REDIS_", "KAFKA_", "CRASH_")
READY_WITHIN_S = 300.0
VERB_WITHIN_S = 900.0
LOOK_S = 0.1


class Failed(Exception):  # noqa: N818  -- a finding, not an error of this program
    """A drill did not come back, or a check did not hold; the message says what was seen."""


@dataclasses.dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class Instance:
    """Started and stopped as often as a drill needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port(set())
        self._up: asyncio.subprocess.Process | None = None
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
            "TIDEMARK_HOME": str(folder / "home"), "TIDEMARK_PORT": str(self.port), "TIDEMARK_CONFIG": os.devnull,
        }  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def settings(self) -> Settings:
        """With the addresses of the servers that run."""
        settings = load(self._environ, Path(os.devnull))
        return Home(settings.home).resolve(settings)

    async def up(self, *, servers_only: bool = False) -> float:
        """Starts it; the seconds until all of it is ready."""
        began = time.monotonic()
        words = ["--servers-only"] if servers_only else []
        with (self.folder / "up.log").open("ab") as log:
            self._up = await asyncio.create_subprocess_exec(
                *dying_with_us((sys.executable, "-m", "ops.cli", "up", *words)), cwd=ROOT, env=self._environ,
                stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        await self.until_ready({"supervisor", "kafka", "postgres", "valkey"} if servers_only else None)
        return time.monotonic() - began

    async def down(self) -> None:
        """As Ctrl-C does."""
        if self._up is not None and self._up.returncode is None:
            self._up.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._up.wait(), 60)
        self._up = None

    async def status(self) -> dict[str, dict[str, Any]]:
        said = await self.verb("status", "--json")
        return {row["name"]: row for row in json.loads(said.out)}

    async def kill(self, name: str) -> float:
        """`kill -9`; the seconds until another process of that name is ready, and everything else."""
        before = (await self.status())[name]["pid"]
        began = time.monotonic()
        os.kill(before, signal.SIGKILL)
        await self.until_ready(None, lambda rows: rows[name]["pid"] not in (None, before))
        return time.monotonic() - began

    async def kill_all(self) -> float:
        """`kill -9` of the supervisor, which takes everything along; the seconds until all of it, started anew, is
        ready."""
        assert self._up is not None, "it runs"
        began = time.monotonic()
        os.kill((await self.status())["supervisor"]["pid"], signal.SIGKILL)
        await asyncio.wait_for(self._up.wait(), READY_WITHIN_S)
        await self.up()
        return time.monotonic() - began

    async def until_ready(
        self, names: set[str] | None, also: Callable[[dict[str, dict[str, Any]]], bool] = lambda _rows: True
    ) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            rows = await self.status()
            asked = [row for name, row in rows.items() if names is None or name in names]
            waiting = [row["name"] for row in asked if row["state"] != "ready"]
            if not waiting and also(rows):
                return
            if self._up is not None and self._up.returncode is not None:
                raise Failed(f"tidemark up ended: {self.last_words()}")
            if time.monotonic() > deadline:
                raise Failed(f"not ready within {READY_WITHIN_S:.0f} s: {', '.join(waiting)}; {self.last_words()}")
            await asyncio.sleep(LOOK_S)

    def last_words(self) -> str:
        return " | ".join((self.folder / "up.log").read_text(errors="replace").splitlines()[-3:])

    async def verb(self, *words: object) -> Said:
        """Any other verb of `tidemark`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ops.cli", *map(str, words), cwd=ROOT, env=self._environ,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), VERB_WITHIN_S)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def must(self, *words: object) -> Any:
        """A verb that has to succeed; what it says, of JSON."""
        said = await self.verb(*words, "--json")
        if said.code != 0:
            raise Failed(f"tidemark {' '.join(map(str, words))} said: {(said.err or said.out).strip()[:500]}")
        return json.loads(said.out)
