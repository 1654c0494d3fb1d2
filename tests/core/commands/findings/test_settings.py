"""What the doctor says of settings, folders and addresses, each looked at alone."""

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.backup.folder import new_backup
from core.commands.findings import addresses, databases, folders, secrets
from core.commands.findings.finding import Finding, Level
from core.commands.ports import free_port
from core.config import Settings
from tests.core.services.spender import at

RANDOM = "0123456789abcdef0123456789abcdef"


def settings(**given: Any) -> Settings:
    return Settings(**{"environment": "production", "secret": RANDOM, **given})


def level(finding: Finding) -> str:
    assert bool(finding.advice) == (finding.level is not Level.OK)
    return finding.level.value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "ok"),
        ({"secret": "x" * 40}, "warning"),
        ({"secret": "outlay-development-secret-never-use-in-production"}, "warning"),
    ],
)
def test_a_secret_that_can_be_guessed_is_warned_of(
    given: dict[str, str], expected: str, tmp_path: Path
) -> None:
    found = secrets.secret(settings(data_dir=str(tmp_path), **given))
    assert level(found) == expected
    assert settings(**given).secret not in repr(found)


@pytest.mark.parametrize(
    ("key", "expected"), [("", "ok"), (RANDOM, "warning"), ("z" * 40, "warning"), (RANDOM[::-1], "ok")]
)
def test_the_key_of_administrators_is_for_nothing_else(key: str, expected: str) -> None:
    assert level(secrets.master_key(settings(master_key=key))) == expected


def test_the_secret_that_make_run_keeps_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    assert level(secrets.secret(Settings(data_dir=str(tmp_path)))) == "ok"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "warning"),
        ({"environment": "development"}, "ok"),
        ({"backup_key": RANDOM}, "warning"),
        ({"backup_key": "y" * 40}, "warning"),
        ({"backup_key": RANDOM[::-1]}, "ok"),
    ],
)
def test_backups_want_a_key_of_their_own(given: dict[str, str], expected: str) -> None:
    assert level(secrets.backup_key(settings(**given))) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "ok"),
        ("127.0.0.1,::1", "ok"),
        ("127.0.0.0/8,172.16.0.0/12,fc00::/7", "ok"),
        ("8.8.8.8", "ok"),
        ("127.0.0.1, 8.8.0.0/16", "warning"),
        ("2001:4860::/32", "warning"),
    ],
)
def test_believing_strangers_where_they_come_from_is_warned_of(given: str, expected: str) -> None:
    assert level(secrets.trusted_proxies(settings(trusted_proxies=given))) == expected


def test_private_targets_are_warned_of() -> None:
    assert level(secrets.private_targets(settings(private_targets="allow"))) == "warning"
    assert level(secrets.private_targets(settings())) == "ok"


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://outlay.example", "production", "ok"),
        ("http://outlay.example", "production", "problem"),
        ("http://127.0.0.1:8000", "production", "warning"),
        ("http://127.0.0.1:8000", "development", "ok"),
    ],
)
def test_the_public_url_is_https_in_production(url: str, environment: str, expected: str) -> None:
    assert level(addresses.public_url(settings(public_url=url, environment=environment))) == expected


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ("https://outlay.example", "ok"),
        ("", "warning"),
        ("http://localhost:8000", "warning"),
        ("*", "problem"),
        ("https://outlay.example/", "problem"),
        ("outlay.example", "problem"),
    ],
)
def test_origins_that_match_no_page_are_told(origins: str, expected: str) -> None:
    assert level(addresses.allowed_origins(settings(ws_allowed_origins=origins))) == expected


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_a_port_is_free_ours_or_taken() -> None:
    port = free_port()
    assert "is free" in addresses.api_port(settings(api_port=port)).detail
    with socket.create_server(("127.0.0.1", port)):
        assert level(addresses.gateway_port(settings(ws_port=port))) == "problem"
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = addresses.api_port(settings(api_port=server.server_port))
        server.shutdown()
        thread.join()
    assert "Outlay answers" in found.detail


def test_the_mail_server_is_looked_for_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"smtp://kim:hunter2@127.0.0.1:{port}"
        assert level(addresses.mail(settings(mail_url=url))) == "ok"
        assert level(addresses.mail(settings(mail_url=url + "?tls=offered"))) == "warning"
    found = addresses.mail(settings(mail_url=url))
    assert level(found) == "problem"
    assert "hunter2" not in repr(found)
    assert level(addresses.mail(settings())) == "warning"
    assert level(addresses.mail(settings(environment="development"))) == "ok"


def test_a_folder_is_private_and_can_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    given = settings(data_dir=str(tmp_path / "data"))
    assert "made when it is needed" in folders.data_folder(given).detail
    (tmp_path / "data").mkdir(mode=0o700)
    assert level(folders.data_folder(given)) == "ok"
    (tmp_path / "data").chmod(0o755)
    is_open = all(one.stat().st_mode & 0o001 for one in tmp_path.parents)
    assert level(folders.data_folder(given)) == ("warning" if is_open else "ok")
    (tmp_path / "file").write_text("")
    assert level(folders.files_folder(settings(files_dir=str(tmp_path / "file")))) == "problem"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert level(folders.data_folder(settings(data_dir=str(tmp_path)))) == "problem"
    assert level(folders.backup_folder(settings(data_dir=str(tmp_path)))) == "problem"


CONFINED = """
import os, sys
from core.commands.findings import folders
from core.config import Settings
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
settings = Settings(data_dir=sys.argv[1])
print(folders.data_folder(settings).level, [one.level for one in folders.room(settings)][0])
"""


def test_a_folder_below_one_that_may_not_be_passed_is_a_problem(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o000)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CONFINED, str(closed / "data")],
            cwd=Path(__file__).parents[4],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        closed.chmod(0o700)
    assert done.stderr == ""
    assert done.stdout.split()[0] == "problem"


def test_the_folder_of_logs_is_looked_at_if_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert level(folders.log_folder(settings(data_dir=str(tmp_path)))) == "ok"
    (tmp_path / "file").write_text("")
    given = settings(data_dir=str(tmp_path), log_dir=str(tmp_path / "file"))
    assert level(folders.log_folder(given)) == "problem"
    looked_at: list[Path] = []
    monkeypatch.setattr(folders, "_place", lambda folder: looked_at.append(folder) or tmp_path)
    folders.room(given)
    assert tmp_path / "file" in looked_at


def test_little_room_is_told_before_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(data_dir=str(tmp_path))
    [found] = folders.room(given)
    assert "free at" in found.detail
    monkeypatch.setattr(folders, "LITTLE_BYTES", 1 << 60)
    assert level(folders.room(given)[0]) == "warning"
    monkeypatch.setattr(folders, "NO_BYTES", 1 << 60)
    assert level(folders.room(given)[0]) == "problem"


def test_backups_are_looked_for_and_their_age(tmp_path: Path) -> None:
    given = settings(data_dir=str(tmp_path))
    assert level(folders.newest_backup(given)) == "warning"
    with at("2026-05-04T00:00:00"), new_backup(given.backups) as backup:
        backup.finish()
    with at("2026-05-05T12:00:00"):
        assert level(folders.newest_backup(given)) == "ok"
    with at("2026-05-07T00:00:00"):
        assert level(folders.newest_backup(given)) == "warning"
    with at("2026-05-03T00:00:00"):
        found = folders.newest_backup(given)
        assert (level(found), "a time to come" in found.detail) == ("problem", True)
    assert level(folders.backup_device(given)) == "warning"
    nowhere = settings(data_dir=str(tmp_path / "none"), backup_dir="/dev/shm/none")
    assert level(folders.backup_device(nowhere)) in ("ok", "warning")


def test_the_nearest_mount_says_what_a_file_is_on() -> None:
    mounts = "\n".join(
        (
            "/dev/vda / ext4 rw 0 0",
            "server:/export /srv nfs4 rw 0 0",
            "tmpfs /srv/fast tmpfs rw 0 0",
            "//nas/share /my\\040data cifs rw 0 0",
        )
    )
    kinds = {
        path: databases.file_system_of(Path(path), mounts)
        for path in ("/var/a.db", "/srv/a.db", "/srv/fast/a.db", "/my data/x/a.db")
    }
    assert list(kinds.values()) == ["ext4", "nfs4", "tmpfs", "cifs"]
    assert databases.file_system_of(Path("/a"), "") == ""
