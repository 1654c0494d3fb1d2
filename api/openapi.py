"""The OpenAPI 3.1 document, written by spectree from the endpoints' structs."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from spectree import Response as Answers
from spectree import SpecTree
from spectree._types import ModelAdapterType
from spectree.config import ModeEnum
from spectree.model_adapter.msgspec_adapter import MsgspecModelAdapter
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData

from api.gatekeeper import throttled
from api.openapi_examples import answer_example, request_example
from api.openapi_parts import (
    HEADERS,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    PROBLEM_HEADERS,
    component_name,
    header_references,
    problem_content,
    problem_responses,
)
from api.problems import Problem
from api.schemas.common import ID_EXAMPLE
from api.throttles import Throttle
from api.validation import FORM_TYPE, OutlayPlugin

Handler = TypeVar("Handler", bound=Callable[..., Any])

BEARER = "bearer"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})

SUMMARIES = {
    "/v1/budgets/{budget_id}/archive": "Take a budget out of use; its history stays.",
    "/v1/budgets/{budget_id}/unarchive": "Take a budget back into use.",
    "/v1/recurring-expenses/{recurring_id}/pause": "Have a recurring expense post nothing for a while.",
    "/v1/recurring-expenses/{recurring_id}/resume": "Have a recurring expense go on from today.",
}
"""Of responders that serve two paths."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What spectree does not know of a responder."""

    answers: Mapping[int, Any]
    problems: frozenset[int]
    conflicts: bool
    is_idempotent: bool
    is_versioned: bool
    is_body_required: bool
    is_public: bool
    throttle: Throttle | None
    upload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no struct, such as a picture: its type, an example of it, and what else it may be."""

    media_type: str
    example: Any
    others: Collection[str] = ()

    @property
    def content(self) -> dict[str, Any]:
        schema = {"type": "string" if isinstance(self.example, str) else "object"}
        content = {"schema": schema, "example": self.example}
        return dict.fromkeys([self.media_type, *sorted(self.others)], content)


_endpoints: dict[Any, Endpoint] = {}
"""By responder."""


def _name_of(model: Any) -> str:
    return str(getattr(model, "__name__", None) or msgspec.json.schema(model).get("title", "List"))


spec = SpecTree(
    backend=OutlayPlugin,
    model_adapter=cast("ModelAdapterType", MsgspecModelAdapter()),
    annotations=False,
    mode=ModeEnum.strict,
    title="Outlay",
    version="1",
    description="Self-hosted expense tracking and budgeting. Errors are RFC 9457 problems; see each call. "
    "Every answer says in `RateLimit` how many requests are left.",
    security_schemes=[
        SecurityScheme(
            name=BEARER,
            data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer", bearer_format="JWT"),
        )
    ],
    naming_strategy=_name_of,
    nested_naming_strategy=lambda _parent, child: child,
)


def endpoint(
    tag: str,
    *,
    answers: Mapping[int, Any],
    query: Any = None,
    json: Any = None,
    form: Any = None,
    upload: Mapping[str, Any] | None = None,
    problems: Collection[int] = (),
    conflicts: bool = True,
    is_public: bool = False,
    is_idempotent: bool = True,
    is_versioned: bool = True,
    needs_database: bool = True,
    throttle: Throttle | None = None,
    is_limited: bool = True,
) -> Callable[[Handler], Handler]:
    """Describe and validate a responder.

    `answers` maps statuses to what their body holds (a struct, a `Media`, or None: no body). The struct of
    `query`, `json` or `form` is in `req.context` under that name; with an `upload_body` as `upload` the body
    is a multipart form, which the responder reads. `problems` adds statuses to those that follow from the
    rest; whatever writes has a 409 unless `conflicts` is False. `is_idempotent` is for POSTs, `is_versioned`
    for PUTs, PATCHes and DELETEs: whether `If-Match` is heeded. `throttle` says how often it may be called,
    beside the limits of all calls; a public POST must have one.
    """

    def decorate(handler: Handler) -> Handler:
        validated: Handler = spec.validate(
            query=query,
            json=json,
            form=form,
            resp=Answers(
                **{
                    f"HTTP_{status}": None if isinstance(model, Media) else model
                    for status, model in answers.items()
                }
            ),
            tags=[tag],
            security={} if is_public else {BEARER: []},
        )(throttled(handler, throttle))
        has_body = json is not None or form is not None or upload is not None
        _endpoints[validated] = Endpoint(
            answers=answers,
            problems=frozenset(
                {
                    # No route is for every scope of an API key.
                    *({401, 403} if not is_public else ()),
                    *({413, 415} if has_body else ()),
                    *({503} if needs_database else ()),
                    *({429} if is_limited else ()),
                    *problems,
                    422,
                }
            ),
            conflicts=conflicts,
            is_idempotent=is_idempotent,
            is_versioned=is_versioned,
            is_public=is_public,
            throttle=throttle,
            is_body_required=not getattr(json, "IS_OPTIONAL", False),
            upload=upload,
        )
        return validated

    return decorate


def openapi_document(app: Any) -> dict[str, Any]:
    """spectree's document, completed by what every call has in common."""
    spec.app = app
    # spectree forgets nested structs once it has written them, and a second application needs them again.
    spec.models.update(spec._get_model_definitions())
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec._generate_spec()))
    components = document["components"]
    schemas = components["schemas"]
    schemas.update(msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")[1])
    endpoints = dict(_registered())
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            endpoint = endpoints[path, method]
            _complete(item[method], path=path, method=method, endpoint=endpoint)
            _add_examples(item[method], schemas)
    # spectree tells a dot as it writes it in a pattern.
    document["paths"] = {path.replace("\\.", "."): item for path, item in document["paths"].items()}
    components |= {"responses": problem_responses(), "headers": HEADERS}
    for unused in schemas.keys() - _referenced(document["paths"] | components["responses"], schemas):
        del schemas[unused]
    return document


def _registered() -> list[tuple[tuple[str, str], Endpoint]]:
    found = []
    plugin = spec.backend
    for route in plugin.find_routes():
        path, _parameters = plugin.parse_path(route, None)
        for method, handler in plugin.parse_func(route):
            endpoint = _endpoints.get(getattr(handler, "__func__", None))
            if endpoint is not None:
                found.append(((path, method.lower()), endpoint))
    return found


def _complete(operation: dict[str, Any], *, path: str, method: str, endpoint: Endpoint) -> None:
    problems = set(endpoint.problems)
    if "{" in path:
        problems.add(404)
    if method != "get" and endpoint.conflicts:
        problems.add(409)
    parameters = [_parameter(one) for one in operation["parameters"]]
    if method in ("put", "patch", "delete") and endpoint.is_versioned:
        parameters.append(IF_MATCH)
        problems.add(412)
    if method == "post" and endpoint.is_idempotent:
        parameters.append(IDEMPOTENCY_KEY)
    operation["parameters"] = parameters
    operation["operationId"] = re.sub(r"\W+", "_", method + path).strip("_")
    operation["summary"] = SUMMARIES.get(path, operation["summary"])
    if not operation["description"]:
        del operation["description"]
    if not endpoint.is_body_required:
        operation["requestBody"]["required"] = False
    if endpoint.upload is not None:
        operation["requestBody"] = endpoint.upload
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content and endpoint.upload is None:
        content[FORM_TYPE] = content.pop("multipart/form-data")
    _complete_responses(operation["responses"], problems, endpoint)


def _complete_responses(responses: dict[str, Any], problems: set[int], endpoint: Endpoint) -> None:
    responses.pop("422", None)
    for status, model in endpoint.answers.items():
        if isinstance(model, Media):
            responses[str(status)]["content"] = model.content
        names = (
            ["ETag", *(["Location"] if status == 201 else [])] if getattr(model, "HAS_ETAG", False) else []
        )
        names += ["Location"] if status == 202 and model is not None else []
        names += PROBLEM_HEADERS.get(status, [])
        if names:
            responses[str(status)]["headers"] = header_references(names)
    for status in sorted(problems):
        if status in endpoint.answers:
            responses[str(status)]["content"] |= problem_content(status)
        else:
            responses[str(status)] = {"$ref": f"#/components/responses/{component_name(status)}"}


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    """The parameter without what it cannot be (null) and what does not say anything."""
    schema = dict(parameter["schema"])
    if {"type": "null"} in schema.get("anyOf", ()):
        [schema] = (dict(choice) for choice in schema["anyOf"] if choice != {"type": "null"})
    description = schema.pop("description", None) or parameter["description"]
    if schema.get("format") == "uuid":
        schema["examples"] = [ID_EXAMPLE]
    if schema.get("format") == "int32":  # as spectree calls every integer in a path
        schema |= {name: int(schema[name]) for name in ("minimum", "maximum") if name in schema}
        schema["format"] = "int64"
    cleaned = {**parameter, "description": description, "schema": schema}
    return {name: value for name, value in cleaned.items() if value != ""}


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["example"] = request_example(content["schema"], schemas)
    for response in operation["responses"].values():
        for content in response.get("content", {}).values():
            content.setdefault("example", answer_example(content["schema"], schemas))


def _referenced(start: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that `start` refers to, and those they refer to."""
    found: set[str] = set()
    texts = [msgspec.json.encode(start).decode()]
    while texts:
        new = set(re.findall(r"#/components/schemas/(\w+)", texts.pop())) - found
        found |= new
        texts += [msgspec.json.encode(schemas[name]).decode() for name in new]
    return found
