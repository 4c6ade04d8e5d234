"""The ways in which following a journal stops: for a moment, until a neighbour is ready, or for good."""


class Unwell(Exception):  # noqa: N818  -- the retryable family, by its name
    """The world is unwell (a server is away, a statement timed out): the outcome is unknown, so the step is repeated
    from what the store says, never from what was hoped."""


class NotYet(Exception):  # noqa: N818  -- a state of the world, not a fault
    """This run needs something that another topic will bring; try the same run again in a moment."""


class Broken(Exception):  # noqa: N818  -- the broken family, by its name
    """Going on would be wrong: the message says why, and what mends it. The process halts with it."""


class Refused(Exception):  # noqa: N818  -- an answer, not a fault
    """A question that makes no sense of this journal: the message says why."""
