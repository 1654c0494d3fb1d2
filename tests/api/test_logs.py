"""What the API's process logs, however talkative it is told to be."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from core.commands.ports import free_port
from tests.cast import http_client, register_cast
from tests.processes import eventually

TOKEN = "q2Jx7Q0yq7b8oVb1X3m8b9lW8m2b3kq1z4Tt5cVw0aE"


def test_no_path_is_logged_as_tokens_stand_in_some(sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "OUTLAY_DATABASE_URL": sqlite_url,
        "OUTLAY_DATA_DIR": str(tmp_path),
        "OUTLAY_API_PORT": str(port),
        "OUTLAY_LOG_LEVEL": "DEBUG",
        "OUTLAY_BCRYPT_COST": "4",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "api"]
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=output, stderr=output)
        try:
            with http_client(f"http://127.0.0.1:{port}") as client:
                assert eventually(lambda: is_up(client), within_s=30)
                with register_cast(client) as cast:
                    paths = [f"/v1/invitations/{TOKEN}/accept", f"/v1/invitations/{TOKEN}/decline/x?y=%FF"]
                    for someone in (client, cast.owner.client):
                        statuses = {someone.post(path).status_code for path in paths}
                        assert statuses <= {401, 404, 422}
        finally:
            process.terminate()
            process.wait(30)
    written = log.read_text()
    assert "uvicorn.error" in written
    assert TOKEN not in written


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
