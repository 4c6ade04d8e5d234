"""The connector to the exchange that comes with the sandbox (`agents/settlement/exchange`), over HTTP.

It keeps a client order id for ever and enforces the expiry, so a request may be repeated without harm.
"""

import json
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any

import aiohttp

from agents.settlement.connectors.connector import Bought, Refused, Request, Unknown, Verdict
from schemas.money import atoms, quantity_text

TIMEOUT_SECONDS = 20.0
DECIDED = ("filled", "rejected")


class SimulatedExchange:
    """One session to one exchange."""

    name = "simulated"

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def clock_ms(self) -> int:
        status, answer = await self._call("GET", "/time")
        if status != 200 or type(answer) is not int:
            raise Unknown(f"the exchange answered {status}: {answer}")
        return answer

    async def buy_from_exchange(self, request: Request) -> Verdict:
        body = {
            "client_order_id": request.batch_id,
            "base": request.base,
            "quote": request.quote,
            "amount": quantity_text(request.base_atoms, request.base_scale),
            "price": request.price,
            "expires_ms": request.expires_ms,
        }
        status, answer = await self._call("POST", "/orders", body)
        if status not in (200, 422):
            raise Unknown(f"the exchange answered {status}: {answer}")
        return _verdict(request, answer)

    async def ask(self, request: Request) -> Verdict | None:
        status, answer = await self._call("GET", f"/orders/{request.batch_id}")
        if status == 404:
            return None
        if status != 200:
            raise Unknown(f"the exchange answered {status}: {answer}")
        return _verdict(request, answer)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        if self._session is None:  # a session can be made in a running loop only
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        try:
            async with self._session.request(method, self._url + path, json=body) as response:
                return response.status, _first(await response.text())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unknown(f"no answer from the exchange: {error!r}") from error


def _first(text: str) -> Any:
    """An answer that came twice is one answer, if it is the same; otherwise it says nothing."""
    answers = [json.loads(line) for line in text.splitlines() if line]
    if not answers or any(answer != answers[0] for answer in answers):
        raise ValueError("answers that differ" if answers else "an empty answer")
    return answers[0]


def _verdict(request: Request, answer: Any) -> Verdict:
    """What was answered, in atoms; an answer that cannot be read decides nothing."""
    try:
        if answer["client_order_id"] != request.batch_id or answer["status"] not in DECIDED:
            raise Unknown(f"the exchange answered {answer}")
        if answer["status"] == "rejected":
            return Refused(str(answer["reason"]))
        return Bought(
            str(answer["exchange_order_id"]),
            atoms(answer["filled"], request.base_scale, "filled"),
            request.quote,
            _charged(answer["charged"], request.quote_scale),
        )
    except (KeyError, TypeError, ValueError, InvalidOperation) as error:
        raise Unknown(f"the exchange's answer {answer} cannot be read: {error!r}") from error


def _charged(text: str, scale: int) -> int:
    """The exchange may count more finely than the asset is kept; what is owed is rounded up."""
    return int((Decimal(text).scaleb(scale)).to_integral_value(ROUND_UP))
