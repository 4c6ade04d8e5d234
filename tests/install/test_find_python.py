"""Which Python is taken: the newest that really runs and can make an environment; else one sentence says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.settings import PROJECT_ROOT

ALL = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")


def command(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    return folder / name


def works(folder: Path, name: str, version: str) -> Path:
    return command(folder, name, f"echo {version}")


def find(*folders: Path, python: str = "", names: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = subprocess.run(
        [PROJECT_ROOT / "bin" / "find-python", *names],
        env={"PATH": ":".join(map(str, folders)), "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_newest_is_taken(tmp_path: Path) -> None:
    for minor in (11, 13, 12):
        works(tmp_path / "a bin", f"python3.{minor}", f"3.{minor}.1")
    assert find(tmp_path / "a bin") == (0, f"{tmp_path}/a bin/python3.13\n", "")


def test_a_command_that_only_fails_hides_none_that_works(tmp_path: Path) -> None:
    command(tmp_path / "shims", "python3.12", "echo 'python3.12: command not found' >&2; exit 127")
    works(tmp_path / "bin", "python3.12", "3.12.4")
    assert find(tmp_path / "shims", tmp_path / "bin") == (0, f"{tmp_path}/bin/python3.12\n", "")


def test_one_that_is_too_old_is_named(tmp_path: Path) -> None:
    command(tmp_path / "bin", "python3", "echo 3.9.2; exit 3")
    code, out, err = find(tmp_path / "bin")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"there is none on PATH ({tmp_path}/bin/python3 is 3.9.2): install one" in err


def test_one_without_venv_is_named(tmp_path: Path) -> None:
    command(tmp_path / "bin", "python3.11", "echo 3.11.2; exit 4")
    code, _, err = find(tmp_path / "bin")
    assert (code, err.count("\n")) == (1, 1)
    assert f"({tmp_path}/bin/python3.11 (3.11.2) has no venv module)" in err


def test_a_machine_without_python_gets_one_sentence(tmp_path: Path) -> None:
    code, out, err = find(tmp_path)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Tidemark needs Python 3.11 to 3.14 with its venv module, and there is none on PATH: install")


def test_the_one_that_is_asked_for_is_the_only_one_tried(tmp_path: Path) -> None:
    works(tmp_path / "bin", "python3.14", "3.14.0")
    mine = works(tmp_path / "mine", "py", "3.12.0")
    assert find(tmp_path / "bin", python=str(mine)) == (0, f"{mine}\n", "")
    old = command(tmp_path / "mine", "old", "echo 3.8.1; exit 3")
    code, out, err = find(tmp_path / "bin", python=str(old))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"PYTHON={old} cannot be used ({old} is 3.8.1)")


def test_names_that_are_given_are_the_ones_looked_for(tmp_path: Path) -> None:
    for minor in (11, 14):
        works(tmp_path / "bin", f"python3.{minor}", f"3.{minor}.1")
    assert find(tmp_path / "bin", names=("python3.11",)) == (0, f"{tmp_path}/bin/python3.11\n", "")
    assert find(tmp_path / "bin", names=("python3.12",))[0] == 1


@pytest.mark.parametrize("name", ALL)
def test_the_check_itself_runs_on_a_real_python(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(sys.executable)
    assert find(tmp_path) == (0, f"{tmp_path}/{name}\n", "")
