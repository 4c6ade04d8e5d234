"""What the supervisor writes down about each of its children for those who ask: one small file per process.

The files are only a memory: whether the process still lives, the reader asks the system.
"""

import dataclasses
import enum
import json
from pathlib import Path

from runtime.embedded.home import Home


class State(enum.StrEnum):
    """The words of `tidemark status`."""

    DOWN = "down"
    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not ready"  # it was ready, it lives, and now it does not answer
    RESTARTING = "restarting"
    STOPPING = "stopping"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFile:
    """One process, as its supervisor last saw it."""

    name: str
    state: State
    address: str | None = None
    restarts: int = 0
    reason: str | None = None  # why it ended the last time


def write(home: Home, file: RunFile) -> None:
    """Replaces the file in one step; unlike money, it need not survive a power cut."""
    path = home.run / f"{file.name}.json"
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(dataclasses.asdict(file)) + "\n", encoding="utf-8")
    beside.replace(path)


def read(home: Home) -> dict[str, RunFile]:
    """All files of a home by name; none when nothing ever ran."""
    return {file.name: file for path in sorted(home.run.glob("*.json")) if (file := _read_one(path)) is not None}


def clear(home: Home) -> None:
    """Forgets all: nothing of an earlier supervisor lives any more."""
    for path in home.run.glob("*.json"):
        path.unlink(missing_ok=True)


def _read_one(path: Path) -> RunFile | None:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:  # the supervisor has just removed it
        return None
    return RunFile(**{**fields, "state": State(fields["state"])})
