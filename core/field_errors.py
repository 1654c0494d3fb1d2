"""What msgspec says of a value that is not as it should be, in the product's words."""

import re

from core.errors import FieldError

ERROR_PATH = re.compile(r" - at (?P<key>`key` in )?`\$?(?P<path>.*)`$", re.DOTALL)
NAMED_FIELD = re.compile(r"(?:missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
SURROGATE = re.compile("[\ud800-\udfff]")


def field_error(message: str) -> FieldError:
    """msgspec's `… - at `$.lines[0].amount`` as a pointer and a reason."""
    match = ERROR_PATH.search(message)
    path = match["path"] if match else ""
    # Which of the keys or values of an object it is, msgspec does not say.
    pointer = re.sub(r"\[(\d+)\]", r".\1", path.partition("[...]")[0]).replace(".", "/")
    detail = ERROR_PATH.sub("", message)
    if named := NAMED_FIELD.search(detail):
        pointer += "/" + escaped_name(named["name"])
    if "matching regex" in detail:
        detail = "has a form or characters that are not possible here"
    if match and match["key"]:
        detail = "one of its keys: " + detail
    return FieldError(pointer, detail)


def escaped_name(name: str) -> str:
    """A name within a JSON pointer (RFC 6901, section 3)."""
    return SURROGATE.sub("?", name).replace("~", "~0").replace("/", "~1")
