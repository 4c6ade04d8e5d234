"""The tree: what starts after what, what stops before what, and what a start that fails leaves behind."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from runtime.embedded import runfiles, supervisor
from runtime.embedded.child import Child
from runtime.embedded.home import Home
from runtime.embedded.program import Broken
from runtime.embedded.runfiles import State
from runtime.embedded.supervisor import Stage, Step, Supervisor, run
from tests.runtime.embedded.programs import DEAF, FAIL, SERVE, SLOW, Script, until


class Ground:
    """A home, and scripts that note in one list what becomes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home", cache=folder / "cache")
        self.home.make()
        self.story: list[str] = []
        self.children: dict[str, Child] = {}

    def stage(self, name: str, **texts: str) -> Stage:
        for child, text in texts.items():
            script = Script(child, text, self.folder)
            self.children[child] = Child(script, self.home, ready_timeout_s=30, progress=self.story.append)
        return Stage(name, [self.children[child] for child in texts])

    def step(self, name: str) -> Step:
        async def work() -> None:
            self.story.append(name)

        return Step(name, work)

    def ends(self) -> list[str]:
        """Names in the order in which they said that they were saving."""
        logs = [log for log in self.home.logs.glob("*.log") if "saving" in log.read_text()]
        return [log.stem for log in sorted(logs, key=lambda log: log.stat().st_mtime_ns)]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


async def test_stages_start_in_order_and_stop_in_reverse(ground: Ground) -> None:
    plan = [
        ground.step("look"),
        ground.stage("servers", kafka=SERVE),
        ground.step("migrate"),
        ground.stage("agents", wallet=SERVE),
        ground.stage("api", api=SERVE),
    ]
    told = asyncio.Event()
    states: list[State] = []

    def ready() -> None:
        states.extend(file.state for file in runfiles.read(ground.home).values())
        told.set()

    await run(Supervisor(ground.home, plan), told, ready)
    assert ground.story == ["look", "kafka is ready", "migrate", "wallet is ready", "api is ready"]
    assert states == [State.READY] * 4
    assert ground.ends() == ["api", "wallet", "kafka"]
    assert (runfiles.read(ground.home), ground.home.former_children()) == ({}, {})


async def test_children_of_one_stage_start_side_by_side(ground: Ground) -> None:
    tree = Supervisor(ground.home, [ground.stage("servers", slow=SLOW, fast=SERVE)])
    starting = asyncio.create_task(tree.start())
    await until(lambda: ground.story == ["fast is ready"])
    assert ground.children["slow"].running is not None
    starting.cancel()
    await asyncio.wait({starting})
    await tree.stop()


async def test_groups_of_one_stage_start_side_by_side_and_stop_the_last_first(ground: Ground) -> None:
    agents, api = ground.stage("agents", wallet=SERVE).children, ground.stage("api", api=SERVE).children
    tree = Supervisor(ground.home, [Stage("exchange", [*ground.stage("slow", slow=SLOW).children, *agents], api)])
    starting = asyncio.create_task(tree.start())
    await until(lambda: sorted(ground.story) == ["api is ready", "wallet is ready"])
    starting.cancel()
    await asyncio.wait({starting})
    await tree.stop()
    assert ground.ends() == ["api", "wallet"]


async def test_a_start_that_fails_stops_what_it_had_started_and_starts_no_more(ground: Ground) -> None:
    plan = [
        ground.stage("servers", kafka=SERVE, valkey=SERVE),
        ground.stage("agents", wallet=FAIL, matching=SLOW),
        ground.stage("api", api=SERVE),
    ]
    with pytest.raises(Broken, match=r"^wallet did not get ready in 3 attempts: it exited with code 3\."):
        await run(Supervisor(ground.home, plan), asyncio.Event(), lambda: None)
    assert sorted(ground.ends()) == ["kafka", "valkey"]
    assert ground.home.former_children() == {}
    assert not (ground.home.logs / "api.log").exists()


async def test_what_is_broken_in_several_children_is_told_of_each(ground: Ground) -> None:
    stage = Stage(
        "servers",
        [
            Child(Script(name, SERVE, ground.folder, broken=f"{name} has no jars"), ground.home, ready_timeout_s=30)
            for name in ("kafka", "postgres")
        ],
    )
    with pytest.raises(Broken) as broken:
        await run(Supervisor(ground.home, [stage]), asyncio.Event(), lambda: None)
    assert "kafka has no jars" in str(broken.value)


async def test_a_stop_while_starting_ends_the_start(ground: Ground) -> None:
    told = asyncio.Event()
    plan = [ground.stage("servers", kafka=SERVE), ground.stage("agents", wallet=SLOW), ground.stage("api", api=SERVE)]
    running = asyncio.create_task(run(Supervisor(ground.home, plan), told, lambda: ground.story.append("ready")))
    await until(lambda: "wallet" in ground.children and ground.children["wallet"].running)
    told.set()
    await running
    assert (ground.story, ground.ends()) == (["kafka is ready"], ["kafka"])
    assert ground.home.former_children() == {}


async def test_those_that_hang_leave_time_for_those_that_stop_after_them(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "STOP_WITHIN_S", 1.0)
    monkeypatch.setattr(supervisor, "RESERVED_PER_STAGE_S", 0.4)
    told = asyncio.Event()
    plan = [ground.stage("servers", kafka=SERVE), ground.stage("agents", wallet=DEAF), ground.stage("api", api=DEAF)]
    await run(Supervisor(ground.home, plan), told, told.set)
    assert [line for line in caplog.messages if "did not stop" in line] == [
        "api did not stop within 0.2 s and was killed",
        "wallet did not stop within 0.4 s and was killed",
    ]
    assert ground.ends() == ["kafka"]


async def test_a_dead_child_does_not_disturb_its_neighbours(ground: Ground) -> None:
    told = asyncio.Event()
    plan = [ground.stage("servers", kafka=SERVE, valkey=SERVE)]
    pids: list[int] = []

    def ready() -> None:
        running = {name: child.running for name, child in ground.children.items()}
        pids.extend(one.pid for one in running.values() if one is not None)
        os.kill(pids[0], signal.SIGKILL)

    living = asyncio.create_task(run(Supervisor(ground.home, plan), told, ready))
    await until(lambda: ground.story.count("kafka is ready") == 2)
    former = ground.home.former_children()
    assert former["kafka"] != pids[0]
    assert former["valkey"] == pids[1]
    told.set()
    await living


async def test_a_fault_of_ours_stops_everything_and_is_raised(ground: Ground) -> None:
    class Faulty(Script):
        async def probe(self) -> None:
            raise ZeroDivisionError

    servers = ground.stage("servers", kafka=SERVE)
    faulty = Child(Faulty("wallet", SERVE, ground.folder), ground.home, ready_timeout_s=30)
    plan = [servers, Stage("agents", [faulty]), ground.stage("api", api=SERVE)]
    with pytest.raises(ZeroDivisionError):
        await run(Supervisor(ground.home, plan), asyncio.Event(), lambda: ground.story.append("ready"))
    assert (ground.story, ground.ends()) == (["kafka is ready"], ["kafka"])
    assert ground.home.former_children() == {}


async def test_logs_are_rotated_while_their_writers_run(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ground.home.logs / "kafka.log"
    with log.open("w") as file:
        file.truncate(9 << 20)
    (ground.home.logs / "api.log").write_text("small\n")
    supervisor.rotate_logs(ground.home)
    assert (log.stat().st_size, sorted(path.name for path in ground.home.logs.iterdir())) == (
        0,
        ["api.log", "kafka.log", "kafka.log.1"],
    )
