"""What a route declares: method, path, who may call it, what goes in and what comes out.

The router, the OpenAPI document, `tidemark urls` and the tests all read these rows, so none of them can disagree. A
route without a policy cannot be written down.
"""

import dataclasses
import enum
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from schemas.errors import Code

API = "/api/v1"
PARAMETER = re.compile(r"\{([a-z_]+)(:(?:[^{}]|\{[^{}]*\})+)?\}")


class Policy(enum.Enum):
    """Who may call. READ, TRADE and WITHDRAW are the scopes of API keys; an access token has them all."""

    PUBLIC = "public"
    SESSION = "session"
    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"
    ADMIN = "admin"


Handler: TypeAlias = Callable[..., Awaitable[Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row. `path` is written without a trailing slash; the router answers with one, too."""

    method: str
    path: str
    policy: Policy
    handler: Handler
    tag: str
    body: Any = None
    query: type[BaseModel] | None = None
    answer: Any = None
    status: int = 200
    also: Mapping[int, Any] = dataclasses.field(default_factory=dict)
    refusals: tuple[Code, ...] = ()
    idempotent: bool = False

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").strip().partition("\n")[0]

    @property
    def description(self) -> str:
        """What the handler says beyond its first line."""
        return inspect.cleandoc(self.handler.__doc__ or "").partition("\n")[2].strip()

    @property
    def name(self) -> str:
        """The OpenAPI operation id."""
        return f"{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(match[1] for match in PARAMETER.finditer(self.path))

    @property
    def plain_path(self) -> str:
        """The path without the patterns of its parameters, as documents write it."""
        return PARAMETER.sub(r"{\1}", self.path)


class Routes:
    """The rows of one noun, in the order in which they are written down."""

    def __init__(self, tag: str, prefix: str = API) -> None:
        self.tag = tag
        self.prefix = prefix
        self.rows: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self.rows)

    def add(self, method: str, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        """A decorator that writes the row and leaves the function as it is."""

        def declare(handler: Handler) -> Handler:
            full = path if path.startswith("/") else f"{self.prefix}/{path}"
            self.rows.append(Route(method=method, path=full, policy=policy, handler=handler, tag=self.tag, **declared))
            return handler

        return declare

    def get(self, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        return self.add("GET", path, policy, **declared)

    def post(self, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        return self.add("POST", path, policy, **declared)

    def put(self, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        return self.add("PUT", path, policy, **declared)

    def patch(self, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        return self.add("PATCH", path, policy, **declared)

    def delete(self, path: str, policy: Policy, **declared: Any) -> Callable[[Handler], Handler]:
        return self.add("DELETE", path, policy, **declared)
