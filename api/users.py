"""Users as a call needs them, remembered for some seconds: who exists, and who is an admin."""

import dataclasses
import time
from collections.abc import Awaitable, Callable

from ledger.sessions import Profile

FRESH_S = 10.0
MAX_REMEMBERED = 50_000


@dataclasses.dataclass(frozen=True, slots=True)
class User:
    """Who calls, as the books know him."""

    id: int
    is_admin: bool


Fetch = Callable[[int], Awaitable[Profile | None]]


class Users:
    """An admin who is one no longer stays one for ten seconds at most."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._remembered: dict[int, tuple[float, User]] = {}

    async def find(self, user_id: int) -> User | None:
        entry = self._remembered.get(user_id)
        now_s = self._clock()
        if entry is not None and now_s < entry[0]:
            return entry[1]
        self._remembered.pop(user_id, None)
        profile = await self._fetch(user_id)
        user = None if profile is None else User(profile.id, profile.is_admin)
        if user is not None:
            while len(self._remembered) >= MAX_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
            self._remembered[user_id] = (now_s + FRESH_S, user)
        return user
