"""How much processor time processes have used, from the system's own books: it says who a saturated machine works for.

Only Linux tells it finely enough; elsewhere nothing is known, and nothing is guessed.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

PROCESSES = Path("/proc")
PARENT = 1
OWN, OF_ENDED_CHILDREN = slice(11, 13), slice(13, 15)


@dataclasses.dataclass(frozen=True, slots=True)
class _Process:
    parent: int
    used_s: float


def is_known() -> bool:
    return (PROCESSES / "self" / "stat").exists()


def used_s(groups: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Per group the time of its processes and of all that came from them; each counts for the nearest one named."""
    known = _all()
    named = {pid: name for name, pids in groups.items() for pid in pids}
    used = dict.fromkeys(groups, 0.0)
    for pid, process in known.items():
        if (name := _group(pid, known, named)) is not None:
            used[name] += process.used_s
    return used


def _group(pid: int, known: Mapping[int, _Process], named: Mapping[int, str]) -> str | None:
    while pid not in named:
        if pid not in known:
            return None
        pid = known[pid].parent
    return named[pid]


def _all() -> dict[int, _Process]:
    found = {}
    for folder in PROCESSES.iterdir():
        if folder.name.isdigit() and (process := _one(folder)) is not None:
            found[int(folder.name)] = process
    return found


def _one(folder: Path) -> _Process | None:
    """The name stands in brackets, and may have anything in it; what follows are numbers."""
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return None
    ticks = sum(map(int, fields[OWN] + fields[OF_ENDED_CHILDREN]))
    return _Process(int(fields[PARENT]), ticks / os.sysconf("SC_CLK_TCK"))
