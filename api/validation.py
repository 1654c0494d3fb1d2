"""Requests into msgspec structs, for spectree.

spectree's own Falcon plugin parses JSON into floats before it validates. Amounts must be read as they were
written, so this one decodes the body's bytes straight into the struct; it is also much faster.
"""

import json as slow_json
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import falcon
import msgspec
from falcon.asgi import Request
from spectree.plugins.falcon_plugin import FalconAsgiPlugin

from api.authentication import identify_again
from api.problems import InvalidParameter
from core.errors import FieldError, InvalidInput, invalid
from core.field_errors import SURROGATE, escaped_name, field_error

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A thousand expenses with generous notes; anything larger is a mistake or an attack."""

MAX_PUBLIC_BODY_BYTES = 64 * 1024
"""From whoever has not said who they are; the largest, a passkey's answer, has some 10 KiB."""

MAX_BODY_S = 120.0
"""From the first piece of a body to its last: what has come is held in memory meanwhile, unlike a file. The
largest takes as long over a poor mobile connection, of some 35 KiB/s, and an expense comes at any speed."""

JSON_TYPES = ("application/json", "text/json")
FORM_TYPE = "application/x-www-form-urlencoded"

NOT_JSON = object()


class OutlayPlugin(FalconAsgiPlugin):
    """Validates requests; answers are encoded by the resources and checked against the document in tests."""

    async def validate(
        self, func: Any, query: Any, json: Any, form: Any, *options: Any, **params: Any
    ) -> None:
        resource, req, resp = options[-3:]
        read_query(req, query)
        if json is not None:
            req.context.json = await read_json(req, json)
        elif form is not None:
            req.context.form = await read_form(req, form)
        await func(resource, req, resp, **params)


def read_query(req: Request, model: Any) -> None:
    """The query string as the model; without a model there must be none, so that a typo is never ignored."""
    if model is None:
        if req.params:
            raise InvalidParameter(*(FieldError(name, "unknown parameter") for name in sorted(req.params)))
        return
    try:
        req.context.query = msgspec.convert(req.params, model, strict=False)
    except msgspec.ValidationError as error:
        field = field_error(str(error))
        name = field.pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")
        raise InvalidParameter(FieldError(name, field.detail)) from error
    # msgspec reads "null" as no value at all, which would silently ignore the parameter.
    names = zip(model.__struct_encode_fields__, model.__struct_fields__, strict=True)
    empty = [
        name for name, field in names if name in req.params and getattr(req.context.query, field) is None
    ]
    if empty:
        raise InvalidParameter(*(FieldError(name, "null is not a value") for name in empty))


async def read_json(req: Request, model: Any) -> Any:
    content_type = (req.content_type or JSON_TYPES[0]).partition(";")[0].strip().lower()
    if content_type not in JSON_TYPES:
        raise falcon.HTTPUnsupportedMediaType(description="send application/json")
    body = await read_body(req)
    if not body and getattr(model, "IS_OPTIONAL", False):
        return model()
    return decode_json(body, model)


def decode_json(body: bytes, model: Any) -> Any:
    try:
        return decoder_of(model).decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInput(field_error(str(error))) from error
    except RecursionError as error:
        raise invalid("", "nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(_malformed(body, str(error))) from error


async def read_form(req: Request, model: Any) -> Any:
    """An OAuth 2 form (RFC 6749, appendix B) as the model."""
    if (req.content_type or "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise falcon.HTTPUnsupportedMediaType(description=f"send {FORM_TYPE}")
    try:
        pairs = parse_qsl((await read_body(req)).decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise invalid("", "not a form in UTF-8 with at most 20 fields") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise invalid("", "a field is given twice")
    try:
        return msgspec.convert(fields, model, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(field_error(str(error))) from error


async def read_body(req: Request) -> bytes:
    """The whole body, read no further than the limits, whatever Content-Length says."""
    is_anonymous = getattr(req.context, "principal", None) is None
    limit = MAX_PUBLIC_BODY_BYTES if is_anonymous else MAX_BODY_BYTES
    chunks: list[bytes] = []
    size, began = 0, time.monotonic()
    # No timer: that no piece is waited for too long is seen to where the connection is.
    async for chunk in req.stream:
        size += len(chunk)
        if size > limit:
            raise falcon.HTTPContentTooLarge(description=f"a body may have {limit} bytes")
        if time.monotonic() - began > MAX_BODY_S:
            raise falcon.HTTPError(falcon.HTTP_408, description="the body did not come in time")
        chunks.append(chunk)
    await identify_again(req)
    body = b"".join(chunks)
    req.context.body = body
    return body


@cache
def decoder_of(model: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(model)


def _malformed(body: bytes, reason: str) -> FieldError:
    """Names the field that holds what JSON cannot; msgspec tells its position only."""
    try:
        pointer = _pointer_to_not_json(slow_json.loads(body, parse_constant=lambda _name: NOT_JSON))
    except (ValueError, RecursionError):
        return FieldError("", f"malformed JSON: {reason}")
    if pointer is None:
        return FieldError("", f"malformed JSON: {reason}")
    return FieldError(pointer, "holds NaN, Infinity or half a surrogate pair, which JSON cannot")


def _pointer_to_not_json(value: Any) -> str | None:
    if isinstance(value, str):
        return "" if SURROGATE.search(value) else None
    if value is NOT_JSON:
        return ""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        below = "" if SURROGATE.search(str(key)) else _pointer_to_not_json(inner)
        if below is not None:
            return f"/{escaped_name(str(key))}{below}"
    return None
