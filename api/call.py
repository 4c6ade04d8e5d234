"""One call of one route: who calls, what stands in the path, and the parts of the exchange that it may use."""

import dataclasses
from typing import Any

from aiohttp import web

from api.services import Services
from api.users import User
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

    def part(self, name: str) -> str:
        """A parameter of the path, whose pattern the router has checked."""
        return self.request.match_info[name]

    def number(self, name: str, what: str) -> int:
        """An id from the path; one that no row could have is simply not there."""
        value = int(self.part(name)[:20])
        if value > MAX_ID:
            raise not_found(what)
        return value
