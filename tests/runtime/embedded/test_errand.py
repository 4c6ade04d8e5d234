import asyncio
import os
from pathlib import Path

import pytest

from runtime.embedded.errand import Outcome, errand
from runtime.embedded.home import start_of
from runtime.embedded.program import Broken

ENV = {"PATH": os.environ["PATH"]}


async def test_an_errand_ends_with_its_code_and_all_it_said(tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = await errand(
        ("sh", "-c", "cat; echo to stderr >&2; exit 3"),
        env=ENV, cwd=tmp_path, timeout_s=20, stdin="from stdin\n", on_line=lines.append,
    )  # fmt: skip
    assert outcome == Outcome(3, "from stdin\nto stderr")
    assert lines == ["from stdin", "to stderr"]


async def test_a_reader_that_ends_early_is_no_fault(tmp_path: Path) -> None:
    outcome = await errand(("true",), env=ENV, cwd=tmp_path, timeout_s=20, stdin="x" * 1_000_000)
    assert outcome == Outcome(0, "")


async def test_a_late_errand_takes_its_children_along(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="sh did not end within 0 s"):
        await errand(("sh", "-c", f"sleep 60 & echo $! > '{tmp_path}/pid'; wait"), env=ENV, cwd=tmp_path, timeout_s=0.3)
    await _gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_errand_takes_its_children_along(tmp_path: Path) -> None:
    argv = ("sh", "-c", "sleep 60 & echo $!; wait")
    said: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(errand(argv, env=ENV, cwd=tmp_path, timeout_s=60, on_line=said.put_nowait))
    child = int(await said.get())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _gone(child)


async def test_a_program_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Broken, match=r"cannot be run|did not end") as caught:
        outcome = await errand((str(tmp_path / "nothing"),), env=ENV, cwd=tmp_path, timeout_s=20)
        raise Broken(f"cannot be run: {outcome.last_words()}")  # where setpriv is, it is the one that says so
    assert "nothing" in str(caught.value)


def test_the_last_words_are_the_error_and_not_its_stack() -> None:
    text = 'starting\nException in thread "main" java.io.IOException: full\n\tat a.b.C\n\tat d.e.F\n'
    assert Outcome(1, text).last_words() == 'Exception in thread "main" java.io.IOException: full'
    assert Outcome(1, "one\ntwo\n").last_words() == "two"
    assert Outcome(7, "").last_words() == "exit code 7"


async def _gone(pid: int) -> None:
    while start_of(pid) is not None:
        await asyncio.sleep(0.01)
