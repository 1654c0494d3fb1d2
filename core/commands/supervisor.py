"""Child processes: their output shown under their names, restarted when they die, stopped in order."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.commands.console import Console
from core.commands.watchdog import Watchdog

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Before a restart, doubling each time: soon after an accident, no busy loop if it cannot start at all."""
STEADY_S = 30.0
"""Who lived that long had started properly, so its next death is an accident again."""

STOP_TIMEOUT_S = 25.0
"""For all processes together: a worker may finish its task, and nothing would be lost if it could not."""
LAST_TIMEOUT_S = 2.0
"""What every process gets at least, however long those before it took."""

CHUNK_BYTES = 65_536
LONGEST_LINE_BYTES = 1_048_576
"""A longer line is shown in pieces, so that no process can fill the launcher's memory."""


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    command: Sequence[str]


class Supervisor:
    """Runs programs under one event loop. A watchdog ends them and theirs if this process is killed."""

    def __init__(self, console: Console, watchdog: Watchdog, environ: Mapping[str, str]) -> None:
        self._console = console
        self._watchdog = watchdog
        self._environ = environ
        self._is_stopping = asyncio.Event()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, Process] = {}

    def start(self, program: Program) -> None:
        """Start a program, and start it again whenever it ends before `stop()`."""
        self._keepers[program.name] = asyncio.create_task(self._keep_running(program), name=program.name)

    async def run_once(self, program: Program) -> int:
        """Run a program to its end and give its exit code (negative: the signal that ended it)."""
        output, for_child = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=DEVNULL,
                stdout=for_child,
                stderr=for_child,
                env=self._environ,
                # The terminal's Ctrl-C is for the launcher alone, which then stops all in order.
                start_new_session=True,
            )
        except OSError as error:
            os.close(output)
            self._console.say(f"{program.name} cannot be started: {error}")
            return 1
        finally:
            os.close(for_child)
        self._processes[program.name] = process
        self._watchdog.watch(process.pid)
        self._console.say(f"{program.name} started (process {process.pid})")
        if self._is_stopping.is_set():  # said while it was being started
            process.terminate()
        copying = asyncio.create_task(self._copy_output(program.name, output))
        try:
            code = await process.wait()
        finally:
            # Whoever is left of its group has lost its head, and must not go on beside the next one.
            _signal_group(process, signal.SIGKILL)
            del self._processes[program.name]
            self._watchdog.forget(process.pid)
        await copying
        return code

    async def stop(self, order: Sequence[Sequence[str]]) -> None:
        """End the named programs, one stage after the other, by SIGTERM and at last by SIGKILL."""
        self._is_stopping.set()
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
        for stage in order:
            for process in self._running(stage):
                # Only the head: it knows what its own children have to finish.
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            keepers = [self._keepers[name] for name in stage if name in self._keepers]
            left_s = deadline - asyncio.get_running_loop().time()
            if keepers:
                await asyncio.wait(keepers, timeout=max(left_s, LAST_TIMEOUT_S))
            for process in self._running(stage):
                self._console.say(f"process {process.pid} does not stop; killing it")
                _signal_group(process, signal.SIGKILL)
            await asyncio.gather(*keepers)

    def kill(self) -> None:
        """End all at once."""
        self._is_stopping.set()
        for process in self._processes.values():
            _signal_group(process, signal.SIGKILL)

    async def _keep_running(self, program: Program) -> None:
        clock = asyncio.get_running_loop().time
        pause_s = FIRST_PAUSE_S
        while not self._is_stopping.is_set():
            started = clock()
            code = await self.run_once(program)
            if self._is_stopping.is_set():
                return
            if clock() - started >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._console.say(f"{program.name} {_ending(code)}; starting it again in {pause_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _copy_output(self, name: str, output: int) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", buffering=0)
        )
        rest = b""
        while chunk := await reader.read(CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            if lines:
                self._console.write(name, *(line.decode(errors="replace").rstrip("\r") for line in lines))
        if rest:
            self._console.write(name, rest.decode(errors="replace"))

    def _running(self, names: Sequence[str]) -> list[Process]:
        return [self._processes[name] for name in names if name in self._processes]


def _signal_group(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):  # nobody is left in it
        os.killpg(process.pid, number)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
