"""Every error code that a client can meet, with its HTTP status and its meaning: the one table of refusals.

A refusal is an answer, never an accident: it carries a sentence that a person can act on. `docs/ERRORS.md` is written
from this table.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Code:
    """One row: the code's name, the status that it is answered with, and when that happens."""

    name: str
    status: int
    meaning: str


CODES: dict[str, Code] = {}


def _code(name: str, status: int, meaning: str) -> Code:
    code = Code(name, status, meaning)
    assert name not in CODES, f"{name} is there twice"
    CODES[name] = code
    return code


MALFORMED = _code("malformed", 400, "The request is not HTTP, its body is not a JSON object, or its path is not text.")
INVALID_HOST = _code("invalid_host", 400, "The Host header names a host that this server does not answer for.")
MISSING_FIELD = _code("missing_field", 400, "A required field is not in the body or the query.")
UNKNOWN_FIELD = _code("unknown_field", 400, "The body or the query has a field that this call does not know.")
INVALID_FIELD = _code("invalid_field", 400, "A field breaks its own rule: wrong type, too long, too many decimals.")
TWO_KEYS = _code("two_keys", 400, "Idempotency-Key and client_order_id were both given.")

UNAUTHENTICATED = _code("unauthenticated", 401, "The call needs an access token, and none was sent.")
INVALID_TOKEN = _code("invalid_token", 401, "The token is not one of ours, or not of the kind that the call needs.")
TOKEN_EXPIRED = _code("token_expired", 401, "The token was good, and its time is over.")
WRONG_CREDENTIALS = _code("wrong_credentials", 401, "There is no such user, or the password is another one.")
REFRESH_REUSED = _code("refresh_reused", 401, "A spent refresh token was used again; its whole family has ended.")

FORBIDDEN = _code("forbidden", 403, "The caller is known, and may not do this.")

NOT_FOUND = _code("not_found", 404, "There is no such path or thing, or it belongs to another user.")
UNKNOWN_MARKET = _code("unknown_market", 404, "No market has this symbol.")
UNKNOWN_CHANNEL = _code("unknown_channel", 404, "No channel of the socket has this name.")
UNKNOWN_ASSET = _code("unknown_asset", 404, "No currency has this code.")

METHOD_NOT_ALLOWED = _code("method_not_allowed", 405, "The path exists, and does not know this method; see Allow.")

USERNAME_TAKEN = _code("username_taken", 409, "Another user has this name.")
ALREADY_EXISTS = _code("already_exists", 409, "A thing of this name is there already.")
IDEMPOTENCY_CONFLICT = _code("idempotency_conflict", 409, "The key or client_order_id was used with another body.")
ORDER_DONE = _code("order_done", 409, "The order is filled, expired or rejected; it stands beside the error.")

RESUME_TOO_OLD = _code(
    "resume_too_old", 409, "What came after since_seq is not kept any more; the channel goes on from now."
)

TOO_LARGE = _code("too_large", 413, "The body is over 64 KiB.")

UPGRADE_REQUIRED = _code("upgrade_required", 426, "This address speaks WebSocket, and the request was plain HTTP.")

INSUFFICIENT_FUNDS = _code("insufficient_funds", 422, "The wallet has less available than this needs.")
AMOUNT_TOO_LARGE = _code("amount_too_large", 422, "The asset's total would pass what the books can count.")
NOT_ON_TICK = _code("not_on_tick", 422, "The price is not a multiple of the market's tick_size.")
NOT_ON_LOT = _code("not_on_lot", 422, "The amount is not a multiple of the market's lot_size.")
BELOW_MIN_NOTIONAL = _code("below_min_notional", 422, "Price times amount is below the market's min_notional.")
OUTSIDE_BAND = _code("outside_band", 422, "The limit price is farther from the market's price than its band allows.")
NO_PRICE = _code("no_price", 422, "The market has no price from which a market order could be protected.")
MARKET_NOT_OPEN = _code("market_not_open", 422, "The market's status does not allow this order now.")
TOO_MANY_OPEN_ORDERS = _code("too_many_open_orders", 422, "The user has as many open orders here as are allowed.")
NOT_SMALLER = _code("not_smaller", 422, "The new amount is not between what is filled and the order's amount.")
INVALID_MARKET = _code("invalid_market", 422, "One tick times one lot is not a whole number of quote atoms.")

TOO_MANY_ATTEMPTS = _code("too_many_attempts", 429, "Too many logins failed for this user or from this address.")
TOO_MANY_REQUESTS = _code("too_many_requests", 429, "More calls than the limit allows.")

TOO_MANY_CHANNELS = _code("too_many_channels", 429, "The connection or its user has as many channels as are allowed.")
TOO_MANY_CONNECTIONS = _code("too_many_connections", 429, "The user or the address has as many sockets as are allowed.")

INTERNAL = _code("internal", 500, "A fault of ours; the request_id finds it in the log.")
UNAVAILABLE = _code(
    "unavailable", 503, "A server behind this one is away; nothing was done, unless outcome is unknown."
)


class Refusal(Exception):  # noqa: N818  # an answer, not a fault
    """An answer other than the one asked for; raised anywhere below a route, written by the door."""

    def __init__(
        self,
        code: Code,
        message: str,
        field: str | None = None,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        self.beside = dict(beside or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON of the answer; what stands `beside` the error is the call's own (an order, a command id)."""
        error = {"code": self.code.name, "message": self.message, "field": self.field, "request_id": request_id}
        return {"error": error, **self.beside}


def not_found(what: str) -> Refusal:
    """The same words for a thing that is not there and for one that belongs to somebody else."""
    return Refusal(NOT_FOUND, f"There is no such {what}, or it is not yours.")


def unavailable(server: str) -> Refusal:
    """Nothing was done: the server was away before anything was written."""
    return Refusal(UNAVAILABLE, f"{server} is away for the moment; nothing was done, try again.", retry_after_s=1)


def unknown(command_id: int | None = None) -> Refusal:
    """A server went away after something may have been written: a command that is in the books will be decided."""
    if command_id is None:
        message = "A server behind this one went away meanwhile; it is not known whether this was done."
        return Refusal(UNAVAILABLE, message, retry_after_s=1, beside={"outcome": "unknown"})
    return Refusal(
        UNAVAILABLE,
        "A server behind this one did not answer in time; the command is kept and will be decided, "
        "ask for it by its command_id.",
        retry_after_s=1,
        beside={"outcome": "unknown", "command_id": command_id},
    )


def page() -> str:
    """The text of docs/ERRORS.md."""
    rows = [f"| `{code.name}` | {code.status} | {code.meaning} |" for code in CODES.values()]
    return "\n".join([*_HEAD, *rows, ""])


_HEAD = (
    "# Errors",
    "",
    "Written from `schemas/errors.py` by `tidemark documents`; a test compares. Every error is answered as",
    "",
    "```json",
    '{"error": {"code": "insufficient_funds", "message": "one sentence", "field": "amount", "request_id": "…"}}',
    "```",
    "",
    "`field` is null where no single field is to blame. 429 and 503 carry `Retry-After` in seconds. A 503 means that",
    'nothing was done, unless the body says `"outcome": "unknown"` beside the error with a `command_id`.',
    "",
    "| code | status | when |",
    "|---|---|---|",
)
