"""One TCP connection: what is not HTTP is answered in the same JSON envelope, and a silent client is let go.

aiohttp reads and parses; only its words for a request that it cannot read, and its patience, are replaced here.
"""

import asyncio
import http
import logging

from aiohttp import web

from api.door import new_request_id, refused
from schemas.errors import INTERNAL, MALFORMED, Refusal

log = logging.getLogger("api")
FIRST_REQUEST_S = 15.0
KEEPALIVE_S = 75.0


class Connection(web.RequestHandler):
    """aiohttp's protocol with our envelope."""

    __slots__ = ("_first_request",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # aiohttp takes None for "no access log", and says Logger
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=2.0,
        )
        self._first_request: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._first_request = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._let_go_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._first_request is not None:
            self._first_request.cancel()
        super().connection_lost(exc)

    def _let_go_if_silent(self) -> None:
        """A client that has not finished the head of its first request by now is not going to."""
        if not self._request_count and self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's text quotes the client's bytes
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("half of an answer is out already")
        request_id = new_request_id()
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("a fault of ours outside the routes, request %s", request_id, exc_info=exc)
            refusal = Refusal(INTERNAL, "Something went wrong here; the request id finds it in the log.")
        else:
            refusal = Refusal(MALFORMED, "The request is not HTTP as we know it.")
        response = refused(refusal, request_id)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response
