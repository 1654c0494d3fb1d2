"""One thing that the doctor has looked at: how it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """No secret is ever in its texts. Without a level of OK `advice` says what to do."""

    level: Level
    about: str
    detail: str
    advice: str = ""


def ok(about: str, detail: str) -> Finding:
    return Finding(Level.OK, about, detail)


def warning(about: str, detail: str, advice: str) -> Finding:
    return Finding(Level.WARNING, about, detail, advice)


def problem(about: str, detail: str, advice: str) -> Finding:
    return Finding(Level.PROBLEM, about, detail, advice)


def noted(about: str, detail: str, advice: str) -> Finding:
    """As it may be, and could be better."""
    return ok(about, f"{detail}: {advice}")
