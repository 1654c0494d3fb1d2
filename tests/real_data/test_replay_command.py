"""The command by hand: the same replay against real processes."""

from pathlib import Path

import pytest

from tests.real_data.group_files import spliit_entries
from tests.real_data.replay import main
from tests.servers import TestRedis
from tests.system.system import API, WORKER, System


def test_the_command_replays_a_file_against_running_processes(
    tmp_path: Path, own_database_url: str, own_redis: TestRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    spliit_entries()  # skips where the files are not
    with System(tmp_path, database_url=own_database_url, redis_url=own_redis.url()) as system:
        system.start(API, WORKER)
        main(["spliit", "--api", system.api_url, "--mails", str(tmp_path / "data" / "mail")])
    summary = capsys.readouterr().out
    assert "rows         75: 74 expenses, 1 settlements" in summary
    assert "compared     3 times, equal each time" in summary


def test_the_command_says_where_nothing_answers() -> None:
    spliit_entries()
    with pytest.raises(SystemExit, match=r"nothing answers at http://127\.0\.0\.1:9"):
        main(["spliit", "--api", "http://127.0.0.1:9"])
