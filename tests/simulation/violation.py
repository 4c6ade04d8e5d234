"""What the auditor says when an invariant of the exchange does not hold."""


class Violation(AssertionError):  # noqa: N818  -- it is what was found, not what went wrong here
    """`invariant` is I1 to I15, as in decision note 0082."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(invariant, message)
        self.invariant = invariant

    def __str__(self) -> str:
        return ": ".join(self.args)
