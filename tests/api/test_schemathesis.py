"""The running API against its own document: good and bad data of schemathesis' making for each call."""

from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.config import Settings
from core.database import Database
from tests.api.calls import one_of_each
from tests.cast import Cast

EXAMPLES = 8
"""Of good and of bad data each, for each call. They are the same in every run."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

ENDS_ITS_SESSION = {"POST /v1/auth/logout", "DELETE /v1/me/sessions/{session_id}"}

HAS_NOTHING_TO_SPOIL = {
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /v1/unsubscribe/{token}",
    "POST /v1/unsubscribe/{token}",
    "POST /v1/auth/passkey/options",
    "GET /v1/auth/oidc",
    "GET /v1/auth/oidc/{provider}",
    "GET /v1/auth/oidc/{provider}/callback",
}
"""Any text is a token, though none of ours."""

PLAUSIBLE = {"currency": "EUR", "timezone": "Europe/Berlin", "category_id": None, "category_ids": []}
"""Random codes and ids are well-formed, but there are none such; nothing behind that would be reached."""


@pytest.mark.parametrize("data", [mode.value for mode in GenerationMode])
def test_every_answer_is_as_the_document_says(
    client: httpx.Client,
    cast: Cast,
    database: Database,
    subtests: pytest.Subtests,
    settings: Settings,
    data: str,
) -> None:
    mode = GenerationMode(data)
    if mode.is_negative and settings.database.startswith("sqlite"):
        pytest.skip("what is refused before it gets to the database need not be refused twice")
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json", config=schemathesis.Config())
    ids = one_of_each(cast.owner.client, database)
    operations = [result.ok() for result in schema.get_all_operations()]
    # What deletes comes last, so that the others still find something.
    for operation in sorted(operations, key=lambda one: one.method == "delete"):
        if mode.is_negative and operation.label in HAS_NOTHING_TO_SPOIL:
            continue
        person = cast.member if operation.label in ENDS_ITS_SESSION else cast.owner
        with subtests.test(call=operation.label), requests.Session() as session:
            session.headers["Authorization"] = person.client.headers["Authorization"]
            ask(operation, mode, ids, session)


def ask(operation: Any, mode: GenerationMode, ids: dict[str, str], session: requests.Session) -> None:
    """Send examples of the call and hold each answer to the checks; good data goes to what is there."""
    known = {name: found for name, found in ids.items() if name in operation.path_parameters}
    path_parameters = known if mode.is_positive else None
    cases = operation.as_strategy(mode, feedback=NO_FEEDBACK, path_parameters=path_parameters)

    @examples(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def answers_as_documented(case: schemathesis.Case) -> None:
        if mode.is_positive:
            case.body = plausible(case.body)
        case.call_and_validate(session=session, checks=CHECKS)

    answers_as_documented()


def plausible(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: PLAUSIBLE.get(name, plausible(inner)) for name, inner in value.items()}
    return [plausible(inner) for inner in value] if isinstance(value, list) else value
