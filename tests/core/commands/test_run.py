"""The launcher on real processes: what it starts it watches, and what it started it ends."""

import importlib.util
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.commands import redis_server
from core.errors import ConfigurationError
from tests.core.commands.launcher import Launcher, launcher_in
from tests.processes import eventually, is_alive

NO_REDIS = "redis://127.0.0.1:1/0"
"""Nobody asks the stand-ins to use it, and it saves the start of an embedded one."""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with launcher_in(tmp_path) as launcher:
        yield launcher


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_starts_everything_and_says_where_it_is(launcher: Launcher) -> None:
    launcher.start()
    assert launcher.is_up(), launcher.log
    api, gateway = launcher.environ["OUTLAY_API_PORT"], launcher.environ["OUTLAY_WS_PORT"]
    for line in (
        "migrate | migrating",
        "api     | api has",
        "worker  | workers worker has",
        "builder | workers builder has",
        "courier | workers courier has",
        "beat    | workers beat has",
        f"API        http://127.0.0.1:{api}/v1",
        f"WebSocket  ws://127.0.0.1:{gateway}/ws/notifications",
        f"Database   sqlite:///{launcher.folder / 'var' / 'outlay.db'}",
        f"Mail       {launcher.folder / 'var' / 'mail'}",
    ):
        assert launcher.says(line), line


def test_data_and_secret_are_private_and_the_secret_is_kept(launcher: Launcher) -> None:
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS)
    assert launcher.is_up(), launcher.log
    var = launcher.folder / "var"
    secret = (var / "secret").read_text().strip()
    assert (permissions(var), permissions(var / "secret")) == (0o700, 0o600)
    assert launcher.says(secret, times=6), "each service gets it"
    launcher.process.terminate()
    launcher.process.wait()
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS)
    assert launcher.is_up()
    assert launcher.says(secret, times=6)


def test_a_second_run_says_so_in_one_line(launcher: Launcher) -> None:
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS)
    assert launcher.is_up(), launcher.log
    second = launcher.run_beside()
    assert second.returncode == 1
    assert second.stdout == ""
    owner = f"{launcher.folder / 'var'} (process {launcher.process.pid})"
    assert second.stderr == (
        f"outlay: already running on {owner}; stop it or set OUTLAY_DATA_DIR to another\n"
    )


@pytest.mark.parametrize("variable", ["OUTLAY_API_PORT", "OUTLAY_WS_PORT"])
def test_a_taken_port_is_named_in_one_line(launcher: Launcher, variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = launcher.run_beside(**{variable: str(port)})
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"outlay: {variable}: port {port} on 127.0.0.1 is taken; set {variable} to a free one\n"
    )


def test_one_port_for_two_services_is_refused(launcher: Launcher) -> None:
    refused = launcher.run_beside(OUTLAY_WS_PORT=launcher.environ["OUTLAY_API_PORT"])
    assert refused.stderr.startswith("outlay: OUTLAY_WS_PORT: port ")


def test_a_malformed_setting_is_named_in_one_line(launcher: Launcher) -> None:
    refused = launcher.run_beside(OUTLAY_API_PORT="eighty")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("outlay: OUTLAY_API_PORT: ")
    assert refused.stderr.count("\n") == 1


def test_nothing_is_started_on_a_database_that_cannot_be_migrated(launcher: Launcher) -> None:
    (launcher.folder / "migrations" / "env.py").write_text("raise SystemExit('no such server')")
    refused = launcher.run_beside(OUTLAY_REDIS_URL=NO_REDIS)
    assert refused.returncode == 1
    assert "migrate | no such server" in refused.stdout
    assert "OUTLAY_DATABASE_URL" in refused.stdout
    assert "api started" not in refused.stdout


def test_a_service_that_dies_is_started_again(launcher: Launcher) -> None:
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS)
    assert launcher.is_up(), launcher.log
    first = launcher.pid_of("worker")
    os.kill(first, signal.SIGKILL)
    assert launcher.says("worker was ended by SIGKILL; starting it again in 0.5 s")
    assert launcher.says("worker started", times=2)
    os.kill(launcher.pid_of("worker"), signal.SIGKILL)
    assert launcher.says("worker was ended by SIGKILL; starting it again in 1 s"), "it backs off"


def test_the_embedded_redis_comes_back_on_the_same_port(launcher: Launcher) -> None:
    launcher.start()
    assert launcher.is_up(), launcher.log
    url = launcher.log.partition("api has ")[2].split()[2]
    os.kill(launcher.pid_of("redis"), signal.SIGKILL)
    password, _, port = url.removeprefix("redis://:").removesuffix("/0").partition("@127.0.0.1:")
    server = redis_server.EmbeddedRedis(launcher.folder, port=int(port), password=password)
    assert launcher.says("redis started", times=2)
    assert eventually(server.is_ready)


def test_a_signal_stops_everything_in_order(launcher: Launcher) -> None:
    launcher.start()
    assert launcher.is_up(), launcher.log
    assert all(launcher.says(f"workers {role} has") for role in ("worker", "builder", "courier", "beat"))
    launcher.process.send_signal(signal.SIGTERM)
    assert launcher.process.wait(timeout=20) == 0
    said = launcher.log.partition("stopping")[2]
    ends = [said.index(f"{name} ends") for name in ("api", "workers worker", "ws_gateway")]
    assert ends == sorted(ends)
    assert said.rstrip().endswith("stopped")
    assert len(launcher.pids) == 14, "the migration, Redis, six services and a child of each"
    assert launcher.leaves_nothing()


def test_a_second_signal_kills_at_once(launcher: Launcher) -> None:
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS, STUBBORN="workers worker")
    assert launcher.is_up(), launcher.log
    launcher.process.send_signal(signal.SIGINT)
    assert launcher.says("workers beat ends")
    launcher.process.send_signal(signal.SIGINT)
    assert launcher.process.wait(timeout=10) == 1
    assert launcher.leaves_nothing()


def test_nothing_outlives_a_killed_launcher_and_the_next_one_starts(launcher: Launcher) -> None:
    launcher.start(STUBBORN="workers worker")
    assert launcher.is_up(), launcher.log
    assert all(
        is_alive(launcher.pid_of(name))
        for name in ("redis", "api", "gateway", "worker", "builder", "courier", "beat")
    )
    launcher.process.kill()
    launcher.process.wait()
    assert launcher.leaves_nothing()
    launcher.start(OUTLAY_REDIS_URL=NO_REDIS)
    assert launcher.is_up(), launcher.log


def test_a_machine_without_redis_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"^OUTLAY_REDIS_URL: "):
        redis_server.find_server()
