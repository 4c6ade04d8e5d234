"""All that an open market knows. Everything the engine decides follows from this and the next command."""

from agents.matching.engine.book import Book
from agents.matching.engine.terms import Terms
from agents.matching.engine.window import Window


class State:
    """Changed by one command at a time; a snapshot is all of it but the band, which follows from the rest."""

    __slots__ = (
        "band_high", "band_low", "book", "house_price_ticks", "last_price_ticks", "now_ms", "terms", "trade_seq",
        "window",
    )  # fmt: skip

    def __init__(self, terms: Terms, now_ms: int = 0) -> None:
        self.terms = terms
        self.now_ms = now_ms
        self.trade_seq = 0
        self.last_price_ticks: int | None = None
        self.house_price_ticks: int | None = None
        self.window = Window()
        self.book = Book()
        self.measure_band()

    def measure_band(self) -> None:
        """Anew from the last trade in the book, else the house's price, whenever one of these or the terms change."""
        reference = self.house_price_ticks if self.last_price_ticks is None else self.last_price_ticks
        self.band_low, self.band_high = self.terms.band(reference)
