"""One program kept running: what heals, what fails a start, and what a person reads about it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from runtime.embedded import runfiles
from runtime.embedded.child import Backoff, Child
from runtime.embedded.home import Home
from runtime.embedded.program import Broken
from runtime.embedded.runfiles import RunFile, State
from tests.runtime.embedded.programs import DEAF, FAIL, SERVE, SLOW, Script, lives, until


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "a home", cache=tmp_path / "cache")
    home.make()
    return home


class Told(list[str]):
    """Progress that is remembered."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def told() -> Told:
    return Told()


def child_of(home: Home, script: Script, told: Told, *, ready_timeout_s: float = 30) -> Child:
    return Child(script, home, ready_timeout_s=ready_timeout_s, progress=told)


def pid_of(child: Child) -> int:
    assert child.running is not None
    return child.running.pid


async def test_a_start_returns_when_the_program_is_ready(home: Home, tmp_path: Path, told: Told) -> None:
    script = Script("matching", SERVE, tmp_path, address="127.0.0.1:1")
    async with child_of(home, script, told) as child:
        assert script.mark.exists()
        assert home.former_children() == {"matching": pid_of(child)}
        ready = RunFile(name="matching", state=State.READY, address="127.0.0.1:1")
        assert (told, runfiles.read(home), script.prepared) == (
            ["matching is ready at 127.0.0.1:1"],
            {"matching": ready},
            1,
        )
    assert (home.former_children(), child.running) == ({}, None)
    assert child.log_file.last_lines(1) == ["saving"]


async def test_a_killed_child_is_healed_and_both_logs_say_why(
    home: Home, tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async with child_of(home, Script("wallet", SERVE, tmp_path), told) as child:
        first = pid_of(child)
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(told) == 3)
        assert not lives(first)
        assert pid_of(child) != first
        assert home.former_children() == {"wallet": pid_of(child)}
        why = "wallet was killed by SIGKILL; it starts again in 0.1 s"
        assert told == ["wallet is ready", f"{why}. See `tidemark logs wallet`.", "wallet is ready"]
        assert any(line.endswith(why) for line in child.log_file.last_lines(5))
        assert f"{why}. The last lines of {child.log_file.path}:\n    serving" in caplog.text
        healed = RunFile(name="wallet", state=State.READY, restarts=1, reason="was killed by SIGKILL")
        assert runfiles.read(home) == {"wallet": healed}
        environment = Path(f"/proc/{pid_of(child)}/environ")
        if environment.exists():  # where the kernel keeps it
            assert b"\0TIDEMARK_RESTARTS=1\0" in b"\0" + environment.read_bytes()


async def test_a_child_that_never_gets_ready_fails_the_start_with_its_last_lines(
    home: Home, tmp_path: Path, told: Told
) -> None:
    child = child_of(home, Script("api", SLOW, tmp_path), told, ready_timeout_s=1)
    with pytest.raises(Broken) as broken:
        await child.start()
    pid = pid_of(child)
    await child.stop()
    assert str(broken.value) == (
        "api was not ready within 1 s: it has not made its mark. "
        f"The last lines of {child.log_file.path}:\n    thinking"
    )
    assert not lives(pid)


async def test_a_child_that_ends_at_once_fails_the_start_after_a_few_lives(
    home: Home, tmp_path: Path, told: Told
) -> None:
    child = child_of(home, Script("api", FAIL, tmp_path), told)
    with pytest.raises(Broken) as broken:
        await child.start()
    await child.stop()
    assert str(broken.value) == (
        "api did not get ready in 3 attempts: it exited with code 3. "
        f"The last lines of {child.log_file.path}:\n    the sky is falling"
    )
    assert [line.partition("; ")[2] for line in told] == [
        "it starts again in 0.1 s. See `tidemark logs api`.",
        "it starts again in 0.2 s. See `tidemark logs api`.",
    ]


async def test_a_program_that_cannot_be_prepared_is_never_started(home: Home, tmp_path: Path, told: Told) -> None:
    child = child_of(home, Script("kafka", SERVE, tmp_path, broken="no Java"), told)
    with pytest.raises(Broken, match=r"^no Java$"):
        await child.start()
    await child.stop()
    assert (child.log_file.path.exists(), home.former_children()) == (False, {})


async def test_a_deaf_child_is_killed_after_its_time(
    home: Home, tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    child = child_of(home, Script("desk", DEAF, tmp_path, stop_timeout_s=0.2), told)
    await child.start()
    pid = pid_of(child)
    await child.stop()
    assert not lives(pid)
    assert "desk did not stop within 0.2 s and was killed" in caplog.messages


async def test_less_time_than_the_command_asks_for_is_kept_too(
    home: Home, tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    child = child_of(home, Script("desk", DEAF, tmp_path, stop_timeout_s=600), told)
    await child.start()
    child.stop_within_s = 0.1
    await child.stop()
    assert "desk did not stop within 0.1 s and was killed" in caplog.messages


async def test_two_stops_at_once_are_one(home: Home, tmp_path: Path, told: Told) -> None:
    child = child_of(home, Script("desk", SERVE, tmp_path), told)
    await child.start()
    await asyncio.gather(child.stop(), child.stop())
    assert child.log_file.path.read_text().count("saving") == 1


async def test_a_start_that_is_broken_off_leaves_nothing_running(home: Home, tmp_path: Path, told: Told) -> None:
    child = child_of(home, Script("api", SLOW, tmp_path), told)
    starting = asyncio.create_task(child.start())
    await until(lambda: child.running is not None)
    pid = pid_of(child)
    starting.cancel()
    await asyncio.wait({starting})
    await child.stop()
    assert not lives(pid)


async def test_a_child_that_dies_while_it_waits_for_its_next_start_is_not_started_by_a_stop(
    home: Home, tmp_path: Path, told: Told
) -> None:
    child = child_of(home, Script("desk", SERVE, tmp_path), told)
    await child.start()
    os.kill(pid_of(child), signal.SIGKILL)
    await until(lambda: child.running is None)
    await child.stop()
    assert (child.running, home.former_children()) == (None, {})
    assert child.log_file.path.read_text().count("started with process id") == 1


async def test_a_fault_of_ours_in_a_probe_crashes_the_tree(home: Home, tmp_path: Path, told: Told) -> None:
    class Faulty(Script):
        async def probe(self) -> None:
            raise ZeroDivisionError

    child = child_of(home, Faulty("desk", SERVE, tmp_path), told)
    await child.start()
    assert isinstance(child.crash_reason, ZeroDivisionError)
    await child.stop()
    assert child.running is None


def test_the_pause_doubles_to_its_limit_and_starts_afresh_after_a_healthy_life() -> None:
    backoff = Backoff()
    assert [backoff.pause_s(0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert [backoff.pause_s(60), backoff.pause_s(9)] == [0.1, 0.2]
