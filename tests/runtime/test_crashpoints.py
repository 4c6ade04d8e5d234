"""A crash point kills at the named pass and nowhere else, leaves a trace, and does nothing outside tests."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import crashpoints
from runtime.crashpoints import POINTS, CrashPointError, arm

ROOT = Path(__file__).resolve().parents[2]
NAME = "topics.after_create"
PASSES = f"""
from runtime.crashpoints import crashpoint
for number in range(1, 6):
    crashpoint({NAME!r})
    print(number, flush=True)
"""


def run(**environ: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PASSES], cwd=ROOT, env={"PATH": os.environ["PATH"], **environ},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout.split()


def test_the_process_is_killed_at_the_named_pass_and_leaves_a_trace(tmp_path):
    trace = tmp_path / "trace"
    code, seen = run(TIDEMARK_TEST="1", CRASH_AT=f"{NAME}:3", CRASH_TRACE=str(trace))
    assert (code, seen) == (-signal.SIGKILL, ["1", "2"])
    assert trace.read_text().split(" ")[0] == f"{NAME}:3"


def test_a_restart_with_the_same_trace_lives(tmp_path):
    trace = tmp_path / "trace"
    order = {"TIDEMARK_TEST": "1", "CRASH_AT": f"{NAME}:1", "CRASH_TRACE": str(trace)}
    assert run(**order)[0] == -signal.SIGKILL
    assert run(**order) == (0, ["1", "2", "3", "4", "5"])
    assert len(trace.read_text().splitlines()) == 1


def test_another_order_in_the_same_trace_kills_again(tmp_path):
    trace = tmp_path / "trace"
    trace.write_text(f"{NAME}:1 77\n")
    assert run(TIDEMARK_TEST="1", CRASH_AT=f"{NAME}:2", CRASH_TRACE=str(trace)) == (-signal.SIGKILL, ["1"])


def test_nothing_dies_outside_tests():
    assert run(CRASH_AT=f"{NAME}:1") == (0, ["1", "2", "3", "4", "5"])
    assert arm({"CRASH_AT": f"{NAME}:1"}) is crashpoints._free


def test_an_unknown_name_is_refused_where_it_is_given_and_where_it_is_passed():
    with pytest.raises(CrashPointError, match="CRASH_AT names 'nowhere': the points are "):
        arm({"TIDEMARK_TEST": "1", "CRASH_AT": "nowhere:1"})
    with pytest.raises(CrashPointError, match="'nowhere' is not in the table"):
        arm({"TIDEMARK_TEST": "1"})("nowhere")


@pytest.mark.parametrize("order", [NAME, f"{NAME}:", f"{NAME}:0", f"{NAME}:-1", f"{NAME}:x", f"{NAME}:²"])
def test_a_malformed_order_is_refused(order):
    with pytest.raises(CrashPointError, match="write name:n"):
        arm({"TIDEMARK_TEST": "1", "CRASH_AT": order})


def calls_of_crashpoint(file: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) == "crashpoint"]


def test_the_table_names_exactly_the_points_that_the_code_passes():
    folders = ("agents", "api", "ledger", "ops", "runtime")
    calls = [call for folder in folders for file in (ROOT / folder).rglob("*.py") for call in calls_of_crashpoint(file)]
    assert {ast.unparse(call.args[0]).strip("'") for call in calls} == set(POINTS)
