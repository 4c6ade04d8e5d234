"""`tidemark bench` finds benches by name, prints tables and writes the report."""

import argparse
import asyncio
import json
import os
import signal

import pytest

from ops import bench
from runtime.bench import Bench, Measuring


async def measure(measuring: Measuring) -> None:
    measuring.add("thing", "1/s", [1.0, 2.0, 3.0])


@pytest.fixture
def known(monkeypatch):
    benches = {"one": Bench("one", "the first", measure, needs_servers=False)}
    monkeypatch.setattr(bench, "benches", lambda: benches)


def asked(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.register(parser.add_subparsers())
    return parser.parse_args(["bench", *arguments])


def test_a_bench_is_run_printed_and_reported(known, capsys, tmp_path):
    assert bench.run(asked("one", "--json", str(tmp_path / "report.json"))) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "commit " in printed[0]
    assert "one: the first; median of 5" in printed
    assert printed[-2].split() == ["thing", "2", "1", "3", "1/s"]
    assert json.loads((tmp_path / "report.json").read_text())["benches"]["one"][0]["median"] == 2.0


def test_a_stop_in_the_middle_clears_up_and_says_so(monkeypatch, capsys):
    cleared = []

    async def stopped(_measuring: Measuring) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            cleared.append(True)

    monkeypatch.setattr(bench, "benches", lambda: {"one": Bench("one", "the first", stopped, needs_servers=False)})
    assert bench.run(asked("one")) == 128 + signal.SIGTERM
    assert cleared == [True]
    assert capsys.readouterr().err.endswith("tidemark: stopped.\n")


@pytest.mark.parametrize("arguments", [("two",), ("one", "--repeats", "0")])
def test_a_wrong_question_is_answered_with_a_sentence(known, capsys, arguments):
    assert bench.run(asked(*arguments)) == 2
    assert capsys.readouterr().err.startswith("tidemark: ")


def test_the_list(known, capsys):
    assert bench.run(asked("--list")) == 0
    assert capsys.readouterr().out == "one              the first\n"


def test_every_listed_module_has_a_bench_of_its_own_name():
    assert list(bench.benches()) == list(dict.fromkeys(bench.benches()))
    assert "anchors" in bench.benches()
    assert len(bench.benches()) == len(bench.MODULES)
