"""How many logins have failed lately, per user and per address: what guesses too often has to wait.

Kept in this process, bounded in memory; a good login clears the user's count and leaves the address's.
"""

import collections
import dataclasses

from schemas.errors import TOO_MANY_ATTEMPTS, Refusal

WINDOW_S = 300.0
PER_USER = 10
PER_ADDRESS = 100
MAX_KEYS = 20_000


@dataclasses.dataclass(slots=True)
class _Window:
    began_s: float
    failed: int = 0


class Attempts:
    """Counts in windows of five minutes; the oldest windows are forgotten first when there are too many."""

    def __init__(self, per_user: int = PER_USER, per_address: int = PER_ADDRESS) -> None:
        self._limits = {"user": per_user, "address": per_address}
        self._windows: collections.OrderedDict[tuple[str, str], _Window] = collections.OrderedDict()

    def admit(self, username: str, address: str, now_s: float) -> None:
        """Refuses when either has failed too often; to be asked before any work is done."""
        for key in (("user", username), ("address", address)):
            window = self._windows.get(key)
            if window is None or not 0 <= now_s - window.began_s < WINDOW_S or window.failed < self._limits[key[0]]:
                continue
            wait_s = int(window.began_s + WINDOW_S - now_s) + 1
            raise Refusal(
                TOO_MANY_ATTEMPTS,
                f"Too many logins failed for this {key[0]}; try again in {wait_s} seconds.",
                retry_after_s=wait_s,
            )

    def failed(self, username: str, address: str, now_s: float) -> None:
        for key in (("user", username), ("address", address)):
            window = self._windows.get(key)
            if window is None or not 0 <= now_s - window.began_s < WINDOW_S:
                self._windows.pop(key, None)
                window = self._windows[key] = _Window(now_s)
            window.failed += 1
        while len(self._windows) > MAX_KEYS:
            self._windows.popitem(last=False)

    def succeeded(self, username: str) -> None:
        self._windows.pop(("user", username), None)
