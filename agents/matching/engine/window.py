"""Which command numbers a market has seen: a ring of bits over the last `SPAN` numbers, so that a repeat does nothing.

The API relays a command that may have been sent already. The ring follows from the numbers alone, without a clock.
"""

import enum

SPAN = 262_144
_BYTES = SPAN // 8


class Admission(enum.Enum):
    """What a command's number says about it."""

    NEW = "new"
    REPEAT = "repeat"
    BEHIND = "behind"
    AHEAD = "ahead"


_NEW = Admission.NEW


class Window:
    """The bit of number n is at n modulo `SPAN`; bits of numbers that fell out behind were cleared on the way.

    Most numbers come one after another: only `highest` moves then, and the bits from `_unwritten` on wait until asked.
    """

    __slots__ = ("_bits", "_unwritten", "highest")

    def __init__(self, highest: int = 0, bits: bytes | None = None) -> None:
        self.highest = highest
        self._bits = bytearray(_BYTES if bits is None else bits)
        self._unwritten = highest + 1

    def admit(self, number: int) -> Admission:
        """Say what the number is, and remember it if it is new. A number ahead or behind changes nothing."""
        highest = self.highest
        if number == highest + 1:
            self.highest = number
            return _NEW
        if number > highest + SPAN:
            return Admission.AHEAD
        if number <= highest - SPAN:
            return Admission.BEHIND
        bits = self.bits
        index, bit = (number >> 3) % _BYTES, 1 << (number & 7)
        if number > highest:
            self._write(highest + 1, number, 0)
            self.highest, self._unwritten = number, number + 1
        elif bits[index] & bit:
            return Admission.REPEAT
        bits[index] |= bit
        return _NEW

    @property
    def bits(self) -> bytearray:
        """All of them, written."""
        self._write(max(self._unwritten, self.highest - SPAN + 1), self.highest + 1, 1)
        self._unwritten = self.highest + 1
        return self._bits

    def _write(self, first: int, end: int, bit: int) -> None:
        """Give first .. end - 1 this bit, whole bytes at once where it can."""
        bits, byte = self._bits, b"\xff" if bit else b"\0"
        while first < end:
            place = first % SPAN
            whole = min(end - first, SPAN - place) >> 3
            if place & 7 or not whole:
                mask = 1 << (place & 7)
                bits[place >> 3] = bits[place >> 3] & ~mask | mask * bit
                first += 1
            else:
                bits[place >> 3 : (place >> 3) + whole] = byte * whole
                first += whole << 3
