"""The bench harness: warm up, repeat, take the median; then a table for people and JSON for comparison.

A figure without its machine and its commit is a rumour, so both are part of every report. A row may name an anchor,
another row that shows what the layer below does bare, and a floor, the figure that it is meant to reach.
"""

import dataclasses
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runtime.settings import PROJECT_ROOT, Settings

Work = Callable[[], Awaitable[object]]
Clock = Callable[[], float]
LOWER_IS_BETTER = frozenset({"s", "ms", "us", "ns", "MB"})


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One figure: its value in every repeat, and what it is to be compared with."""

    name: str
    unit: str
    values: tuple[float, ...]
    anchor: str | None = None
    floor: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the median reaches the floor; for times and sizes the floor is a ceiling."""
        if self.floor is None:
            return None
        return self.median <= self.floor if self.unit in LOWER_IS_BETTER else self.median >= self.floor


class Measuring:
    """What a bench is given: it measures, and the rows collect here in order."""

    def __init__(
        self,
        settings: Settings,
        *,
        repeats: int = 5,
        warm_ups: int = 1,
        clock: Clock = time.perf_counter,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.rows: list[Row] = []
        self.repeats = repeats
        self._warm_ups = warm_ups
        self._clock = clock
        self._progress = progress

    async def rate(
        self,
        name: str,
        count: int,
        work: Work,
        *,
        unit: str = "1/s",
        anchor: str | None = None,
        floor: float | None = None,
    ) -> Row:
        """How many of the `count` things that one call of `work` does are done per second."""
        times = await self._times(name, work)
        return self.add(name, unit, [count / seconds for seconds in times], anchor=anchor, floor=floor)

    async def latency(
        self,
        name: str,
        count: int,
        work: Work,
        *,
        percent: int = 50,
        anchor: str | None = None,
        floor: float | None = None,
    ) -> Row:
        """A percentile, in milliseconds, of the time of one call of `work` among `count` calls one after another."""

        async def one_repeat() -> float:
            times = []
            for _ in range(count):
                start = self._clock()
                await work()
                times.append(self._clock() - start)
            return 1000 * percentile(times, percent)

        values = await self._repeated(name, one_repeat)
        return self.add(f"{name} p{percent}", "ms", values, anchor=anchor, floor=floor)

    def add(
        self, name: str, unit: str, values: Sequence[float], *, anchor: str | None = None, floor: float | None = None
    ) -> Row:
        """A row that was measured by other means, one value for each repeat."""
        if anchor is not None and all(row.name != anchor for row in self.rows):
            raise ValueError(f"{name!r} is compared with {anchor!r}, which was not measured before it.")
        if any(row.name == name for row in self.rows):
            raise ValueError(f"{name!r} was measured already.")
        self.rows.append(Row(name, unit, tuple(values), anchor, floor))
        return self.rows[-1]

    async def _times(self, name: str, work: Work) -> list[float]:
        async def one_repeat() -> float:
            start = self._clock()
            await work()
            return self._clock() - start

        return await self._repeated(name, one_repeat)

    async def _repeated(self, name: str, one_repeat: Callable[[], Awaitable[float]]) -> list[float]:
        """Garbage is collected before each repeat, so that no repeat pays for the one before it."""
        self._progress(f"measuring {name}")
        for _ in range(self._warm_ups):
            await one_repeat()
        values = []
        for _ in range(self.repeats):
            gc.collect()
            values.append(await one_repeat())
        return values


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` of a hundred of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]


@dataclasses.dataclass(frozen=True, slots=True)
class Bench:
    """A named set of measurements; a room's benches live in its `bench.py` and are listed in `ops/bench.py`."""

    name: str
    summary: str
    measure: Callable[[Measuring], Awaitable[None]]
    needs_servers: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """Where a figure was measured."""

    cpu: str
    cores: int
    load: float
    python: str
    kernel: str
    commit: str
    dirty: bool

    def __str__(self) -> str:
        changed = " with uncommitted changes" if self.dirty else ""
        return (
            f"{self.cpu}, {self.cores} cores, load {self.load:.1f} at the start; {self.kernel}; Python {self.python}; "
            f"commit {self.commit}{changed}"
        )


def this_machine(root: Path = PROJECT_ROOT) -> Machine:
    """Asked before the first measurement, so that the load is that of the others."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        load=os.getloadavg()[0],
        python=f"{platform.python_version()} ({sys.platform})",
        kernel=f"{platform.system()} {platform.release()}",
        commit=_git(root, "rev-parse", "--short=12", "HEAD") or "unknown",
        dirty=bool(_git(root, "status", "--porcelain")),
    )


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    """None where there is no repository, as in a container."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


HEADINGS = ("", "median", "min", "max", "unit", "of its anchor", "floor")


def table(rows: Sequence[Row]) -> str:
    """The rows for people, figures to three digits."""
    medians = {row.name: row.median for row in rows}
    cells = [HEADINGS, *(_cells(row, medians) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = ["  ".join(map(_aligned, line, widths, range(len(widths)))).rstrip() for line in cells]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in (0, 4) else cell.rjust(width)


def _cells(row: Row, medians: Mapping[str, float]) -> tuple[str, ...]:
    ratio = f"{100 * row.median / medians[row.anchor]:.0f} % of {row.anchor}" if row.anchor else ""
    floor = "" if row.floor is None else f"{figure(row.floor)} {'met' if row.is_met else 'MISSED'}"
    return (
        row.name, figure(row.median), figure(min(row.values)), figure(max(row.values)), row.unit, ratio, floor,
    )  # fmt: skip


def figure(value: float) -> str:
    """Three digits that count: 1.23, 12.3, 123, 12,300."""
    if value == 0 or abs(value) >= 100:
        digits = len(str(int(abs(value))))
        return f"{round(value, min(3 - digits, 0)):,.0f}"
    return f"{value:.3g}"


def report(
    machine: Machine, settings: Settings, measured: Mapping[str, Sequence[Row]], at: datetime | None = None
) -> str:
    """Everything as JSON, every repeat included."""
    body = {
        "at": (at or datetime.now(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "machine": dataclasses.asdict(machine),
        "journal_flush": settings.journal_flush,
        "benches": {
            name: [{**dataclasses.asdict(row), "median": row.median, "met": row.is_met} for row in rows]
            for name, rows in measured.items()
        },
    }
    return json.dumps(body, indent=1) + "\n"
