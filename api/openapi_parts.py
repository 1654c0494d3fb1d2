"""What the calls of the OpenAPI document share: parameters, headers and problems."""

from typing import Any

import falcon
import msgspec

from api.problems import PROBLEM_JSON, RETRY_AFTER_UNAVAILABLE_S, TYPES, Problem, ProblemField
from api.schemas.common import ID_EXAMPLE

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body give the stored answer again for 24 hours, another body 409.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$", "examples": [ID_EXAMPLE]},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that the change is based on.",
    "schema": {"type": "string", "examples": ['"3"']},
}


def upload_body(example: str, **fields: Any) -> dict[str, Any]:
    """A multipart form with a `file`, and the schemas of text fields that may stand beside it."""
    file = {"type": "string", "format": "binary", "examples": [example]}
    form = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": file, **fields},
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


UPLOAD = upload_body("%PDF-1.7")

MEANINGS = {
    401: "No valid credentials.",
    403: "Not allowed.",
    404: "Not found, or not yours.",
    409: "A conflict of state: with what is there, with an earlier use of the `Idempotency-Key`, or with a "
    "change at the same moment. `detail` says which.",
    410: "What was asked for is forgotten; `type` is `urn:outlay:problem:start-over`.",
    412: "`If-Match` names another version than the current one.",
    413: "The body is too large.",
    415: "The body is of another type.",
    416: "There is no such range of the file.",
    422: "Malformed or invalid; `errors` names the fields.",
    429: "Too many requests, or too many wrong passwords; wait for so many seconds.",
    503: "The database is away or too much is waiting; try again.",
}

DETAILS = {
    401: "the session has ended",
    403: "the password is wrong",
    404: "no such expense",
    409: "this Idempotency-Key was used for another request",
    410: "what this token has not seen is forgotten; start over without one, and with an empty copy",
    412: "the current version is 4",
    413: "a body may have 4194304 bytes",
    415: "send application/json",
    416: "the file has no such bytes",
    422: "/amount: EUR has 2 decimals",
    429: "too many attempts; try again in 4 s",
    503: "the database is away; try again",
}

WRONG_FIELDS = {422: [ProblemField("EUR has 2 decimals", pointer="/amount")]}

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "The version, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "examples": ['"3"']},
    },
    "Location": {
        "description": "Where to read what was created or asked for.",
        "required": True,
        "schema": {"type": "string", "examples": [f"/v1/expenses/{ID_EXAMPLE}"]},
    },
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "examples": [RETRY_AFTER_UNAVAILABLE_S]},
    },
    "RateLimit": {
        "description": "How many requests are left (`r`), and for how many seconds that holds (`t`).",
        "required": True,
        "schema": {"type": "string", "examples": ['"default";r=0;t=17']},
    },
    "RateLimit-Policy": {
        "description": "How many requests (`q`) there may be in so many seconds (`w`).",
        "required": True,
        "schema": {"type": "string", "examples": ['"default";q=3000;w=60']},
    },
    "WWW-Authenticate": {
        "description": "The scheme to use (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "examples": ["Bearer"]},
    },
}

PROBLEM_HEADERS = {
    401: ["WWW-Authenticate"],
    429: ["Retry-After", "RateLimit", "RateLimit-Policy"],
    503: ["Retry-After"],
}


def problem_responses() -> dict[str, Any]:
    """The answers that calls share, for `components/responses`."""
    return {
        component_name(status): {
            "description": meaning,
            **({"headers": header_references(PROBLEM_HEADERS[status])} if status in PROBLEM_HEADERS else {}),
            "content": problem_content(status),
        }
        for status, meaning in MEANINGS.items()
    }


def problem_content(status: int) -> dict[str, Any]:
    problem = Problem(
        _title(status),
        status,
        type=TYPES.get(status, "about:blank"),
        detail=DETAILS[status],
        errors=WRONG_FIELDS.get(status, []),
    )
    example = msgspec.to_builtins(problem)
    return {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}


def header_references(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def component_name(status: int) -> str:
    return _title(status).replace(" ", "")


def _title(status: int) -> str:
    _code, _, title = str(falcon.code_to_http_status(status)).partition(" ")
    return title
