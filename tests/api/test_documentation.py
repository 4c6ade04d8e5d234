"""The OpenAPI document against the router, and the two pages that show it."""

import asyncio
import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from api.openapi import document
from api.routing import Policy
from api.table import ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOCUMENT = document(ROUTES)
METHODS = {"get", "post", "put", "patch", "delete"}


def operations():
    return {
        (method.upper(), path.rstrip("/") or "/"): operation
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
    }


async def test_the_document_has_every_route_and_no_other():
    assert operations().keys() == {(route.method, route.plain_path) for route in ROUTES}


async def test_the_document_is_valid_openapi():
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


async def test_every_reference_leads_somewhere():
    text = json.dumps(DOCUMENT)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= DOCUMENT["components"]["schemas"].keys()


async def test_every_operation_tells_who_may_call_and_what_can_go_wrong():
    found = operations()
    for route in ROUTES:
        operation = found[route.method, route.plain_path]
        assert operation["x-policy"] == route.policy.value
        assert (operation["security"] == []) == (route.policy is Policy.PUBLIC)
        assert str(route.status) in operation["responses"]
        assert {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"} == set(
            route.parameters
        )
        assert ("401" in operation["responses"]) >= (route.policy is not Policy.PUBLIC)
        assert ("403" in operation["responses"]) >= (route.policy is Policy.ADMIN)
        assert all({str(code.status)} <= operation["responses"].keys() for code in route.refusals)


async def test_the_document_is_served_as_it_was_made(client):
    answer = await client.get("openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body["openapi"] == "3.1.0"
    assert answer.body["paths"].keys() == DOCUMENT["paths"].keys()


async def test_the_pages_need_nothing_from_the_internet(client, door):
    while door.services.assets.reason is not None:
        await asyncio.sleep(0.05)
    for page, files in (
        ("swagger/", ["swagger/swagger-ui-bundle.js", "swagger/swagger-ui.css", "swagger/start.js"]),
        ("redoc/", ["redoc/redoc.standalone.js"]),
    ):
        answer = await client.get(page)
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "http" not in answer.body
        for file in files:
            assert f'"/api/v1/{file}"' in answer.body
            assert (await client.get(file)).status == 200
    assert (await client.get("swagger/passwd.js")).status == 404


async def test_a_parameter_of_a_query_is_never_null():
    for operation in operations().values():
        for parameter in operation["parameters"]:
            assert parameter["schema"].get("default", "") is not None, parameter
            assert {"type": "null"} not in parameter["schema"].get("anyOf", []), parameter
