"""The OpenAPI document itself: valid, complete, and with examples that one can use."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from core.database import Database
from tests.api.calls import one_of_each, read
from tests.cast import Cast

METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

OTHER_ERRORS = {("/readyz", "503", JSON)}
"""Errors that are no problems, as whoever asks there wants to know more."""

BODY_ARGUMENTS = {JSON: "json", "multipart/form-data": "files"}
"""By media type, how httpx is told to send a body of it."""

HAS_A_SECRET = {"/v1/auth/verify-email", "/v1/auth/password-reset/confirm", "/v1/me/passkeys"}
"""Calls whose body only the recipient of a mail, or a device, can write."""

WRITES = {"post", "patch", "delete"}

NEVER_CONFLICTS = {"/v1/auth/ticket", "/v1/rules/try", "/v1/unsubscribe/{token}"}
"""POSTs that change nothing that could be in their way."""


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    return read(client, "/openapi.json")


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    schemas = [*document["components"]["schemas"].values(), *within(document, "schema")]
    assert len(schemas) > 100
    for schema in schemas:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere_and_every_component_is_referred_to(document: dict[str, Any]) -> None:
    references = set(within(document, "$ref"))
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert references == components


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    found = [operation for _path, _method, operation in operations(document)]
    for name in ("operationId", "summary"):
        values = [operation[name] for operation in found]
        assert len(set(values)) == len(values) > 30, name
    tags = {tag["name"] for tag in document["tags"]}
    for operation in found:
        assert re.fullmatch(r"[a-z0-9_]+", operation["operationId"])
        assert len(operation["tags"]) == 1
        assert tags.issuperset(operation["tags"])
        assert any(status.startswith(("2", "302")) for status in operation["responses"])
    assert "" not in within(document, "description")


def test_every_operation_lists_its_problems(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        expected = {"422"}
        expected |= {"429", "503"} if path != "/healthz" else set()
        expected |= {"401"} if operation["security"] else set()
        expected |= {"404"} if "{" in path else set()
        expected |= {"413", "415"} if "requestBody" in operation else set()
        expected |= {"409"} if method in WRITES and path not in NEVER_CONFLICTS else set()
        expected |= {"412"} if "If-Match" in [one["name"] for one in operation["parameters"]] else set()
        assert expected <= operation["responses"].keys(), f"{method} {path}"
    assert not {"429", "503"} & document["paths"]["/healthz"]["get"]["responses"].keys()
    for path in NEVER_CONFLICTS:
        assert "409" not in document["paths"][path]["post"]["responses"]


def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for path, _method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400":
                continue
            for media_type, content in resolved(response, document)["content"].items():
                if media_type == JSON:
                    assert (path, status, media_type) in OTHER_ERRORS
                else:
                    assert media_type == PROBLEM_JSON
                    assert content["example"]["status"] == int(status)


def test_every_body_and_answer_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        bodies = [operation.get("requestBody", {"content": {}}), *operation["responses"].values()]
        for body in bodies:
            for content in resolved(body, document).get("content", {}).values():
                assert complaints(content["schema"], content["example"], document) == [], f"{method} {path}"


def test_every_example_of_a_field_is_valid(document: dict[str, Any]) -> None:
    checked = 0
    for schema in dicts(document):
        for example in schema.get("examples", ()):
            assert complaints(schema, example, document) == []
            checked += 1
    assert checked > 100


def test_every_example_of_a_request_is_accepted_when_it_is_sent(
    cast: Cast, document: dict[str, Any], database: Database, subtests: pytest.Subtests
) -> None:
    ids = {**one_of_each(cast.owner.client, database), "seq": "1"}
    known = {name: value for name, value in ids.items() if name.endswith("_id")}
    known["to_member_id"] = ids["member_id"]
    with_body = [one for one in operations(document) if "requestBody" in one[2]]
    # What deletes comes last, so that the others still find something.
    for path, method, operation in sorted(with_body, key=lambda one: one[1] == "delete"):
        [(media_type, content)] = operation["requestBody"]["content"].items()
        # Ids that are required can only be made up in the document.
        example = {name: known.get(name, value) for name, value in content["example"].items()}
        body = {BODY_ARGUMENTS.get(media_type, "data"): example}
        with subtests.test(call=f"{method} {path}"):
            answer = cast.owner.client.request(method, path.format(**ids), **body)
            # The password is not the owner's, there are no notifications, and a name can be given once.
            expected = (422,) if path in HAS_A_SECRET else (401, 403, 404, 409)
            assert answer.is_success or answer.status_code in expected, answer.text


def test_numbers_in_paths_have_the_bounds_of_their_column(document: dict[str, Any]) -> None:
    [seq] = document["paths"]["/v1/notifications/{seq}"]["patch"]["parameters"]
    assert seq["schema"] == {"type": "integer", "format": "int64", "minimum": 1, "maximum": 2**63 - 1}


def test_answers_say_which_headers_they_bring(document: dict[str, Any]) -> None:
    expenses = document["paths"]["/v1/expenses"]
    assert expenses["post"]["responses"]["201"]["headers"].keys() == {"ETag", "Location"}
    assert "headers" not in expenses["get"]["responses"]["200"]
    one = document["paths"]["/v1/expenses/{expense_id}"]
    assert one["get"]["responses"]["200"]["headers"].keys() == {"ETag"}
    responses = document["components"]["responses"]
    assert responses["Unauthorized"]["headers"].keys() == {"WWW-Authenticate"}
    assert responses["TooManyRequests"]["headers"].keys() == {"Retry-After", "RateLimit", "RateLimit-Policy"}
    assert responses["ServiceUnavailable"]["headers"].keys() == {"Retry-After"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from dicts(inner)


def within(value: Any, name: str) -> list[Any]:
    """Whatever has this name, at any depth."""
    return [found[name] for found in dicts(value) if name in found]


def resolved(value: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = document
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def complaints(schema: dict[str, Any], example: Any, document: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{error.message}: {example}" for error in validator.iter_errors(example)]
