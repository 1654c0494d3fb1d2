"""Errors as RFC 9457 `application/problem+json`. The one place where errors become HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any

import falcon
import msgspec
from falcon.asgi import App, Request, Response
from msgspec import Meta
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from core import errors
from core.database import is_retryable, is_timed_out, is_unavailable
from core.logging import get_logger

PROBLEM_JSON = "application/problem+json"

RETRY_AFTER_UNAVAILABLE_S = 2

log = get_logger(__name__)


class ProblemField(msgspec.Struct, omit_defaults=True):
    """A wrong field, named by one of `pointer`, `parameter` and `header`."""

    detail: str
    pointer: Annotated[str, Meta(description="In the body, as a JSON pointer (RFC 6901).")] | None = None
    parameter: Annotated[str, Meta(description="In the query.")] | None = None
    header: str | None = None


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457 problem details."""

    title: str
    status: int
    type: str = "about:blank"
    detail: Annotated[str, Meta(description="What went wrong, for people.")] | None = None
    errors: list[ProblemField] = []
    error: Annotated[str, Meta(description="For OAuth 2 clients (RFC 6749, section 5.2).")] | None = None
    challenge: (
        Annotated[str, Meta(description="What `/v1/auth/second-factor` takes, together with a code.")] | None
    ) = None


class InvalidParameter(errors.InvalidInput):
    """A wrong value in the query string; the pointers name parameters."""


class InvalidHeader(errors.InvalidInput):
    """A wrong value in a header; the pointers name headers."""


class InvalidGrant(errors.Unauthenticated):
    """A login, password or refresh token that is not valid, in the words of OAuth 2."""

    oauth_error = "invalid_grant"


class SecondFactorRequired(InvalidGrant):
    """The first factor is right, and the challenge is to be answered with a code."""

    oauth_error = "second_factor_required"

    def __init__(self, challenge: str) -> None:
        super().__init__("send a code to /v1/auth/second-factor, with the challenge")
        self.challenge = challenge


STATUSES: dict[type[errors.OutlayError], str] = {
    errors.InvalidInput: falcon.HTTP_422,
    errors.Unauthenticated: falcon.HTTP_401,
    errors.Forbidden: falcon.HTTP_403,
    errors.NotFound: falcon.HTTP_404,
    errors.Conflict: falcon.HTTP_409,
    errors.StaleVersion: falcon.HTTP_412,
    errors.StartOver: falcon.HTTP_410,
    errors.Overloaded: falcon.HTTP_503,
    errors.TooManyRequests: falcon.HTTP_429,
}

TYPES = {410: "urn:outlay:problem:start-over"}
"""Of problems that a program deals with otherwise than by showing them, by status."""


def send_problem(
    resp: Response,
    status: str,
    *,
    detail: str | None = None,
    fields: list[ProblemField],
    grant: InvalidGrant | None = None,
) -> None:
    resp.status = status
    resp.content_type = PROBLEM_JSON
    resp.data = problem_bytes(status, detail, fields, grant)
    # What a handler had begun to say does not hold for the error.
    resp.text = resp.media = None


def problem_bytes(
    status: str | int,
    detail: str | None,
    fields: Sequence[ProblemField] = (),
    grant: InvalidGrant | None = None,
) -> bytes:
    code, _, title = falcon.code_to_http_status(status).partition(" ")
    problem = Problem(
        title=title,
        status=int(code),
        type=TYPES.get(int(code), "about:blank"),
        detail=detail,
        errors=list(fields),
        error=None if grant is None else grant.oauth_error,
        challenge=grant.challenge if isinstance(grant, SecondFactorRequired) else None,
    )
    return msgspec.json.encode(problem)


def add_error_handlers(app: App[Any, Any]) -> None:
    app.add_error_handler(errors.OutlayError, _on_outlay_error)
    app.add_error_handler(SQLAlchemyError, _on_database_error)
    app.add_error_handler(Exception, _on_surprise)
    app.set_error_serializer(_serialize_http_error)


async def _on_outlay_error(_req: Request, resp: Response, error: errors.OutlayError, _params: Any) -> None:
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    send_problem(resp, status, detail=error.detail, fields=_fields(error), grant=_grant(error))
    if isinstance(error, errors.Unauthenticated):
        resp.set_header("WWW-Authenticate", "Bearer")
    if isinstance(error, errors.Overloaded):
        resp.set_header("Retry-After", str(error.retry_after_s))


def _grant(error: errors.OutlayError) -> InvalidGrant | None:
    return error if isinstance(error, InvalidGrant) else None


def _fields(error: errors.OutlayError) -> list[ProblemField]:
    if isinstance(error, InvalidParameter):
        return [ProblemField(field.detail, parameter=field.pointer) for field in error.fields]
    if isinstance(error, InvalidHeader):
        return [ProblemField(field.detail, header=field.pointer) for field in error.fields]
    if isinstance(error, errors.InvalidInput):
        return [ProblemField(field.detail, pointer=field.pointer) for field in error.fields]
    return []


async def _on_database_error(_req: Request, resp: Response, error: SQLAlchemyError, _params: Any) -> None:
    if is_unavailable(error):
        log.error("database.unavailable", error=error)
        send_problem(resp, falcon.HTTP_503, detail="the database is away; try again", fields=[])
        resp.set_header("Retry-After", str(RETRY_AFTER_UNAVAILABLE_S))
    elif is_timed_out(error) or is_retryable(error):
        # What is still retryable was tried again in vain.
        log.warning("database.busy", error=error)
        send_problem(resp, falcon.HTTP_503, detail="another change takes its time; try again", fields=[])
        resp.set_header("Retry-After", str(RETRY_AFTER_UNAVAILABLE_S))
    elif isinstance(error, IntegrityError):
        # Services check first and say what is wrong; what the database still refuses lost a race.
        log.warning("database.conflict", error=error)
        send_problem(resp, falcon.HTTP_409, detail="a change at the same moment got in the way", fields=[])
    else:
        await _on_surprise(_req, resp, error, _params)


async def _on_surprise(req: Request, resp: Response, error: Exception, _params: Any) -> None:
    # Not the path itself: tokens of invitations stand in it.
    route = req.uri_template or "unknown"
    log.error("request.failed", method=req.method, route=route, exc_info=error)
    send_problem(resp, falcon.HTTP_500, detail="this is our fault; it has been logged", fields=[])


def _serialize_http_error(_req: Request, resp: Response, error: falcon.HTTPError) -> None:
    send_problem(resp, falcon.code_to_http_status(error.status), detail=error.description, fields=[])
