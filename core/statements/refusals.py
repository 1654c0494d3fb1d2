"""What is said of a file that cannot be read at all. A row that cannot be read is a `RowProblem` instead."""

from core.errors import FieldError, InvalidInput

FILE = "/file"
"""Where the file is in a request; what a mapping lacks is below `/mapping`."""


class UnreadableFile(InvalidInput):
    """Nothing, or nothing more, can be read of the file; the detail says why in a sentence for the user."""

    def __init__(self, detail: str, *, pointer: str = FILE) -> None:
        super().__init__(FieldError(pointer, detail))
