"""The set of prices of one side, as a trie of bit words: add, discard and `next below` never walk the book.

Each layer holds 1,024 neighbours in one integer, so the cost depends on the width of a price, not on how many there
are. A sorted list is quicker up to some thousand prices and then grows without bound (docs/decisions/0021).
"""

_BITS = 10
_MASK = (1 << _BITS) - 1
_LAYERS = 6
REACH = 1 << (_BITS * _LAYERS)


class Ladder:
    """Whole numbers of one sign, nearer to zero than `REACH`; each layer says which words of the one below exist."""

    __slots__ = ("layers",)

    def __init__(self) -> None:
        self.layers: tuple[dict[int, int], ...] = tuple({} for _ in range(_LAYERS))

    def add(self, key: int) -> None:
        """Put in a key that is not there."""
        for words in self.layers:
            index = key >> _BITS
            word = words.get(index, 0)
            words[index] = word | 1 << (key & _MASK)
            if word:
                return
            key = index

    def discard(self, key: int) -> None:
        """Take out a key that is there."""
        for words in self.layers:
            index = key >> _BITS
            word = words[index] ^ 1 << (key & _MASK)
            if word:
                words[index] = word
                return
            del words[index]
            key = index

    def below(self, key: int) -> int | None:
        """The largest key that is smaller: climb until a word has one, then come down along the highest bits."""
        for height, words in enumerate(self.layers):
            index = key >> _BITS
            word = words.get(index, 0) & (1 << (key & _MASK)) - 1
            if word:
                return self._highest_under(index << _BITS | word.bit_length() - 1, height)
            key = index
        return None

    def _highest_under(self, key: int, height: int) -> int:
        for words in reversed(self.layers[:height]):
            key = key << _BITS | words[key].bit_length() - 1
        return key
