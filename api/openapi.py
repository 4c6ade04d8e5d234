"""The OpenAPI 3.1 document, made from the table of routes and their models: what is served is what is documented."""

import types
import typing
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.routing import API, Policy, Route
from schemas.bodies.errors import Error
from schemas.errors import (
    FORBIDDEN,
    INTERNAL,
    INVALID_FIELD,
    INVALID_TOKEN,
    MALFORMED,
    MISSING_FIELD,
    TOKEN_EXPIRED,
    TOO_LARGE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_FIELD,
    Code,
)

Json = dict[str, Any]
VERSION = "1.0.0"
REFERENCE = "#/components/schemas/{model}"
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,64}$"},
    "description": "Your own name for this request: the same key with the same body is done once.",
}
PATH_SCHEMAS: dict[str, Json] = {
    "symbol": {"type": "string", "pattern": "^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$", "examples": ["BTC-USD"]},
    "name": {"type": "string", "pattern": "^[A-Z0-9]{1,16}$", "examples": ["ABAN"]},
    "client_order_id": {"type": "string", "pattern": "^[A-Za-z0-9._:/-]{1,64}$"},
}
ID = {"type": "integer", "minimum": 1}
WORDS = {
    101: "The connection is a WebSocket now.", 200: "Done.", 201: "Made.", 202: "In the journal, and not decided yet.",
    204: "Done.", 503: "Not ready.",
}  # fmt: skip


def document(routes: Iterable[Route]) -> Json:
    """The whole document; the same routes give the same text."""
    rows = list(routes)
    schemas = _Schemas(rows)
    paths: defaultdict[str, Json] = defaultdict(dict)
    for route in rows:
        paths[_path(route)][route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidemark",
            "version": VERSION,
            "description": "A spot crypto exchange whose journal is Kafka. Numbers are decimal text; times are UTC.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in rows)],
        "paths": dict(paths),
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _path(route: Route) -> str:
    """As the contract writes it: with the slash at the end, except a file's name and the few short ones."""
    plain = route.plain_path
    return plain + "/" if plain.startswith("/api/") and "." not in plain.rpartition("/")[2] else plain


class _Schemas:
    """The models of all routes, each once, and references to them."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Error, "serialization"): None}
        for route in routes:
            wanted |= dict.fromkeys((model, "validation") for model in _models(route.body))
            for answer in (route.answer, *route.also.values()):
                wanted |= dict.fromkeys((model, "serialization") for model in _models(answer))
        self._references, schema = models_json_schema(list(wanted), ref_template=REFERENCE)
        self.definitions: Json = dict(sorted(schema["$defs"].items()))

    def of(self, kind: Any, mode: JsonSchemaMode) -> Json:
        """A model, a list of them, or one of several."""
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self._references[kind, mode]
        if typing.get_origin(kind) is list:
            return {"type": "array", "items": self.of(typing.get_args(kind)[0], mode)}
        return {"anyOf": [self.of(one, mode) for one in typing.get_args(kind)]}


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif isinstance(kind, types.UnionType) or typing.get_origin(kind) is list:
        for one in typing.get_args(kind):
            yield from _models(one)


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": _responses(route, schemas),
        "security": [] if route.policy is Policy.PUBLIC else [{"bearer": []}],
        "x-policy": route.policy.value,
    }
    if route.description:
        operation["description"] = route.description
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(schemas.of(route.body, "validation"))}
    return operation


def _parameters(route: Route) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS.get(name, ID)}
        for name in route.parameters
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        required = schema.get("required", [])
        found += [
            {"name": name, "in": "query", "required": name in required, "schema": _given(one)}
            for name, one in schema["properties"].items()
        ]
    return [*found, KEY_HEADER] if route.idempotent else found


def _given(schema: Json) -> Json:
    """In a query a value is there or not there; null cannot be written."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**rest, **kinds[0]} if len(kinds) == 1 else {**rest, **({"anyOf": kinds} if kinds else {})}


def _responses(route: Route, schemas: _Schemas) -> Json:
    responses: Json = {}
    for status, answer in {route.status: route.answer, **route.also}.items():
        responses[str(status)] = {"description": WORDS[status]}
        if answer is not None:
            responses[str(status)]["content"] = _json(schemas.of(answer, "serialization"))
        elif status == 200:
            responses[str(status)]["content"] = {"text/plain": {}, "text/html": {}}
    by_status: defaultdict[int, list[Code]] = defaultdict(list)
    for code in dict.fromkeys((*_usual(route), *route.refusals)):
        by_status[code.status].append(code)
    for status, codes in sorted(by_status.items()):
        told = "; ".join(f"`{code.name}`: {code.meaning}" for code in codes)
        responses.setdefault(str(status), {"description": told, "content": _json(schemas.of(Error, "serialization"))})
    return dict(sorted(responses.items()))


def _usual(route: Route) -> Iterator[Code]:
    """What any route of this kind may refuse."""
    if route.policy is not Policy.PUBLIC:
        yield from (UNAUTHENTICATED, INVALID_TOKEN, TOKEN_EXPIRED)
    if route.policy is Policy.ADMIN:
        yield FORBIDDEN
    if route.body is not None:
        yield from (MALFORMED, MISSING_FIELD, UNKNOWN_FIELD, INVALID_FIELD, TOO_LARGE)
    elif route.query is not None or route.idempotent:
        yield from (UNKNOWN_FIELD, INVALID_FIELD)
    if route.path.startswith(API):
        yield from (INTERNAL, UNAVAILABLE)


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
