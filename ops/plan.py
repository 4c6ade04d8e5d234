"""What one start consists of, in order: the servers, then what must be true of them, then the exchange on top.

A step runs at every start and finds nothing to do at most of them.
"""

import dataclasses

from runtime.embedded.child import Child
from runtime.embedded.home import Home
from runtime.embedded.leftovers import end_leftovers
from runtime.embedded.processes import is_api, own_processes
from runtime.embedded.program import Broken, Program, Progress
from runtime.embedded.servers import check_external, servers
from runtime.embedded.supervisor import Stage, Step
from runtime.settings import Settings

SERVER_READY_WITHIN_S = 180.0  # a broker that was killed checks its log first
PROCESS_READY_WITHIN_S = 1800.0  # an agent that lost its snapshots reads the journal from its beginning


@dataclasses.dataclass(frozen=True)
class Planner:
    """Makes the parts of a start. `settings` are as loaded: an address that is not there is ours to fill."""

    settings: Settings
    home: Home
    progress: Progress
    apis: int = 1

    def parts(self, *, servers_only: bool) -> list[Stage | Step]:
        """In the order of the start."""
        ground: list[Stage | Step] = [
            Step("leftovers", lambda: end_leftovers(self.home, self.progress)),
            Step("external servers", self.check_external),
            Stage("servers", self._children(self._servers(), SERVER_READY_WITHIN_S)),
        ]
        own = [] if servers_only else own_processes(self.settings, self.home, apis=self.apis)
        if servers_only:
            return ground
        return [
            *ground,
            Step("migrations", self.migrate),
            Step("restored books", self.require_recovered),
            Step("topics", self.ensure_topics),
            Step("demo data", self.seed),
            Stage(
                "exchange",  # side by side, for what takes long is the import; the API is the first to stop
                self._children([one for one in own if not is_api(one)], PROCESS_READY_WITHIN_S),
                self._children([one for one in own if is_api(one)], PROCESS_READY_WITHIN_S),
            ),
        ]

    def _children(self, programs: list[Program], ready_within_s: float) -> list[Child]:
        return [Child(one, self.home, ready_timeout_s=ready_within_s, progress=self.progress) for one in programs]

    def _servers(self) -> list[Program]:
        return servers(self.settings, self.home, progress=self.progress)

    async def check_external(self) -> None:
        """Somebody else's servers are what the settings say they are."""
        if faults := await check_external(self.settings):
            raise Broken("\n".join(faults))

    async def migrate(self) -> None:
        from ledger.migrate import migrate

        if applied := await migrate(self.home.resolve(self.settings)):
            self.progress(f"applied {len(applied)} migrations, up to {applied[-1]}")

    async def require_recovered(self) -> None:
        from ledger.restores import require_recovered

        await require_recovered(self.home.resolve(self.settings))

    async def ensure_topics(self) -> None:
        """What differs is told at every start, and left as it is."""
        from runtime.kafka import ensure_topics
        from schemas.topics import CHANGELOGS, TOPICS

        for difference in await ensure_topics(self.home.resolve(self.settings), (*TOPICS, *CHANGELOGS)):
            self.progress(f"topic differs from the table: {difference}")

    async def seed(self) -> None:
        """Demo data belongs to the sandbox, and to an API that only this machine can reach."""
        from ledger.seed import refusal, seed

        if not self.settings.sandbox:
            return
        if reason := refusal(self.settings):
            self.progress(f"no demo data: {reason}")
        else:
            await seed(self.home.resolve(self.settings))
