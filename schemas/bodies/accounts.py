"""Names, passwords and tokens as clients write and read them."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from schemas.bodies.fields import Answer, Body, Moment, matching


def _folded(value: object) -> object:
    """Names differ by letters only, so ADMIN cannot pose as admin."""
    return value.casefold() if isinstance(value, str) else value


Username = Annotated[
    str,
    BeforeValidator(_folded),
    AfterValidator(matching(r"[a-z0-9_.-]{3,32}", "must be 3 to 32 characters of a-z, 0-9, _ . and -.")),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9_.-]{3,32}$"}, examples=["ada"]),
]
Password = Annotated[
    str,
    AfterValidator(matching(r"(?s).{8,128}", "must be 8 to 128 characters long.")),
    Field(json_schema_extra={"minLength": 8, "maxLength": 128, "format": "password"}),
]
RefreshToken = Annotated[str, Field(min_length=1, max_length=200)]


class Registration(Body):
    username: Username
    password: Password


class Credentials(Body):
    """Whatever is not a name or password that we gave out is simply wrong, so login tells nothing about the rules."""

    username: Annotated[str, BeforeValidator(_folded), Field(max_length=128)]
    password: Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]


class NewPassword(Body):
    old: Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]
    new: Password


class Refresh(Body):
    refresh: RefreshToken


class Tokens(Answer):
    access: str
    refresh: str


class Me(Answer):
    id: int
    username: str
    is_admin: bool
    mfa_enabled: bool
    created_at: Moment
