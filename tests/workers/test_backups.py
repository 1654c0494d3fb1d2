"""The nightly backup: one a night, by day if nobody was there at night, and none that was not tried out."""

from pathlib import Path
from typing import Any

import pytest

from core.backup import operations
from core.backup.errors import BackupError
from core.backup.folder import list_backups, taken_alone
from core.broker import LONG_QUEUE, new_celery
from core.config import Settings
from core.job_names import Tick
from tests.core.commands.backups import Installation, empty_like
from tests.core.services.spender import Spender, at
from workers.tasks.backups import back_up_if_due


@pytest.fixture
def system(own_database_url: str, tmp_path: Path) -> Installation:
    return Installation(own_database_url, tmp_path / "system", backup_keep=2)


def test_one_is_made_every_night_and_by_day_if_nobody_was_there_at_night(system: Installation) -> None:
    def tick(moment: str) -> bool:
        with at(moment):
            return back_up_if_due(system.settings)

    assert tick("2026-05-10T14:31:00")
    assert not tick("2026-05-10T15:31:00")
    assert not tick("2026-05-11T02:31:00")
    assert tick("2026-05-11T03:31:00")
    assert not tick("2026-05-11T04:31:00")
    assert tick("2026-05-13T21:31:00")
    made = [f"{one.made_at:%d %H:%M}" for one in list_backups(system.settings.backups)]
    assert made == ["11 03:31", "13 21:31"], "the oldest has gone"


def test_a_clock_that_was_ahead_does_not_have_it_made_every_hour(system: Installation) -> None:
    with at("2099-01-01T04:31:00"):
        assert back_up_if_due(system.settings)
    with at("2026-05-11T03:31:00"):
        assert back_up_if_due(system.settings)
    with at("2026-05-11T04:31:00"):
        assert not back_up_if_due(system.settings)
    assert len(system.backups) == 2


def test_it_can_be_put_back(system: Installation, own_database_url: str, tmp_path: Path) -> None:
    with system.database() as database:
        Spender(database).spend("1.00")
    assert back_up_if_due(system.settings)
    with empty_like(own_database_url, tmp_path) as url:
        target = Installation(url, tmp_path / "target")
        target.put_back(system.backups[0])
        assert target.content()["expenses"] == system.content()["expenses"]


def test_of_two_ticks_at_once_one_makes_it(system: Installation) -> None:
    with taken_alone(system.settings.backups) as is_alone:
        assert is_alone
        assert not back_up_if_due(system.settings)
    assert back_up_if_due(system.settings)


def test_older_ones_stay_when_it_fails(system: Installation, tmp_path: Path) -> None:
    given: dict[str, Any] = {"backup_dir": str(system.settings.backups), "backup_keep": 1}
    for moment in ("2026-05-10T04:31:00", "2026-05-11T04:31:00"):
        with at(moment):
            assert back_up_if_due(system.settings)
    nowhere = Installation(f"sqlite:///{tmp_path / 'nowhere.db'}", tmp_path / "nowhere", **given)
    with at("2026-05-12T04:31:00"), pytest.raises(BackupError):
        back_up_if_due(nowhere.settings)
    assert len(system.backups) == 2


def test_one_that_cannot_be_put_back_counts_for_none(
    system: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: Any) -> None:
        raise BackupError("it does not fit")

    with monkeypatch.context() as failing, at("2026-05-10T04:31:00"):
        failing.setattr(operations, "verify", refuse)
        with pytest.raises(BackupError, match="is written, but not verified, and older ones stay: it does"):
            back_up_if_due(system.settings)
        assert system.backups == []
    with at("2026-05-10T05:31:00"):
        assert back_up_if_due(system.settings)
    assert len(system.backups) == 1


def test_older_ones_stay_while_a_file_is_missing(system: Installation) -> None:
    """They may have it."""
    with system.database() as database:
        me = Spender(database)
        sha256 = system.attach(me, me.spend("1.00"), b"a receipt")
    for day in (10, 11, 12):
        with at(f"2026-05-{day}T04:31:00"):
            assert back_up_if_due(system.settings)
        system.store.path(sha256).unlink(missing_ok=True)
    assert len(system.backups) == 3


def test_it_is_for_builders_as_no_alert_may_wait_for_it() -> None:
    assert new_celery(Settings(), is_current=False).conf.task_routes[Tick.BACK_UP] == {"queue": LONG_QUEUE}
