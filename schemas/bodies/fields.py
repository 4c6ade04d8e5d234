"""The kinds of field that bodies are made of; each refuses with the rule in words, never with a type's name.

Numbers arrive as text or as the exact Decimal that the JSON reader made of their text, and stay as they came:
`schemas/money.py` reads them, here only to see that it can.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas import money


class Body(BaseModel):
    """What a client sends: nothing unknown, nothing converted behind its back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Answer(BaseModel):
    """What a client gets; made by us, so it is not checked again."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Query(BaseModel):
    """What stands behind the question mark, always as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def rule(message: str, **context: Any) -> PydanticCustomError:
    """A refusal whose sentence begins with the field's name."""
    return PydanticCustomError("rule", message, context or None)


def about(field: str, message: str, *, missing: bool = False) -> PydanticCustomError:
    """The same from a model that looks at several of its fields: it says which one is to blame."""
    return PydanticCustomError("about", message, {"field": field, "is_missing": missing})


def _number(lowest: int | None) -> PlainValidator:
    """A decimal number that is at least 0, more than 0, or anything."""

    def check(value: Any, info: ValidationInfo) -> str | int | Decimal:
        field = info.field_name or "number"
        try:
            number = money.exact(value, field)
        except money.MoneyError as error:
            raise rule(str(error).removeprefix(field).strip()) from None
        if lowest is not None and number.mantissa < lowest:
            raise rule("must be more than zero." if lowest else "must not be negative.")
        return value  # type: ignore[no-any-return]  # money.exact has just seen that it is one of these

    return PlainValidator(check)


def matching(pattern: str, message: str) -> Callable[[str], str]:
    """A check of the whole text against a pattern, with the rule in words."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise rule(message)
        return text

    return check


_NUMBER_SCHEMA = WithJsonSchema(
    {
        "anyOf": [{"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "maxLength": 100}, {"type": "number"}],
        "description": "A decimal number. Text keeps every digit, whatever the client's JSON library does.",
        "examples": ["12.5"],
    }
)
PositiveNumber = Annotated[str | int | Decimal, _number(1), _NUMBER_SCHEMA]
NotNegativeNumber = Annotated[str | int | Decimal, _number(0), _NUMBER_SCHEMA]


def _text(pattern: str, message: str) -> Any:
    return Annotated[
        str, AfterValidator(matching(pattern, message)), Field(json_schema_extra={"pattern": f"^{pattern}$"})
    ]


AssetCode = _text(r"[A-Z0-9]{1,16}", "must be 1 to 16 capital letters and digits.")
MarketSymbol = _text(
    r"[A-Z0-9]{1,16}-[A-Z0-9]{1,16}", "must be two currency codes with a hyphen between, like BTC-USD."
)
ClientOrderId = _text(r"[A-Za-z0-9._:/-]{1,64}", "must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ : / -.")

PrintedText = Annotated[
    str,
    AfterValidator(matching(r"\S(.{0,62}\S)?", "must be 1 to 64 characters, without a space at either end.")),
    Field(json_schema_extra={"minLength": 1, "maxLength": 64}),
]
DecimalText = Annotated[str, Field(json_schema_extra={"pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, examples=["20.00"])]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-31T12:00:00.000Z"])]
