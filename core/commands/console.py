"""The launcher's output: each line behind the name of the process that said it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

LAUNCHER = "outlay"

RESET = "\x1b[0m"
COLOURS = ("\x1b[1m", "\x1b[36m", "\x1b[35m", "\x1b[33m", "\x1b[32m", "\x1b[34m", "\x1b[31m")
"""The launcher's bold first; then cyan, magenta, yellow, green, blue, red, readable on dark and light."""


class Console:
    def __init__(self, stream: TextIO, names: Iterable[str]) -> None:
        self._stream = stream
        labels = [LAUNCHER, *names]
        width = max(map(len, labels))
        # https://no-color.org
        is_coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._prefixes = {
            name: f"{COLOURS[index % len(COLOURS)]}{name:<{width}} |{RESET} "
            if is_coloured
            else f"{name:<{width}} | "
            for index, name in enumerate(labels)
        }

    def write(self, name: str, *lines: str) -> None:
        """One or more lines of a process, shown at once and together."""
        try:
            self._stream.write("".join(f"{self._prefixes[name]}{line}\n" for line in lines))
            self._stream.flush()
        except OSError:
            # Nobody reads any more (`make run | head`, a closed terminal). That is no reason to stop working,
            # and there is nowhere left to say it.
            with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def say(self, *lines: str) -> None:
        """Lines of the launcher's own."""
        self.write(LAUNCHER, *lines)
