"""Python's collector of cycles, told how a process works: what start-up made stays, and the rest dies by itself."""

import gc

YOUNG = 20_000
"""So many objects are made before it looks at the young ones; Python's own 700 are a few dozen records."""


def spare() -> None:
    """Called once, when everything is open: from here on the collector has little to find, and seldom looks."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
