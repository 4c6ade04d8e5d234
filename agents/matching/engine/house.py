"""The house sells at its listed price: never at a higher one than the buyer was shown, and what is lower goes back."""

from agents.matching.engine.admission import refuse_purchase, refused
from agents.matching.engine.state import State
from agents.matching.engine.terms import MAX_PRICE_TICKS
from schemas.commands import BuyFromHouse, ListPrice
from schemas.executions import Event, HouseFilled, PriceListed, Reject


def list_price(state: State, command: ListPrice) -> list[Event]:
    """The house's price from here on, whatever the market's status."""
    if not 1 <= command.price_ticks <= MAX_PRICE_TICKS:
        return [refused(command, Reject.INVALID_PRICE)]
    state.house_price_ticks = command.price_ticks
    state.measure_band()
    return [PriceListed(command.price_ticks)]


def buy_from_house(state: State, command: BuyFromHouse) -> list[Event]:
    """A purchase, whole or not at all. It carries no fee and is no trade of the book."""
    if command.order_id in state.book.orders:
        return [refused(command, Reject.DUPLICATE_ORDER)]
    reason = refuse_purchase(state, command)
    if reason is not None:
        return [refused(command, reason)]
    price = state.house_price_ticks
    assert price is not None
    state.trade_seq += 1
    paid = state.terms.quote_atoms(price, command.lots)
    return [
        HouseFilled(
            trade_seq=state.trade_seq,
            order_id=command.order_id,
            user_id=command.user_id,
            price_ticks=price,
            lots=command.lots,
            base_atoms=state.terms.base_atoms(command.lots),
            quote_atoms=paid,
            released_atoms=command.hold.atoms - paid,
        )
    ]
