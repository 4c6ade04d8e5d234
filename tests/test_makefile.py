"""The Makefile and the scripts in bin/: every target is there, does what it says and works on an old make."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.settings import PROJECT_ROOT

MAKEFILE = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
SCRIPTS = sorted(path for path in (PROJECT_ROOT / "bin").iterdir() if path.suffix == "")
TARGETS = {
    *("help", "run", "test", "check", "check-full", "lint", "bench", "sim", "drills", "doctor", "status", "clean"),
    *("bench-matching", "bench-api", "bench-sockets"),
    *("install", "runserver", "migrate", "dump-data", "seeder", "create-superuser", "shell", "show-urls"),
    *("prepare-compose", "build", "up", "up-force", "down", "lock"),
}


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    foreign = ("MAKE", "ARGS", "FILE", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | variables
    return subprocess.run(["make", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a space in its name, where every tool that a target calls prints its arguments."""
    place = tmp_path / "a clone"
    shutil.copytree(PROJECT_ROOT / "bin", place / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    tools = [place / "bin" / name for name in ("install", "compose", "lock", "test-second-python", "prepare-compose")]
    tools += [place / ".venv" / "bin" / name for name in ("tidemark", "python", "ruff", "mypy")]
    for tool in tools:
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(f'#!/bin/sh\nprintf "%s" "{tool.name}"; printf " [%s]" "$@"; echo\n', encoding="utf-8")
        tool.chmod(0o755)
    return place


def test_help_is_the_default_and_has_a_line_for_every_target(clone: Path) -> None:
    done = make(clone)
    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines()} == TARGETS
    assert all(re.fullmatch(r"  make \S+ +\S.*", line) for line in done.stdout.splitlines())


def test_every_target_is_phony() -> None:
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].replace("\\\n", " ").split()) == TARGETS


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["run"], ["install [run]", "tidemark [up]"]),
        (["seeder"], ["install [run]", "tidemark [seed]"]),
        (["seeder", "FILE=a dump.json"], ["install [run]", "tidemark [seed] [a dump.json]"]),
        (["dump-data", "FILE=a dump.json"], ["install [run]", "tidemark [dump] [a dump.json]"]),
        (["status", "ARGS=--json"], ["install [run]", "tidemark [status] [--json]"]),
        (["create-superuser"], ["install [run]", "tidemark [admin] [create]"]),
        (["runserver"], ["install [run]", "python [-m] [api]"]),
        (["install"], ["install [dev]"]),
        (["up"], ["compose [up] [--detach] [--wait]"]),
        (["sim"], ["install [dev]", "python [-m] [tests.simulation] [--seeds] [1000] [--first] [1]"]),
        (
            ["sim", "SEEDS=1", "FIRST=7"],
            ["install [dev]", "python [-m] [tests.simulation] [--seeds] [1] [--first] [7]"],
        ),
        (["drills", "ARGS=--only kill-wallet"], ["install [dev]", "python [-m] [tests.drills] [--only] [kill-wallet]"]),
        (["down"], ["compose [down]"]),
    ],
)
def test_a_target_calls_its_tool(clone: Path, arguments: list[str], lines: list[str]) -> None:
    done = make(clone, *arguments)
    assert (done.returncode, done.stdout.splitlines()) == (0, lines)


def test_a_run_compiles_first_where_python_is_told_to_keep_no_bytecode(clone: Path) -> None:
    done = make(clone, "run", PYTHONDONTWRITEBYTECODE="1")
    compiling = "python [-m] [compileall] [-q] [agents] [api] [ledger] [ops] [runtime] [schemas]"
    assert done.stdout.splitlines() == ["install [run]", compiling, "tidemark [up]"]


def test_clean_removes_what_was_made_and_no_source(clone: Path) -> None:
    for folder in ("agents", "api", "ledger", "ops", "runtime", "schemas", "tests"):
        (clone / folder / "__pycache__").mkdir(parents=True)
        (clone / folder / "kept.py").touch()
    assert make(clone, "clean").returncode == 0
    assert not (clone / ".venv").exists()
    assert {path.name for path in clone.rglob("*") if path.is_file()} >= {"kept.py", "Makefile"}
    assert not list(clone.rglob("__pycache__"))


def test_the_makefile_keeps_to_what_make_381_knows() -> None:
    assert not re.search(
        r"^\.ONESHELL|^\S+\s*(!=|::=|:::=)|\$\((file|guile|let|intcmp) |\bprivate\b", MAKEFILE, re.MULTILINE
    )
    assert "$(CURDIR)" not in MAKEFILE  # a folder's name may hold spaces
    assert "$(shell" not in MAKEFILE


def test_every_verb_that_a_target_calls_exists() -> None:
    verbs = set(re.findall(r"tidemark ([a-z]+)", re.sub(r"##.*|#.*", "", MAKEFILE)))
    tidemark = Path(sys.executable).parent / "tidemark"
    assert {
        verb: subprocess.call([tidemark, verb, "--help"], stdout=subprocess.DEVNULL) for verb in sorted(verbs)
    } == dict.fromkeys(sorted(verbs), 0)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_says_first_what_it_is_for_and_is_plain_sh(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# ")
    assert os.access(script, os.X_OK)
    assert not re.search(r"\[\[|\blocal \w|<<<|\bfunction \w", script.read_text(encoding="utf-8"))
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
