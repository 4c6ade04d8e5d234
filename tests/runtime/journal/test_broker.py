"""The broker goes away and comes back: the workers resume by themselves, and nothing is lost or told differently."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.embedded.home import Home
from runtime.embedded.kafka import KafkaServer
from runtime.embedded.program import NotReady
from runtime.journal.halt import EXIT_CODE
from runtime.settings import Settings
from tests.runtime.journal.lab import Lab, Process

QUICK = ("-XX:TieredStopAtLevel=1",)


class Broker:
    """A Kafka of the test's own, which may be killed."""

    def __init__(self, folder: Path) -> None:
        home = Home(folder)
        self._server = KafkaServer(home, Settings(home=folder), train=False, switches=QUICK)
        self._log = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.settings = Settings(
            home=folder, kafka_bootstrap=self._server.address, kafka_partitions=4, namespace="broker"
        )

    async def start(self) -> None:
        await self._server.prepare()
        self._launch()
        deadline = time.monotonic() + 60
        while True:
            try:
                return await self._server.probe()
            except NotReady:
                assert time.monotonic() < deadline, self._log.read_text()[-3000:]
                await asyncio.sleep(0.1)

    def _launch(self) -> None:
        command = self._server.command()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command.argv, env=dict(command.env), cwd=command.cwd, stdout=log, stderr=log
            )

    def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(30)


@contextlib.asynccontextmanager
async def own_broker(folder: Path) -> AsyncIterator[Broker]:
    broker = Broker(folder)
    try:
        await broker.start()
        yield broker
    finally:
        with contextlib.suppress(AssertionError):
            broker.end(signal.SIGKILL)


def restart_if_halted(lab: Lab, worker: Process) -> None:
    """What the supervisor does; a broker that is away for too long may halt a worker, and nothing else may."""
    if worker.popen.poll() is not None:
        assert worker.popen.returncode == EXIT_CODE, worker.said()[-3000:]
        lab.worker()


async def drained(lab: Lab, seconds: float) -> None:
    """Waits until every command has an outcome, as the supervisor's neighbour."""
    waiting = asyncio.create_task(lab.drained(seconds))
    while not waiting.done():
        restart_if_halted(lab, lab.processes[-1])
        await asyncio.wait({waiting}, timeout=0.5)
    await waiting


async def outage(broker: Broker, lab: Lab, how: signal.Signals, seconds: float) -> None:
    """The broker ends under load, stays away, and comes back."""
    before = await lab.outcomes()
    broker.end(how)
    await asyncio.sleep(seconds)
    await broker.start()
    deadline = time.monotonic() + 90
    while await lab.outcomes() < before + 2000:
        restart_if_halted(lab, lab.processes[-1])
        assert time.monotonic() < deadline, lab.processes[-1].said()[-3000:]
        await asyncio.sleep(0.05)


@pytest.mark.stack
async def test_a_broker_that_is_killed_and_comes_back_costs_nothing_but_time(tmp_path):
    async with own_broker(tmp_path / "broker") as broker, Lab(broker.settings, tmp_path) as lab:
        async with lab.loading():
            lab.worker()
            await lab.more_outcomes(2000)
            await outage(broker, lab, signal.SIGKILL, 1)
        await drained(lab, 90)
        await lab.check()


@pytest.mark.slow
@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_outages_of_every_kind_and_length(tmp_path):
    async with own_broker(tmp_path / "broker") as broker, Lab(broker.settings, tmp_path, session=6) as lab:
        async with lab.loading(500):
            lab.worker()
            await lab.more_outcomes(500)
            for how, seconds in ((signal.SIGTERM, 2), (signal.SIGKILL, 8), (signal.SIGTERM, 15), (signal.SIGKILL, 20)):
                await outage(broker, lab, how, seconds)
                restart_if_halted(lab, lab.processes[-1])
        await drained(lab, 180)
        await lab.check()
