"""Password hashes: argon2id, computed in a bounded pool of threads so that a flood of logins cannot take the machine.

A check against no hash costs as much as one against a hash, so the time of a login does not tell who exists.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerifyMismatchError

WORKERS = 2
WAITING = 64
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

P = ParamSpec("P")
T = TypeVar("T")


class PasswordsBusy(Exception):  # noqa: N818  -- a state of the world, not a fault
    """More passwords wait than this process takes on; nothing was checked, try again."""


class Passwords:
    """Hashes and checks: at most `workers` at once, and at most `waiting` behind them."""

    def __init__(self, *, workers: int = WORKERS, waiting: int = WAITING) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._free = workers + waiting
        self._nobody = HASHER.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        """What to store for this password."""
        return await self._run(HASHER.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether the stored hash is of this password; None, for a user without one, takes as long and is False."""
        return await self._run(_matches, password, stored or self._nobody) and stored is not None

    def close(self) -> None:
        """Ends the threads; what is being computed ends first."""
        self._threads.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._free == 0:
            raise PasswordsBusy
        self._free -= 1
        # Counted back when the work ends, not when its caller goes: a client that hangs up does not free a thread.
        work_done = asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))
        work_done.add_done_callback(self._one_done)
        return await asyncio.shield(work_done)

    def _one_done(self, _future: object) -> None:
        self._free += 1


def outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than today's, and should be made again at the next login."""
    return HASHER.check_needs_rehash(stored)


def _matches(password: str, stored: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
