"""Processes of the exchange for tests: started in a test's name space, killed, frozen, and gone at the end."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

from runtime.settings import PROJECT_ROOT, Settings


def environment(settings: Settings, folder: Path, **more: str) -> dict[str, str]:
    """What tells a process about the servers of the run, and nothing else of ours."""
    return {
        **os.environ, **settings.environ(),
        "TIDEMARK_HOME": str(folder), "TIDEMARK_CONFIG": os.devnull, "TIDEMARK_TEST": "1", **more,
    }  # fmt: skip


@dataclasses.dataclass
class Processes:
    """By name. `plans` are the crash points at which each has yet to die, in order; `killed` those where one has."""

    settings: Settings
    folder: Path
    more: dict[str, str] = dataclasses.field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = dataclasses.field(default_factory=dict)
    scripts: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    plans: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    killed: list[str] = dataclasses.field(default_factory=list)

    def start(self, name: str, *argv: str, **more: str) -> None:
        """`name` is a module of agents, unless `argv` says what else Python runs, now and after a death."""
        argv = self.scripts.setdefault(name, argv or ("-m", f"agents.{name}"))
        more = {**self.more, **more, "CRASH_AT": next(iter(self.plans.get(name, ())), "")}
        environ = environment(self.settings, self.folder, **more)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, *argv], env=environ, cwd=PROJECT_ROOT, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def restart_killed(self) -> None:
        """The supervisor's part; a process that ended in any other way has halted."""
        for name, process in list(self.running.items()):
            code = process.poll()
            if code == -signal.SIGKILL:
                self.killed.append(self.plans[name].pop(0))
                self.start(name)
            assert code in (None, -signal.SIGKILL), self.log(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def logs(self) -> str:
        return "\n".join(self.log(name) for name in self.running)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
