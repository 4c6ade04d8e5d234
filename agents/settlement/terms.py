"""When a window of small purchases closes. Part of the rules, not of the settings: the same journal, the same batches.

Whoever wants other terms adds a version here. A market's windows follow the version that it began with.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal

HOUR_MS: Final = 60 * 60 * 1000
RULES_VERSION: Final = 1


@dataclasses.dataclass(frozen=True, slots=True)
class WindowTerms:
    """Thresholds are in whole units of the quote currency. A window that is too old, is topped up by the house to the
    threshold and bought, or dissolved; one with too many orders for one record is topped up in any case."""

    thresholds: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"USD": 10, "USDT": 10, "USDC": 10})
    default_threshold: int = 10
    max_age_ms: int = 24 * HOUR_MS
    max_orders: int = 5_000
    when_too_old: Literal["top_up", "dissolve"] = "top_up"

    def threshold_atoms(self, quote: str, quote_scale: int) -> int:
        units: int = self.thresholds.get(quote, self.default_threshold)
        scale: int = 10**quote_scale
        return units * scale


VERSIONS: Final[Mapping[int, WindowTerms]] = {RULES_VERSION: WindowTerms()}
