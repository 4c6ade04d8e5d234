"""The Postman collection, made from the same table: every call with an example body, and the tokens kept by scripts."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from api.routing import Policy, Route

Json = dict[str, Any]
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
KEEP_TOKENS = [
    "const body = pm.response.json();",
    'if (body.access) pm.collectionVariables.set("access", body.access);',
    'if (body.refresh) pm.collectionVariables.set("refresh", body.refresh);',
]
EXAMPLES: Mapping[str, object] = {
    "username": "ada", "password": "correct horse", "old": "correct horse", "new": "battery staple",
    "refresh": "{{refresh}}", "market": "BTC-USD", "symbol": "ABC-USD", "side": "buy", "price": "40000.00",
    "amount": "0.01", "asset": "USD", "crypto": "ABAN", "code": "ABC", "name": "ABC", "scale": 8, "base": "ABC",
    "quote": "USD", "tick_size": "0.01", "lot_size": "0.0001", "status": "open",
    "orders": [{"market": "BTC-USD", "side": "buy", "price": "40000.00", "amount": "0.01"}],
}  # fmt: skip


def collection(routes: Iterable[Route]) -> str:
    """The file's text."""
    folders: defaultdict[str, list[Json]] = defaultdict(list)
    for route in routes:
        folders[route.tag].append(_item(route))
    return (
        json.dumps(
            {
                "info": {"name": "Tidemark", "schema": SCHEMA},
                "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{access}}", "type": "string"}]},
                "variable": [
                    {"key": "host", "value": "http://127.0.0.1:8000"},
                    {"key": "access", "value": ""},
                    {"key": "refresh", "value": ""},
                ],
                "item": [{"name": tag, "item": items} for tag, items in folders.items()],
            },
            indent=1,
        )
        + "\n"
    )


def _item(route: Route) -> Json:
    path = route.plain_path.strip("/")
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", f":{name}")
    parts = path.split("/") if path else []
    url: Json = {"raw": f"{{{{host}}}}/{path}", "host": ["{{host}}"], "path": parts}
    if route.parameters:
        url["variable"] = [{"key": name, "value": str(EXAMPLES.get(name, "1"))} for name in route.parameters]
    if route.query is not None:
        url["query"] = [{"key": name, "value": "", "disabled": True} for name in route.query.model_fields]
    request: Json = {"method": route.method, "url": url, "description": route.summary}
    if route.policy is Policy.PUBLIC:
        request["auth"] = {"type": "noauth"}
    if route.body is not None:
        request["header"] = [{"key": "Content-Type", "value": "application/json"}]
        request["body"] = {"mode": "raw", "raw": json.dumps(_example(route.body), indent=1)}
    item: Json = {"name": f"{route.method} {route.plain_path}", "request": request}
    if route.answer is not None and getattr(route.answer, "__name__", "") == "Tokens":
        item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": KEEP_TOKENS}}]
    return item


def _example(body: Any) -> Json:
    """The required fields, and those without which the first body of several contradicts itself."""
    model: type[BaseModel] = body if isinstance(body, type) else body.__args__[0]
    wanted = {name for name, field in model.model_fields.items() if field.is_required()}
    wanted |= {"price", "amount"} & model.model_fields.keys()
    return {name: EXAMPLES[name] for name in model.model_fields if name in wanted and name in EXAMPLES}
