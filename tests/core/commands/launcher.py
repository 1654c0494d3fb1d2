"""Runs the launcher in a folder of its own, over stand-ins for the five services or over themselves."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.commands.ports import free_port
from tests.processes import eventually, is_alive

REPOSITORY = Path(__file__).parents[3]

BANNER = "Ctrl-C stops."
START_TIMEOUT_S = 60.0
"""It takes about two seconds; the rest is for machines that do much else at the time."""

SERVICE = """
import http.server, os, signal, subprocess, sys, time

name = " ".join([__spec__.parent, *sys.argv[1:]])
stubborn = name == os.environ.get("STUBBORN")
signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: sys.exit(print(name, "ends")))
own = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(name, "has", own.pid, "and", os.environ["OUTLAY_REDIS_URL"], os.environ["OUTLAY_SECRET"])
port = {"api": "OUTLAY_API_PORT", "ws_gateway": "OUTLAY_WS_PORT"}.get(name)
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
if port:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ[port])), Healthy).serve_forever()
while True:
    time.sleep(600)
"""


class Launcher:
    """A folder with data, a log and stand-ins, and the launcher that was last started on it."""

    def __init__(self, folder: Path, *, with_stand_ins: bool = True) -> None:
        self.folder = folder
        self._source = folder if with_stand_ins else REPOSITORY
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OUTLAY_")},
            "OUTLAY_DATA_DIR": str(folder / "var"),
            "OUTLAY_API_PORT": str(free_port()),
            "OUTLAY_WS_PORT": str(free_port()),
        }
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        if with_stand_ins:
            self._write_stand_ins()

    def _write_stand_ins(self) -> None:
        (self.folder / "core").symlink_to(REPOSITORY / "core")
        for package in ("api", "ws_gateway", "workers"):
            (self.folder / package).mkdir()
            (self.folder / package / "__main__.py").write_text(SERVICE)
        (self.folder / "migrations" / "versions").mkdir(parents=True)
        shutil.copy(REPOSITORY / "migrations" / "script.py.mako", self.folder / "migrations")
        (self.folder / "migrations" / "env.py").write_text("print('migrating')")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start it first"
        return self._process

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def pids(self) -> set[int]:
        """All processes that the log tells of, the services' own children included."""
        return {int(number) for number in re.findall(r"(?:started \(process| has) (\d+)", self.log)}

    def start(self, **environ: str) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core", "run"],
                cwd=self._source,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def is_up(self) -> bool:
        return self.says(BANNER) and (self._source == REPOSITORY or self._all_have_begun())

    def _all_have_begun(self) -> bool:
        # The launcher itself waits only for those who answer on a port.
        return self.says("workers worker has") and self.says("workers beat has")

    def says(self, text: str, *, times: int = 1) -> bool:
        """Wait until the log has the text that often."""
        return eventually(lambda: self.log.count(text) >= times, within_s=START_TIMEOUT_S)

    def pid_of(self, name: str) -> int:
        """The process that was last started under the name."""
        return int(re.findall(rf"{name} started \(process (\d+)\)", self.log)[-1])

    def run_beside(self, command: str = "run", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run another command with the same settings to its end, a second launcher if nothing is said."""
        return subprocess.run(
            [sys.executable, "-m", "core", command],
            cwd=self._source,
            env=self.environ | environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )

    def leaves_nothing(self) -> bool:
        return eventually(lambda: not any(is_alive(pid) for pid in self.pids))

    def end(self) -> None:
        """End it whatever the test did; its watchdog ends the rest."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def launcher_in(folder: Path, *, with_stand_ins: bool = True) -> Iterator[Launcher]:
    launcher = Launcher(folder, with_stand_ins=with_stand_ins)
    try:
        yield launcher
    finally:
        launcher.end()
