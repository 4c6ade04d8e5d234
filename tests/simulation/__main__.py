"""Runs the simulator over many seeds: `python -m tests.simulation --seeds 1000 --first 1`.

A failing seed is printed with the end of its trace, the commit, and the command that runs it again alone.
"""

import argparse
import gc
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter

from tests.simulation.world import Report, simulate

LAST_LINES = 60
LEAST_STEPS, LEAST_CRASHES = 200, 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--trace", action="store_true", help="print all that happened, and each seed's histogram")
    asked = parser.parse_args()
    began, total, failed = time.monotonic(), Counter[str](), []
    steps = crashes = 0
    seeds = range(asked.first, asked.first + asked.seeds)
    for report in _reports(seeds, 1 if asked.trace else asked.jobs):
        total += report.histogram
        steps, crashes = steps + report.steps, crashes + report.crashes
        wrong = _wrong(report)
        if wrong:
            failed.append(report.seed)
            _tell(report, wrong, None if asked.trace else LAST_LINES)
        elif asked.trace:
            _tell(report, "", None)
        else:
            print(_line(report))
    seconds = time.monotonic() - began
    print(f"\n{len(seeds)} seeds, {steps:,} steps, {crashes:,} deaths, {len(seeds) / seconds:.1f} seeds a second")
    print(histogram(total))
    print(f"FAILED: {failed}" if failed else "every invariant held in every seed")
    return 1 if failed else 0


def _reports(seeds: range, jobs: int):
    gc.freeze()  # the modules: a collection need not look at them in every seed
    if jobs <= 1 or len(seeds) == 1:
        yield from map(_simulated, seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_simulated, seeds, chunksize=4)


def _simulated(seed: int) -> Report:
    report = simulate(seed)
    if report.violation is None and multiprocessing.parent_process() is not None:
        report.trace.clear()  # nobody will read it, and it is long
    return report


def _wrong(report: Report) -> str:
    if report.violation is not None:
        return str(report.violation)
    if report.steps < LEAST_STEPS or report.crashes < LEAST_CRASHES:
        return f"the seed is too tame: {report.steps} steps, {report.crashes} deaths"
    return ""


def _line(report: Report) -> str:
    faults = {name.removeprefix("fault: "): n for name, n in report.histogram.items() if name.startswith("fault: ")}
    shown = ", ".join(f"{name} {n}" for name, n in sorted(faults.items()))
    return f"seed {report.seed}: {report.steps} steps, {report.crashes} deaths; {shown}"


def _tell(report: Report, wrong: str, last: int | None) -> None:
    lines = list(report.lines())
    if last is not None and len(lines) > last:
        print(f"... {len(lines) - last} lines before these; --trace shows them")
        lines = lines[-last:]
    print("\n".join(lines))
    print(histogram(report.histogram))
    print(f"seed {report.seed}: {wrong}" if wrong else _line(report))
    if wrong:
        print(f"commit {_commit()}; again, alone:  make sim SEEDS=1 FIRST={report.seed} ARGS=--trace\n")


def histogram(counts: Counter[str]) -> str:
    return "\n".join(f"{count:>10,}  {name}" for name, count in sorted(counts.items()))


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
