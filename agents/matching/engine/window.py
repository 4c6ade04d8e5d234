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
    """The bit of number n is at n modulo `SPAN`; bits of numbers that fell out behind were cleared on the way."""

    __slots__ = ("bits", "highest")

    def __init__(self, highest: int = 0, bits: bytes | None = None) -> None:
        self.highest = highest
        self.bits = bytearray(_BYTES if bits is None else bits)

    def admit(self, number: int) -> Admission:
        """Say what the number is, and remember it if it is new. A number ahead or behind changes nothing."""
        step = number - self.highest
        index, bit = (number >> 3) % _BYTES, 1 << (number & 7)
        if step == 1:
            self.highest = number
        elif step > SPAN:
            return Admission.AHEAD
        elif step > 1:
            self._clear(self.highest + 1, number)
            self.highest = number
        elif step <= -SPAN:
            return Admission.BEHIND
        elif self.bits[index] & bit:
            return Admission.REPEAT
        self.bits[index] |= bit
        return _NEW

    def _clear(self, first: int, end: int) -> None:
        """Clear the bits of first .. end - 1, whole bytes at once where it can."""
        while first < end:
            place = first % SPAN
            whole = min(end - first, SPAN - place) >> 3
            if place & 7 or not whole:
                self.bits[place >> 3] &= ~(1 << (place & 7))
                first += 1
            else:
                self.bits[place >> 3 : (place >> 3) + whole] = bytes(whole)
                first += whole << 3
