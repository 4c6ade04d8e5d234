"""One call of one route: who calls, what stands in the path, and the parts of the exchange that it may use."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from api.services import Services
from api.users import User
from ledger import sessions
from ledger.connection import Connection
from ledger.sessions import Audit
from schemas.errors import not_found

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
MAX_ID = (1 << 63) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status other than the route's usual one."""

    status: int
    body: Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    request: web.Request
    services: Services
    caller: User | None
    sent: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def user(self) -> User:
        """The caller of a route that is not public."""
        assert self.caller is not None, "a public route asked who calls"
        return self.caller

    @property
    def request_id(self) -> str:
        return self.request[REQUEST_ID]

    @property
    def address(self) -> str:
        """Where the call comes from; a proxy's own address where one stands before us."""
        return self.request.remote or "unknown"

    async def audit(
        self, connection: Connection, action: str, subject: str | None, *, actor_id: int | None = None
    ) -> None:
        """A line of the audit log, in the transaction of what it tells; a public call says himself who acts."""
        line = Audit(
            actor_id=actor_id if self.caller is None else self.caller.id,
            action=action,
            subject=subject,
            address=self.address,
            request_id=self.request_id,
        )
        await sessions.audit(connection, line)

    def part(self, name: str) -> str:
        """A parameter of the path, whose pattern the router has checked."""
        return self.request.match_info[name]

    def number(self, name: str, what: str) -> int:
        """An id from the path; one that no row could have is simply not there."""
        value = int(self.part(name)[:20])
        if value > MAX_ID:
            raise not_found(what)
        return value
