"""A market begins and its terms change. Tick and lot never do; a market's rules version changes only by a command."""

import dataclasses

from agents.matching.engine.admission import refused
from agents.matching.engine.state import State
from agents.matching.engine.terms import UnknownRulesError
from schemas.commands import RULES_VERSIONS, ChangeMarket, ChangeRules, OpenMarket
from schemas.executions import Event, Reject, RulesChanged


def require_rules(market: str, rules_version: int) -> None:
    """Stop before going on under rules that this release does not have. The one thing that raises."""
    if rules_version not in RULES_VERSIONS:
        raise UnknownRulesError(market, rules_version)


def reopen(_state: State, command: OpenMarket) -> list[Event]:
    """A market opens once."""
    return [refused(command, Reject.ALREADY_OPEN)]


def change_market(state: State, command: ChangeMarket) -> list[Event]:
    """New terms, whole or not at all. Orders that rest stay as they are."""
    terms = state.terms.changed(command)
    if terms is None:
        return [refused(command, Reject.INVALID_MARKET)]
    state.terms = terms
    state.measure_band()
    return [terms.told()]


def change_rules(state: State, command: ChangeRules) -> list[Event]:
    """Other rules from here on."""
    state.terms = dataclasses.replace(state.terms, rules_version=command.rules_version)
    return [RulesChanged(command.rules_version)]
