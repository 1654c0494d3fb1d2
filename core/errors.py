"""What can go wrong, in the product's words. HTTP knows these in `api/problems.py` only."""

from dataclasses import dataclass


class OutlayError(Exception):
    """Base of every error that a caller is meant to see."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ConfigurationError(OutlayError):
    """The environment cannot be worked with; the process must not start."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field. `pointer` is a JSON pointer into the body (RFC 6901), such as `/lines/0/amount`."""

    pointer: str
    detail: str


class InvalidInput(OutlayError):
    """The request is well-formed but its values are not acceptable."""

    def __init__(self, *fields: FieldError) -> None:
        super().__init__("; ".join(f"{field.pointer}: {field.detail}".removeprefix(": ") for field in fields))
        self.fields = fields

    def below(self, prefix: str) -> "InvalidInput":
        """The same errors for a value that stands at `prefix` of a larger body."""
        return InvalidInput(*(FieldError(prefix + field.pointer, field.detail) for field in self.fields))


class Unauthenticated(OutlayError):
    """No valid credentials."""


class Forbidden(OutlayError):
    """A role of the caller's may not do this."""


class NotFound(OutlayError):
    """It does not exist, or not for this caller: the two are never told apart."""


class Conflict(OutlayError):
    """The state does not allow it."""


class StaleVersion(OutlayError):
    """The caller's version (`If-Match`) is not the current one."""


class StartOver(OutlayError):
    """What the caller wants to go on from is forgotten: it has to begin anew."""


class Overloaded(OutlayError):
    """Too much is waiting already; try again after `retry_after_s` seconds."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyRequests(Overloaded):
    """This caller has asked too often, while others may go on."""


class DatabaseUnavailable(Overloaded):
    """The database cannot be reached."""


def invalid(pointer: str, detail: str) -> InvalidInput:
    return InvalidInput(FieldError(pointer, detail))
