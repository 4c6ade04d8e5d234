"""Turns what a model refuses into one sentence that names the field and the rule."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.errors import INVALID_FIELD, MISSING_FIELD, UNKNOWN_FIELD, Refusal

M = TypeVar("M", bound=BaseModel)

RULES = {
    "string_type": "must be text.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "int_parsing_size": "is too large a number.",
    "bool_type": "must be true or false.",
    "bool_parsing": "must be true or false.",
    "list_type": "must be a list.",
    "dict_type": "must be an object.",
    "model_type": "must be an object.",
    "model_attributes_type": "must be an object.",
    "literal_error": "must be {expected}.",
    "string_too_short": "must have at least {min_length} characters.",
    "string_too_long": "must have at most {max_length} characters.",
    "too_short": "must have at least {min_length} entries.",
    "too_long": "must have at most {max_length} entries.",
    "greater_than": "must be more than {gt}.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than": "must be less than {lt}.",
    "less_than_equal": "must be at most {le}.",
}
QUOTED = 60


def body(model: type[M], value: Mapping[str, Any]) -> M:
    """The body as its model, or a refusal."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal(error) from None


def query(model: type[M], pairs: Mapping[str, str]) -> M:
    """The query as its model; each name may stand there once."""
    names = [name for name, _ in pairs.items()]  # a multidict has each name as often as it was sent
    if len(set(names)) != len(names):
        twice = _shown(max(names, key=names.count))
        raise Refusal(INVALID_FIELD, f"{twice} is given twice in the query.", twice)
    try:
        return model.model_validate_strings(dict(pairs))
    except ValidationError as error:
        raise refusal(error) from None


def refusal(error: ValidationError) -> Refusal:
    """The first thing that is wrong; an unknown field goes before a missing one: it is often the same, misspelt."""
    details = error.errors(include_url=False, include_input=False)
    first = min(details, key=lambda detail: detail["type"] != "extra_forbidden")
    place = [*first["loc"], *([first["ctx"]["field"]] if first["type"] == "about" else [])]
    field = _shown(".".join(str(part) for part in place))
    match first["type"]:
        case "about":
            code = MISSING_FIELD if first["ctx"]["is_missing"] else INVALID_FIELD
            return Refusal(code, f"{field} {first['msg']}", field)
        case "extra_forbidden":
            return Refusal(UNKNOWN_FIELD, f"{field} is not a field of this call.", field)
        case "missing":
            return Refusal(MISSING_FIELD, f"{field} is required.", field)
    return Refusal(INVALID_FIELD, f"{field} {_rule(first)}".strip(), field or None)


def _rule(detail: ErrorDetails) -> str:
    if detail["type"] == "rule":
        return detail["msg"]
    template = RULES.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else f"is not valid: {detail['msg'].lower()}."


def _shown(name: str) -> str:
    """A client's own text is repeated only in part, and only what can be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:QUOTED])
