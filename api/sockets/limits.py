"""How much one connection, one user and one address may have: connections, channels, and words a second."""

from collections.abc import Hashable, Sized

CHANNELS = 200
"""Of one connection."""
CHANNELS_OF_USER = 2_000
"""Of all his connections."""
CONNECTIONS_OF_USER = 50
CONNECTIONS_OF_ADDRESS = 2_000
WORDS_PER_S, WORDS_AT_ONCE = 20, 100
"""Of one connection."""
WORDS_OF_PARTY_PER_S, WORDS_OF_PARTY_AT_ONCE = 1_000, 5_000
"""Of all connections of one user, or from one address."""


class Bucket:
    """Fills with time up to a measure, and is emptied by the word. The clock is the caller's."""

    __slots__ = ("_at", "_left", "_measure", "_per_s")

    def __init__(self, per_s: float, measure: float, now: float) -> None:
        self._per_s = per_s
        self._measure = measure
        self._left = measure
        self._at = now

    def takes(self, now: float) -> bool:
        """Whether one more word is allowed; it counts if it is."""
        self._left = min(self._measure, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Party:
    """Connections that belong together, as long as there are any; of each, what it listens to."""

    __slots__ = ("_held", "key", "words")

    def __init__(self, key: Hashable, now: float) -> None:
        self.key = key
        self.words = Bucket(WORDS_OF_PARTY_PER_S, WORDS_OF_PARTY_AT_ONCE, now)
        self._held: dict[int, Sized] = {}

    @property
    def connections(self) -> int:
        return len(self._held)

    @property
    def channels(self) -> int:
        return sum(map(len, self._held.values()))

    def add(self, held: Sized) -> None:
        self._held[id(held)] = held

    def remove(self, held: Sized) -> None:
        del self._held[id(held)]


class Parties:
    """Users and addresses that are connected."""

    def __init__(self) -> None:
        self._parties: dict[Hashable, Party] = {}

    def enter(self, key: Hashable, held: Sized, most: int, now: float) -> Party | None:
        """One connection more, with the channels that it has; None when there are as many as are allowed."""
        party = self._parties.setdefault(key, Party(key, now))
        if party.connections >= most:
            return None
        party.add(held)
        return party

    def leave(self, party: Party, held: Sized) -> None:
        party.remove(held)
        if not party.connections:
            del self._parties[party.key]
