"""The harness warms up, repeats, takes medians, compares, and names where it measured. No test here asserts a time."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.bench import Machine, Measuring, Row, figure, percentile, report, table, this_machine
from runtime.settings import Settings

SETTINGS = Settings(home=Path("/nowhere"))
MACHINE = Machine("a CPU", 2, 0.25, "3.11.7 (linux)", "Linux 6.1", "abc123", dirty=True)


class Clock:
    """A clock on which work takes as long as the test says."""

    def __init__(self, *durations: float) -> None:
        self.now = 0.0
        self.durations = list(durations)
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    async def work(self) -> None:
        self.calls += 1
        self.now += self.durations.pop(0)


def measuring(clock, **options) -> Measuring:
    return Measuring(SETTINGS, clock=clock, **options)


async def test_a_rate_leaves_out_the_warm_up_and_keeps_every_repeat():
    clock = Clock(100.0, 2.0, 1.0, 4.0)
    row = await measuring(clock, repeats=3).rate("produce", 8, clock.work, unit="records/s", floor=5.0)
    assert row == Row("produce", "records/s", (4.0, 8.0, 2.0), None, 5.0)
    assert (row.median, row.is_met, clock.calls) == (4.0, False, 4)


async def test_a_latency_is_a_percentile_of_each_repeat():
    clock = Clock(9.0, 9.0, 0.001, 0.003, 0.005, 0.004)
    row = await measuring(clock, repeats=2).latency("round trip", 2, clock.work, percent=99, floor=5.0)
    assert row.name == "round trip p99"
    assert row.values == pytest.approx((3.0, 5.0))
    assert row.is_met is True


def test_percentiles_are_values_that_occurred():
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, p) for p in (0, 20, 21, 50, 99, 100)] == [1.0, 1.0, 2.0, 3.0, 5.0, 5.0]


def test_a_row_is_compared_only_with_a_row_before_it_and_measured_only_once():
    one = measuring(Clock())
    with pytest.raises(ValueError, match="was not measured before it"):
        one.add("ours", "1/s", [1.0], anchor="bare")
    one.add("bare", "1/s", [1.0])
    one.add("ours", "1/s", [1.0], anchor="bare")
    with pytest.raises(ValueError, match="measured already"):
        one.add("ours", "1/s", [1.0])


def test_the_table():
    rows = [
        Row("bare", "orders/s", (20_000.0, 24_000.0, 22_000.0)),
        Row("ours", "orders/s", (11_000.0,), "bare", 7_000.0),
        Row("p99", "ms", (101.0,), None, 100.0),
    ]
    assert table(rows).splitlines() == [
        "      median     min     max  unit      of its anchor       floor",
        "-" * 65,
        "bare  22,000  20,000  24,000  orders/s",
        "ours  11,000  11,000  11,000  orders/s   50 % of bare   7,000 met",
        "p99      101     101     101  ms                       100 MISSED",
    ]


def test_figures_have_three_digits_that_count():
    values = (0, 0.012345, 1.0, 12.345, 99.96, 100.4, 999.6, 12_345, 1_234_567)
    assert [figure(value) for value in values] == [
        "0", "0.0123", "1", "12.3", "100", "100", "1,000", "12,300", "1,230,000",
    ]  # fmt: skip


def test_the_report_names_machine_commit_and_every_repeat():
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert json.loads(report(MACHINE, SETTINGS, {"anchors": [Row("bare", "1/s", (1.0, 3.0), None, 2.0)]}, at)) == {
        "at": "2030-01-02T03:04:05Z",
        "machine": {
            "cpu": "a CPU", "cores": 2, "load": 0.25, "python": "3.11.7 (linux)", "kernel": "Linux 6.1",
            "commit": "abc123", "dirty": True,
        },
        "journal_flush": True,
        "benches": {
            "anchors": [
                {
                    "name": "bare", "unit": "1/s", "values": [1.0, 3.0], "anchor": None, "floor": 2.0,
                    "median": 2.0, "met": True,
                }
            ]
        },
    }  # fmt: skip
    assert str(MACHINE) == (
        "a CPU, 2 cores, load 0.2 at the start; Linux 6.1; Python 3.11.7 (linux); "
        "commit abc123 with uncommitted changes"
    )


def test_a_changed_file_makes_the_commit_dirty(tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    assert (this_machine(tmp_path).commit, this_machine(tmp_path).dirty) == (git("rev-parse", "HEAD")[:12], False)
    (tmp_path / "file").write_text("two")
    assert this_machine(tmp_path).dirty


def test_without_a_repository_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (this_machine(tmp_path).commit, this_machine(tmp_path).dirty) == ("unknown", False)
