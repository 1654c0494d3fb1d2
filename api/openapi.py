"""The OpenAPI 3.1 document, written by spectree from the endpoints' structs."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

import msgspec
from spectree import Response as Answers
from spectree import SpecTree
from spectree._types import ModelAdapterType
from spectree.config import ModeEnum
from spectree.model_adapter.msgspec_adapter import MsgspecModelAdapter
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData

from api.problems import PROBLEM_JSON, Problem
from api.validation import FORM_TYPE, OutlayPlugin

Handler = TypeVar("Handler", bound=Callable[..., Any])

BEARER = "bearer"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})

PROBLEMS = {
    401: "No valid credentials",
    403: "Not allowed",
    404: "Not found, or not yours",
    409: "A conflict of state",
    412: "`If-Match` names another version than the current one",
    413: "The body is too large",
    415: "The body is of another type",
    422: "Malformed or invalid; `errors` names the fields",
    503: "The database is away or too much is waiting; see `Retry-After`",
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and body give the stored answer again for 24 hours, another body 409.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that the change is based on.",
    "schema": {"type": "string"},
}


def _name_of(model: Any) -> str:
    return str(getattr(model, "__name__", None) or msgspec.json.schema(model).get("title", "List"))


spec = SpecTree(
    backend=OutlayPlugin,
    model_adapter=cast("ModelAdapterType", MsgspecModelAdapter()),
    annotations=False,
    mode=ModeEnum.strict,
    title="Outlay",
    version="1",
    description="Self-hosted expense tracking and budgeting. Errors are RFC 9457 problems; see each call.",
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
    conflicts: bool = False,
    problems: Collection[int] = (),
    is_public: bool = False,
    is_idempotent: bool = True,
    is_versioned: bool = True,
) -> Callable[[Handler], Handler]:
    """Describe and validate a responder.

    `answers` maps success statuses to what their body holds (None: no body). The struct of `query`, `json` or
    `form` is in `req.context` under that name. `conflicts` adds a 409; `problems` other statuses.
    `is_idempotent` is for POSTs, `is_versioned` for PATCHes and DELETEs: whether `If-Match` is heeded.
    """

    def decorate(handler: Handler) -> Handler:
        validated: Handler = spec.validate(
            query=query,
            json=json,
            form=form,
            resp=Answers(**{f"HTTP_{status}": model for status, model in answers.items()}),
            tags=[tag],
            security={} if is_public else {BEARER: []},
        )(handler)
        has_body = json is not None or form is not None
        validated.problems = {  # type: ignore[attr-defined]
            *({401} if not is_public else ()),
            *({413, 415} if has_body else ()),
            *({409} if conflicts else ()),
            *problems,
            503,
            422,
        }
        validated.is_idempotent = is_idempotent  # type: ignore[attr-defined]
        validated.is_versioned = is_versioned  # type: ignore[attr-defined]
        validated.is_body_required = not getattr(json, "IS_OPTIONAL", False)  # type: ignore[attr-defined]
        return validated

    return decorate


def openapi_document(app: Any) -> dict[str, Any]:
    """spectree's document, completed by what every call has in common."""
    spec.app = app
    # spectree forgets nested structs once it has written them, and a second application needs them again.
    spec.models.update(spec._get_model_definitions())
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec._generate_spec()))
    handlers = dict(_handlers())
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            _complete(item[method], path=path, method=method, handler=handlers[path, method])
    schemas = document["components"]["schemas"]
    schemas.update(msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")[1])
    for unused in ("ValidationError",):
        schemas.pop(unused, None)
    return document


def _handlers() -> list[tuple[tuple[str, str], Any]]:
    found = []
    plugin = spec.backend
    for route in plugin.find_routes():
        path, _parameters = plugin.parse_path(route, None)
        found += [((path, method.lower()), handler) for method, handler in plugin.parse_func(route)]
    return found


def _complete(operation: dict[str, Any], *, path: str, method: str, handler: Any) -> None:
    problems = set(handler.problems)
    if "{" in path:
        problems.add(404)
    if method in ("patch", "delete") and handler.is_versioned:
        operation["parameters"].append(IF_MATCH)
        problems.add(412)
    if method == "post" and handler.is_idempotent:
        operation["parameters"].append(IDEMPOTENCY_KEY)
        problems.add(409)
    schema = {"$ref": "#/components/schemas/Problem"}
    operation["responses"].pop("422", None)
    for status in sorted(problems):
        operation["responses"][str(status)] = {
            "description": PROBLEMS[status],
            "content": {PROBLEM_JSON: {"schema": schema}},
        }
    if not handler.is_body_required:
        operation["requestBody"]["required"] = False
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        content[FORM_TYPE] = content.pop("multipart/form-data")
