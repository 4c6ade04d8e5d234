import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.embedded import home as homes
from runtime.embedded.home import Home, free_port, port_in_use, require_free_port, start_of, write_whole
from runtime.embedded.program import Broken
from runtime.settings import Settings, load

ROOT = Path(__file__).resolve().parents[3]


def test_ports_are_chosen_once_and_kept(tmp_path: Path) -> None:
    first = {name: Home(tmp_path).port(name) for name in ("postgres", "valkey", "kafka", "kafka_controller")}
    assert {name: Home(tmp_path).port(name) for name in first} == first
    assert Home(tmp_path).ports() == first
    assert len(set(first.values())) == 4


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    first = Home(tmp_path).secret("postgres_password")
    assert Home(tmp_path).secret("postgres_password") == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert Home(tmp_path / "another").secret("postgres_password") != first


def test_two_processes_that_ask_first_at_once_get_the_same(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from runtime.embedded.home import Home;"
        "h = Home(Path(sys.argv[1])); print(h.secret('secret_key'), *(h.port(f'p{n}') for n in range(20)))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    answers = {process.communicate()[0] for process in started}
    assert len(answers) == 1
    assert answers != {b""}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Broken, match=r"cannot be made \(.*\): set TIDEMARK_HOME"):
        Home(tmp_path / "file" / "home").make()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    Home(tmp_path).make()
    tmp_path.chmod(0o500)
    with pytest.raises(Broken, match="cannot be written to"):
        Home(tmp_path).make()
    tmp_path.chmod(0o700)


def test_one_supervisor_per_folder_and_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.holder() is None
    with home.lock():
        assert home.holder() == os.getpid()
        with pytest.raises(Broken, match=f"held by the supervisor with process id {os.getpid()}"), home.lock():
            pass
    assert home.holder() is None
    with home.lock():
        pass


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from runtime.embedded.home import Home\n"
        "with Home(Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert Home(tmp_path).holder() == process.pid
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert Home(tmp_path).holder() is None
    with Home(tmp_path).lock():
        pass


def test_a_former_child_is_known_by_its_id_and_its_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.make()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    home.remember_child("kafka", process.pid)
    write_whole(home.run / "valkey.pid", f"{process.pid} 1\n")  # the id was given to somebody else since
    assert home.former_children() == {"kafka": process.pid}
    process.kill()
    process.wait()
    assert home.former_children() == {}
    home.forget_child("kafka")
    home.forget_child("kafka")
    assert not (home.run / "kafka.pid").exists()


def test_a_zombie_counts_as_gone() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert start_of(process.pid) is None
    process.wait()


def test_resolve_fills_in_what_is_not_set_and_nothing_else(tmp_path: Path) -> None:
    settings = load({"TIDEMARK_HOME": str(tmp_path), "REDIS_HOST": "redis.example"}, tmp_path / "none")
    home = Home(tmp_path)
    assert homes.resolve(settings) == dataclasses.replace(
        settings,
        postgres_host="127.0.0.1",
        postgres_port=home.port("postgres"),
        postgres_password=home.secret("postgres_password"),
        kafka_bootstrap=f"127.0.0.1:{home.port('kafka')}",
        secret_key=home.secret("secret_key"),
        jwt_secret_key=home.secret("jwt_secret_key"),
    )


def test_resolve_of_complete_settings_touches_no_folder(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "untouched",
        postgres_host="a",
        redis_host="b",
        kafka_bootstrap="c:9092",
        secret_key="s" * 32,
        jwt_secret_key="j" * 32,
    )
    assert homes.resolve(settings) == settings
    assert not (tmp_path / "untouched").exists()


def test_a_port_taken_by_another_program_is_one_sentence(tmp_path: Path) -> None:
    home = Home(tmp_path)
    port = home.port("valkey")
    require_free_port(home, "valkey")
    with homes.socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert port_in_use(port)
        with pytest.raises(Broken, match=rf"port {port}, kept for valkey, is taken by another program: stop that one"):
            require_free_port(home, "valkey")
    assert free_port(taken=set()) != port or not port_in_use(port)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "ports.json", json.dumps({"kafka": 1}))

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(Broken, match=r"No space left on device"):
        write_whole(tmp_path / "ports.json", "{")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("ports.json", '{"kafka": 1}')]


@pytest.mark.parametrize("text", ["{", "[]", '{"kafka": "many"}', "\u00e9"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    with pytest.raises(Broken, match=r"ports\.json is damaged: remove it"):
        Home(tmp_path).port("kafka")
