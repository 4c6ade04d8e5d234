"""Kafka, the journal: one node that is broker and controller, formatted once.

The folder is formatted beside its place and moved in when it is complete. All paths in the broker's files are relative
to its working folder: a comma or a letter outside ASCII in the path of the home would be misread there.
"""

import asyncio
import base64
import os
import secrets
from pathlib import Path

from runtime.embedded.aot import Archive, train_later
from runtime.embedded.broker_probe import BrokerProbe
from runtime.embedded.errand import errand
from runtime.embedded.home import LOOPBACK, Home, make_folder, remove_tree, require_free_port, write_whole
from runtime.embedded.jars import PARTS, ensure_jars, read_lock
from runtime.embedded.java import Java, find_java, packaged_java
from runtime.embedded.program import Broken, Command, Progress, quiet
from runtime.settings import Settings

MAIN = "kafka.Kafka"
FORMAT = "kafka.tools.StorageTool"
FORMAT_TIMEOUT_S = 120.0
HEAP = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")
SWITCHES = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # a file in the folder for temporary ones, which stays there after a kill
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
    "-Dlog4j2.disableJmx=true",
)
SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)  # half the work for a program that ends before it is hot

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={log_dirs}
num.network.threads=2
num.io.threads=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
"""


class KafkaServer:
    """Kafka from the locked jars, on a Java that works. `switches` are for training: see aot.py."""

    name = "kafka"

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        progress: Progress = quiet,
        train: bool = True,
        switches: tuple[str, ...] | None = None,
    ) -> None:
        self._home = home
        self._settings = settings
        self._progress = progress
        self._train = train
        self._switches = switches
        self._training: asyncio.Task[None] | None = None
        self._folder = home.data / "kafka"
        self._workplace = home.run / "kafka"
        self._java: Java | None = None
        self._jars: tuple[Path, ...] = ()
        self._probe = BrokerProbe(self.address, settings.topic("readiness"))

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._home.port('kafka')}"

    async def prepare(self) -> None:
        self._home.make()
        make_folder(self._workplace)
        jars = asyncio.create_task(ensure_jars(self._home.cache, read_lock(), os.environ, self._progress))
        try:
            self._java = await find_java(os.environ, packaged=packaged_java())
            self._jars = await jars
        finally:
            jars.cancel()
        require_free_port(self._home, "kafka")
        require_free_port(self._home, "kafka_controller")
        self._configure(self._folder, "server.properties")
        if not self._folder.exists():
            await self._format()

    def command(self) -> Command:
        assert self._java is not None, "prepare comes first"
        switches = self.archive().switches() if self._switches is None else self._switches
        return Command(
            argv=(*self._launch(*switches), MAIN, "server.properties"),
            env=self._environment(),
            cwd=self._workplace,
            stop_timeout_s=8,
        )

    async def probe(self) -> None:
        await self._probe.attempt()
        if self._train and self._training is None:
            self._training = asyncio.create_task(train_later(self.archive(), self.trainee))

    def archive(self) -> Archive:
        assert self._java is not None
        return Archive.of(self._home.cache, self._java, self._jars, (*HEAP, *SWITCHES))

    def trainee(self, folder: Path, switches: tuple[str, ...]) -> "KafkaServer":
        """A broker to learn from: the same Java, jars and switches, and nothing else in common."""
        return KafkaServer(Home(folder, cache=self._home.cache), self._settings, train=False, switches=switches)

    async def _format(self) -> None:
        """Makes the folder of a cluster of one, with an id of its own."""
        self._progress("Formatting the Kafka data folder ...")
        for left in self._home.data.glob("kafka.new-*"):
            remove_tree(left)
        beside = self._home.data / f"kafka.new-{os.getpid()}"
        config = self._workplace / "format.properties"
        try:
            self._configure(beside, config.name)
            cluster = cluster_id()
            argv = (
                *self._launch(*SHORT_LIVED),
                FORMAT,
                "format",
                "-t",
                cluster,
                "-c",
                config.name,
                "--standalone",
                "-g",
            )
            outcome = await errand(argv, env=self._environment(), cwd=self._workplace, timeout_s=FORMAT_TIMEOUT_S)
            if outcome.code != 0:
                raise Broken(f"the Kafka data folder could not be formatted in {beside}: {outcome.last_words()}")
            beside.rename(self._folder)
        finally:
            remove_tree(beside)
            config.unlink(missing_ok=True)

    def _configure(self, log_dirs: Path, file: str) -> None:
        text = PROPERTIES.format(
            host=LOOPBACK,
            port=self._home.port("kafka"),
            controller_port=self._home.port("kafka_controller"),
            log_dirs=os.path.relpath(log_dirs, self._workplace),
        )
        write_whole(self._workplace / file, text)
        write_whole(self._workplace / "log4j2.properties", (PARTS / "log4j2.properties").read_text(encoding="ascii"))

    def _launch(self, *more: str) -> tuple[str, ...]:
        assert self._java is not None
        return (str(self._java.binary), *HEAP, *SWITCHES, *_newer_java(self._java.major), *more)

    def _environment(self) -> dict[str, str]:
        # The class path in the environment: no quoting, no wildcard whose order the file system decides.
        return {
            "PATH": os.environ.get("PATH", ""),
            "LC_ALL": "C.UTF-8",  # Java reads paths by the locale
            "CLASSPATH": os.pathsep.join(str(jar) for jar in self._jars),
        }


def _newer_java(major: int) -> tuple[str, ...]:
    """The broker unmaps its buffers by a method on its way out; each Java warns of that at every start."""
    return ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED") if major >= 24 else ()


def cluster_id() -> str:
    """16 random bytes as the format tool wants them; one that begins with `-` would be read as an option."""
    while (text := base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()).startswith("-"):
        pass
    return text
