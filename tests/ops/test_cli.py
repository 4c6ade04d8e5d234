"""The command as it is typed: help, exit codes, and sentences instead of stack traces."""

import argparse
import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ops import cli
from runtime.embedded.program import Broken
from runtime.settings import PROJECT_ROOT, SettingsError


def tidemark(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "ops.cli", *arguments),
        cwd=PROJECT_ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_help_names_every_verb() -> None:
    done = tidemark("--help")
    assert done.returncode == 0
    assert [verb for verb in cli.VERBS if f"    {verb}" not in done.stdout] == []


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_file_and_a_help(verb: str) -> None:
    assert importlib.import_module(f"ops.{verb.replace('-', '_')}").register
    parser = cli._parser([verb])
    with pytest.raises(SystemExit) as end:
        parser.parse_args([verb, "--help"])
    assert end.value.code == 0


@pytest.mark.parametrize("arguments", [[], ["dance"], ["logs"], ["status", "--yaml"]])
def test_what_was_asked_wrongly_is_a_usage_error(arguments: list[str]) -> None:
    done = tidemark(*arguments)
    assert (done.returncode, done.stdout, done.stderr.startswith("usage: tidemark")) == (2, "", True)


def test_a_wrong_setting_is_one_sentence() -> None:
    done = tidemark("status", TIDEMARK_PORT="many")
    sentence = "tidemark: TIDEMARK_PORT is 'many': write a whole number from 1 to 65535.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Broken("the disk is full"), 1, "tidemark: the disk is full\n"),
        (SettingsError("PORT is wrong"), 1, "tidemark: PORT is wrong\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_verb_raises_becomes_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    def run(_args: argparse.Namespace) -> int:
        raise error

    assert cli._run(argparse.Namespace(run=run)) == code
    assert capsys.readouterr().err == said


def test_a_python_that_is_too_old_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == (
        "tidemark: this is Python 3.9, and 3.11 or newer is needed: run `make install`.\n"
    )


def test_the_command_itself_can_be_read_by_an_old_python() -> None:
    compile((PROJECT_ROOT / "ops" / "cli.py").read_text(), "cli.py", "exec", dont_inherit=True)
    import ast

    ast.parse((PROJECT_ROOT / "ops" / "cli.py").read_text(), feature_version=(3, 7))


def test_status_imports_no_client_library() -> None:
    heavy = ("aiohttp", "aiokafka", "asyncpg", "faust", "mode", "pydantic", "redis")
    text = f"import sys, ops.status\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run((sys.executable, "-c", text), cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("line\n" * 100_000)
    environ = {**os.environ, "TIDEMARK_HOME": str(tmp_path)}
    command = f"{shlex.quote(sys.executable)} -m ops.cli logs api -n 100000 | head -1"
    done = subprocess.run(
        ("sh", "-c", command), cwd=PROJECT_ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("line\n", "")
