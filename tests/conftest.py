"""The real servers, started at most once per run and shared by its workers, and a name space of its own per test.

`servers` is where they are; `database` adds a migrated schema, `kafka_topics` all topics, `stack` is a schema with
topics on demand. When a test ends its books are proved to be right, and all that it made is removed. With
TIDEMARK_TEST_EXTERNAL=1 the servers are those that POSTGRES_HOST, REDIS_HOST and KAFKA_BOOTSTRAP name. A test that uses
any of these is marked `stack`.
"""

import dataclasses
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

os.environ["TIDEMARK_TEST"] = "1"  # before anything of ours is imported: crash points are armed at import

import asyncpg
import pytest
import uvloop

from ledger.migrate import migrate
from runtime import kafka, redis, settings
from runtime.embedded import runfiles
from runtime.embedded.home import Home
from runtime.embedded.runfiles import State
from runtime.settings import Settings
from schemas.topics import CHANGELOGS, TOPICS
from tests.reconciled import books_are_right

EXTERNAL = "TIDEMARK_TEST_EXTERNAL"
ADDRESSES = ("POSTGRES_HOST", "REDIS_HOST", "KAFKA_BOOTSTRAP")
OURS = ("TIDEMARK_", "POSTGRES_", "REDIS_", "KAFKA_", "CRASH_", "JOURNAL_")
STARTED_WITHIN_S = 120
GONE_WITHIN_S = 30
USES_SERVERS = {"servers", "space", "stack", "database", "kafka_topics"}
LIFELINE = Path(__file__).with_name("lifeline.py")
RUN = pytest.StashKey[Path]()
PIPE = pytest.StashKey[int]()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], object]]:
    """Tests run on the loop that the processes run on."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if USES_SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)


def pytest_configure(config: pytest.Config) -> None:
    """The run has one folder and one pipe: xdist's workers get its name, and only the controller holds the pipe."""
    if hasattr(config, "workerinput"):
        config.stash[RUN] = Path(config.workerinput["tidemark_run"])
        return
    config.stash[RUN] = run = Path(tempfile.mkdtemp(prefix="tidemark-"))
    os.mkfifo(run / "alive", 0o600)
    config.stash[PIPE] = os.open(run / "alive", os.O_RDWR)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["tidemark_run"] = str(node.config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The end of the run is the end of the servers."""
    if PIPE not in config.stash:
        return
    os.close(config.stash[PIPE])
    run = config.stash[RUN]
    if not (run / "started").exists():
        shutil.rmtree(run, ignore_errors=True)
    deadline = time.monotonic() + GONE_WITHIN_S
    while run.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Settings:
    """Where PostgreSQL, Valkey and Kafka of this run are; the first who asks starts them, the others join."""
    if os.environ.get(EXTERNAL) == "1":
        return external()
    run = request.config.stash[RUN]
    start_once(run)
    home = Home(run / "home")
    wait_until_ready(run, home)
    return dataclasses.replace(home.resolve(Settings(home=home.path)), kafka_partitions=4)


def external() -> Settings:
    """The servers that the environment names, and all three of them."""
    if missing := [name for name in ADDRESSES if not os.environ.get(name)]:
        pytest.exit(f"{EXTERNAL}=1, but {', '.join(missing)} is not set.", returncode=2)
    return dataclasses.replace(settings.load(config_file=Path(os.devnull)), kafka_partitions=4)


def start_once(run: Path) -> None:
    """Starts the servers in a session of their own, so that Ctrl-C ends the tests first."""
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (run / "started").exists():
            return
        environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        subprocess.Popen(
            [sys.executable, str(LIFELINE), str(run)], env=environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        (run / "started").touch()


def wait_until_ready(run: Path, home: Home) -> None:
    """Returns when the supervisor says that all is ready; its last lines end the run if it cannot be."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < deadline:
        supervisor = runfiles.read(home).get("supervisor")
        if supervisor is not None and supervisor.state is State.READY:
            return
        if (run / "ended").exists():
            break
        time.sleep(0.02)
    output = (run / "output").read_text(errors="replace") if (run / "output").exists() else ""
    reason = f"The servers for the tests did not start:\n{output[-4000:]}"
    if "PYTEST_XDIST_WORKER" in os.environ:  # a worker that exits takes the reason with it
        pytest.fail(reason, pytrace=False)
    print(f"\n{reason}", file=sys.__stderr__)
    pytest.exit("the lines above are their last.", returncode=3)


@pytest.fixture
def space(servers: Settings) -> Settings:
    """A name space that nobody else has: nothing is in it, and whoever puts something there removes it."""
    return dataclasses.replace(servers, namespace=f"t{secrets.token_hex(6)}")


@pytest.fixture
async def database(space: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Settings]:
    """A schema with all migrations applied, and in the end with books that are right, unless the test `tampers`."""
    try:
        await migrate(space)
        yield space
        await books_are_right(space, request.node)
    finally:
        await drop_schema(space)


@pytest.fixture
async def kafka_topics(space: Settings) -> AsyncIterator[Settings]:
    """All topics, the changelogs too."""
    try:
        assert await kafka.ensure_topics(space, (*TOPICS, *CHANGELOGS)) == []
        yield space
    finally:
        await kafka.delete_topics(space, [space.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])


@pytest.fixture
async def stack(database: Settings) -> AsyncIterator[Settings]:
    """A migrated schema, Redis, and Kafka, where the test makes the topics that it needs with `ensure_topics`."""
    try:
        yield database
    finally:
        await kafka.delete_topics(database, [database.topic(topic.name) for topic in (*TOPICS, *CHANGELOGS)])
        await drop_keys(database)


async def drop_schema(space: Settings) -> None:
    connection = await asyncpg.connect(
        host=space.postgres_host, port=space.postgres_port, user=space.postgres_user,
        password=space.postgres_password or None, database=space.postgres_db, timeout=10, command_timeout=30,
    )  # fmt: skip
    try:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{space.postgres_schema}" CASCADE')
    finally:
        await connection.close(timeout=5)


async def drop_keys(space: Settings) -> None:
    async with redis.client(space) as client:
        keys = [key async for key in client.scan_iter(match=f"{space.namespace}:*", count=1000)]
        if keys:
            await client.unlink(*keys)
