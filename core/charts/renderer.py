"""Charts drawn in a process of their own, which keeps the engine and its memory out of those that ask.

The process starts with the first chart and stays warm. It ends by itself when nothing was asked for a while
or when its parent is gone, however that came about: both show on its end of the socket. One that was killed,
or that has ended, is replaced at the next chart. vl-convert can abort on input that nobody thought of, and
takes the process with it: that costs one chart.
"""

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from core.charts import rendering
from core.charts.picture import Spec
from core.charts.rendering import DRAW_PNG, DRAW_SVG, DRAWN, HEADER, Format
from core.errors import Overloaded
from core.logging import get_logger

PNG_SCALE = 2.0
"""Pixels of a PNG for each of the chart's: sharp on the screens of phones and in print."""

RENDER_TIMEOUT_S = 10.0
"""For one chart, the start of the process included: that takes about a second, a warm chart a tenth."""

MAX_CHARTS_WAITING = 16
"""With the one being drawn: some two seconds of waiting; past that a 503 is kinder than a queue."""

ATTEMPTS = 2
"""The first may meet a process that has just ended; a chart that ends two processes is itself at fault."""

log = get_logger(__name__)


class ChartError(Exception):
    """The specification cannot be drawn: a fault of ours."""


class ChartRenderer:
    """Draws one chart at a time, for any number of threads. Make one for each process, after any fork."""

    def __init__(self, *, timeout_s: float = RENDER_TIMEOUT_S) -> None:
        """Nothing is started before the first chart."""
        self._timeout_s = timeout_s
        self._places = threading.BoundedSemaphore(MAX_CHARTS_WAITING)
        self._turn = threading.Lock()
        self._process: _Process | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Of the process that drew last, if there is one."""
        process = self._process
        return process.pid if process else None

    def render(self, spec: Spec, file_format: Format, *, scale: float = PNG_SCALE) -> bytes:
        """The picture of a chart; blocks until it is drawn.

        Args:
            scale: how many times larger a PNG is than the specification says.

        Raises:
            Overloaded: too many charts are waiting, or this one took too long.
            ChartError: it cannot be drawn at all.
        """
        if not self._places.acquire(blocking=False):
            raise Overloaded("too many charts are waiting to be drawn")
        try:
            with self._turn:
                return self._draw(spec, file_format, scale)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the process, after the chart that it draws; whoever asks for one later gets Overloaded."""
        self._is_closed = True
        with self._turn:
            self._end()

    def _draw(self, spec: Spec, file_format: Format, scale: float) -> bytes:
        kind = DRAW_PNG if file_format == "png" else DRAW_SVG
        message = rendering.encode(kind, seconds=self._timeout_s, scale=scale, spec=spec)
        deadline = time.monotonic() + self._timeout_s
        for _ in range(ATTEMPTS):
            if self._is_closed:
                raise Overloaded("the server is stopping")
            process = self._process = self._process or _Process()
            try:
                result, answer = process.ask(message, deadline)
            except TimeoutError:
                self._end()
                log.warning("charts.timeout", seconds=self._timeout_s)
                raise Overloaded("the chart took too long to draw; try again") from None
            except (EOFError, OSError):
                # It has ended: after a while without work, killed by somebody, or by this very chart.
                log.info("charts.process_ended", code=self._end())
                continue
            if result != DRAWN:
                raise ChartError(answer.decode(errors="replace"))
            return answer
        raise ChartError("the process ended each time it drew this chart")

    def _end(self) -> int | None:
        process, self._process = self._process, None
        return process.end() if process else None


class _Process:
    """The program of `rendering.py` at the other end of a socket."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-P", str(Path(rendering.__file__)), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # vl-convert's last words can hold names from somebody's accounts: nothing for a log.
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        except OSError:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self.pid = self._popen.pid

    def ask(self, message: bytes, deadline: float) -> tuple[bytes, bytes]:
        """The kind and the content of the answer.

        Raises:
            TimeoutError: none came in time.
            EOFError, OSError: the process has ended.
        """
        self._limit(deadline)
        self._connection.sendall(message)
        kind, length = HEADER.unpack(self._receive(HEADER.size, deadline))
        return kind, self._receive(length, deadline)

    def end(self) -> int:
        """Kill it if it still runs; its exit code, negative for a signal."""
        self._connection.close()
        with suppress(OSError):
            self._popen.kill()
        return self._popen.wait()

    def _receive(self, length: int, deadline: float) -> bytes:
        self._limit(deadline)
        return rendering.receive(self._connection, length)

    def _limit(self, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("no answer in time")
        self._connection.settimeout(left_s)
