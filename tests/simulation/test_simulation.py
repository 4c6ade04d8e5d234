"""The whole exchange on fixed seeds, and planted bugs, each caught.

`make sim SEEDS=1000` runs many more seeds, and prints how to run one alone.
"""

import os
import subprocess
import sys

import pytest

from runtime.settings import PROJECT_ROOT
from tests.simulation.__main__ import LEAST_CRASHES, LEAST_STEPS
from tests.simulation.planted import PLANTED
from tests.simulation.world import Report, simulate

SEEDS = range(1, 33)
CAUGHT_WITHIN = 60


def shown(report: Report) -> str:
    lines = list(report.lines())[-40:]
    return "\n".join([*lines, f"seed {report.seed}: {report.violation}", f"make sim SEEDS=1 FIRST={report.seed}"])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_invariant_holds_through_every_fault(seed: int) -> None:
    report = simulate(seed)
    assert report.violation is None, shown(report)
    assert report.steps >= LEAST_STEPS
    assert report.crashes >= LEAST_CRASHES


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_caught(name: str) -> None:
    plant, invariants = PLANTED[name]
    for seed in range(1, CAUGHT_WITHIN):
        with plant():
            violation = simulate(seed).violation
        if violation is not None:
            assert violation.invariant in invariants.split(), violation
            return
    pytest.fail(f"{name} was not caught in {CAUGHT_WITHIN} seeds")


def digests() -> str:
    return " ".join(simulate(seed).digest() for seed in (3, 4, 5, 6))


def test_a_seed_is_the_same_in_every_process() -> None:
    code = "from tests.simulation.test_simulation import digests; print(digests())"
    said = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT_ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for hash_seed in ("0", "4711")
    ]  # fmt: skip
    assert {*said, digests(), digests()} == {said[0]}


def test_seeds_differ() -> None:
    assert len({simulate(seed).digest() for seed in (1, 2, 3)}) == 3
