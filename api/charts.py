"""Drawing pictures without keeping anybody else waiting."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

from core.charts.picture import Spec
from core.charts.renderer import ChartRenderer
from core.charts.rendering import Format
from core.errors import Overloaded

MAX_WAITING = 16
"""About two seconds of drawing; whoever came later would wait for longer than a page takes to be given up."""


class Charts:
    """Charts are drawn one after the other, in a thread of their own: those of the database must not wait."""

    def __init__(self) -> None:
        self._renderer = ChartRenderer()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")
        self._waiting = 0

    async def draw(self, spec: Spec, file_format: Format) -> bytes:
        """Raises:
        Overloaded: too many are waiting, or this one took too long.
        """
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many charts are waiting to be drawn")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            draw = partial(copy_context().run, self._renderer.render, spec, file_format)
            return await loop.run_in_executor(self._executor, draw)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._renderer.close()
        self._executor.shutdown()
