"""Words of the command line that several verbs read in the same way."""

import argparse

MOST_DIGITS = 18


def whole(text: str) -> int:
    """A whole number that is not negative, such as an offset of the journal."""
    if not (text.isascii() and text.isdigit()) or len(text) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 0 on")
    return int(text)
