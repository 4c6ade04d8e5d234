"""Every problem is found, all at once, and each comes with what mends it."""

import dataclasses
import os
import resource
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.embedded import doctor, java, postgres, roads, valkey
from runtime.embedded.doctor import Problem, examine, examine_quickly, free_memory
from runtime.embedded.home import Home, free_port, write_whole
from runtime.embedded.jars import read_lock
from runtime.settings import Settings


@pytest.fixture
def ground(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home", cache=tmp_path / "cache")


@pytest.fixture
def settings(ground: Home) -> Settings:
    return Settings(home=ground.path, port=free_port(set()))


def named(problems: list[Problem], name: str) -> list[tuple[str, str]]:
    return [(problem.what, problem.mend) for problem in problems if problem.name == name]


async def test_a_machine_on_which_all_is_well_has_no_problem_and_nothing_is_made(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEMARK_JARS", raising=False)
    assert await examine(settings, ground) == []
    assert not ground.path.exists()


async def test_many_problems_are_found_at_once(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.make()
    (ground.data / "postgres").mkdir()
    (ground.data / "postgres" / "PG_VERSION").write_text("12\n")
    monkeypatch.setattr(doctor, "FREE_DISK_BYTES", 1 << 60)
    monkeypatch.setattr(doctor, "FREE_MEMORY_BYTES", 1 << 60)
    monkeypatch.setattr(java, "candidates", lambda environ, packaged: [("PATH", None)])
    monkeypatch.setenv("TIDEMARK_JARS", str(ground.data))
    with socket.create_server(("127.0.0.1", settings.port)):
        settings = dataclasses.replace(settings, redis_host="127.0.0.1", redis_port=1)
        found = await examine(settings, ground)
    assert [problem.name for problem in found] == ["disk", "memory", "port", "java", "jar", "data", "external server"]
    assert all(problem.what.endswith(".") and problem.mend for problem in found)


def test_a_taken_port_says_by_whom(ground: Home, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.port)):
        found = examine_quickly(settings, ground)
    assert [(problem.name, f"(process id {os.getpid()})" in problem.what) for problem in found] == [("port", True)]


def test_servers_alone_do_not_need_the_port_of_the_api(ground: Home, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.port)):
        assert examine_quickly(settings, ground, servers_only=True) == []


def test_a_kept_port_that_another_took_says_for_whom_it_was(ground: Home, settings: Settings) -> None:
    ground.make()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        write_whole(ground.path / "ports.json", f'{{"kafka": {port}}}')
        ((what, mend),) = named(examine_quickly(settings, ground), "port")
    assert what.startswith(f"Port {port}, kept for kafka, is taken by ")
    assert mend.endswith(f"rm '{ground.path}/ports.json'")


def test_ports_in_use_by_what_a_supervisor_left_are_no_problem(ground: Home, settings: Settings) -> None:
    ground.make()
    with socket.create_server(("127.0.0.1", settings.port)):
        ground.remember_child("api", os.getpid())
        assert examine_quickly(settings, ground) == []


async def test_a_held_lock_says_by_whom(ground: Home, settings: Settings) -> None:
    with ground.lock():
        found = await examine(settings, ground)
    what = f"{ground.path} is held by the supervisor with process id {os.getpid()}."
    assert found == [Problem("lock", what, f"kill {os.getpid()}")]


def test_a_file_where_the_folder_should_be(ground: Home, settings: Settings) -> None:
    ground.path.write_text("")
    ((what, mend),) = named(examine_quickly(settings, ground), "folder")
    assert (what, mend) == (
        f"{ground.path} is not a folder, so {ground.path} cannot be one inside it.",
        "set TIDEMARK_HOME to a folder of yours",
    )


def test_a_folder_that_cannot_be_written(ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_how: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    ((what, mend),) = named(examine_quickly(settings, ground), "folder")
    assert what == f"{ground.path.parent} cannot be written to (Read-only file system)."
    assert mend.startswith(f"sudo chown {os.getuid()} ")


async def test_a_jar_that_was_changed_is_named(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEMARK_JARS", raising=False)
    lock = read_lock()
    wrong = ground.cache / "jars" / lock.key / lock.jars[3].file
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"not the jar")
    assert named(await examine(settings, ground), "jar") == [
        (f"{wrong} does not match its hash in jars.lock.", f"rm {wrong}")
    ]


async def test_jars_that_nobody_can_fetch(ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDEMARK_JARS", raising=False)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", absent("jgo", doctor.importlib.util.find_spec))
    monkeypatch.setattr(doctor.shutil, "which", absent("mvn", shutil.which))
    assert named(await examine(settings, ground), "jar") == [
        ("Kafka's jars are missing, and neither jgo nor mvn is there to fetch them.", "make install")
    ]


def absent(name: str, find: Callable[..., object]) -> Callable[..., object]:
    return lambda asked, *more, **named: None if asked == name else find(asked, *more, **named)


async def test_packages_that_do_not_fit_this_machine(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgres, "postgres_binary", lambda name: tmp_path / name)
    monkeypatch.setattr(valkey, "valkey_binary", lambda: tmp_path / "valkey-server")
    assert named(await examine(settings, ground), "package") == [
        (f"{tmp_path / 'postgres'} is missing.", "make install"),
        (f"{tmp_path / 'valkey-server'} is missing.", "make install"),
    ]


async def test_root_without_a_road_for_postgres(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(roads, "candidates", lambda: [("user namespace", None)])
    ((what, mend),) = named(await examine(settings, ground), "root")
    assert what.startswith(
        "PostgreSQL does not run as root, and no road around that is open (user namespace: not there)"
    )
    assert mend == "start as another user (su -c 'make run' USER)"


async def test_what_somebody_else_runs_is_not_looked_for_here(
    ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch, stack: Settings
) -> None:
    monkeypatch.setattr(java, "candidates", lambda environ, packaged: [("PATH", None)])
    monkeypatch.setattr(postgres, "postgres_binary", lambda name: Path("/nowhere"))
    monkeypatch.setattr(doctor, "FREE_MEMORY_BYTES", 1 << 60)
    external = dataclasses.replace(stack, home=ground.path, port=settings.port)
    assert await examine(external, ground) == []


def test_too_few_open_files(ground: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    assert examine_quickly(settings, ground) == [
        Problem("open files", "A process may open only 256 files, and 1024 are needed.", "ulimit -n 1024")
    ]


def test_a_cache_whose_path_java_would_split(tmp_path: Path, settings: Settings) -> None:
    ground = Home(tmp_path / "home", cache=tmp_path / "a:b")
    assert [problem.name for problem in examine_quickly(settings, ground)] == ["path"]


def test_memory_is_what_the_control_group_leaves(tmp_path: Path) -> None:
    proc = tmp_path / "meminfo"
    proc.write_text("MemTotal: 4000 kB\nMemAvailable:    2000 kB\n")
    assert free_memory(proc, tmp_path) == 2000 * 1024
    (tmp_path / "memory.max").write_text("900000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert free_memory(proc, tmp_path) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(proc, tmp_path) == 2000 * 1024
    assert free_memory(tmp_path / "none", tmp_path) is None
