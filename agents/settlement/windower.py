"""What executions do to a market's window: purchases join or become batches, and time closes what is too old.

Pure and deterministic: the time is that of the execution, the batch's number that of the market.
"""

from agents.settlement.strategies import age, strategy
from agents.settlement.window import State
from schemas.batches import BatchEvent, Line
from schemas.executions import ChainedExecution, HouseFilled, MarketOpened, PriceListed


def follow(state: State, execution: ChainedExecution) -> list[BatchEvent]:
    """What this execution led to. Any execution tells the time; a `Ticked` tells nothing else."""
    said = age(state, execution.time_ms)
    for event in execution.events:
        match event:
            case MarketOpened():
                state.quote, state.quote_scale = event.quote, event.quote_scale
                state.tick_lot_quote_atoms = event.tick_lot_quote_atoms
            case PriceListed():
                state.price_ticks = event.price_ticks
            case HouseFilled():
                line = Line(event.order_id, event.user_id, event.lots, event.base_atoms, event.quote_atoms)
                state.price_ticks = event.price_ticks
                said += strategy(event.quote_atoms, state.threshold_atoms)(state, line, execution.time_ms)
            case _:
                pass
    return said


def due_ms(state: State) -> int | None:
    """When the open window is too old."""
    return None if state.window is None else state.window.opened_ms + state.terms.max_age_ms
