"""The folder of backups: what counts as one, and which ones are removed."""

import fcntl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.backup.errors import BackupError
from core.backup.folder import list_backups, new_backup, newest_time, prune
from tests.core.services.spender import at


def finished(folder: Path, moment: str) -> Path:
    with at(moment), new_backup(folder) as backup:
        backup.file.write(b"all of it")
        backup.finish()
    return backup.path


def test_a_backup_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "backups"
    with at("2026-05-04T10:20:30"), new_backup(folder) as backup:
        backup.file.write(b"half of it")
        backup.file.flush()
        assert list_backups(folder) == []
        backup.finish()
        [found] = list_backups(folder)
    assert found.path == backup.path
    assert found.made_at == datetime(2026, 5, 4, 10, 20, 30, tzinfo=UTC)
    assert backup.path.name.startswith("outlay-20260504-102030-")
    assert backup.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_of_one_that_is_not_finished_nothing_stays(tmp_path: Path) -> None:
    with new_backup(tmp_path) as backup:
        backup.file.write(b"half of it")
    assert list(tmp_path.iterdir()) == []


def test_what_is_set_aside_counts_for_none_and_only_the_last_one_stays(tmp_path: Path) -> None:
    made = finished(tmp_path, "2026-05-01T00:00:00")
    for day in (2, 3):
        with at(f"2026-05-0{day}T00:00:00"), new_backup(tmp_path) as backup:
            backup.file.write(b"nothing that can be put back")
            aside = backup.set_aside()
    assert [one.path for one in list_backups(tmp_path)] == [made]
    assert set(tmp_path.iterdir()) == {made, aside}
    with at("2026-05-04T00:00:00"):
        assert newest_time(tmp_path) == datetime(2026, 5, 1, tzinfo=UTC)


def test_what_somebody_left_who_was_killed_goes_with_the_next_one_but_not_what_is_being_written(
    tmp_path: Path,
) -> None:
    left = tmp_path / ".outlay-20260101-000000-abcd.backup.partial"
    left.write_bytes(b"half of it")
    other = tmp_path / ".outlay-20260101-000001-abcd.backup.partial"
    with other.open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        path = finished(tmp_path, "2026-05-04T00:00:00")
    assert set(tmp_path.iterdir()) == {other, path}


def test_who_sweeps_before_the_new_one_is_held_does_not_take_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = fcntl.flock, []

    def flock(file: Any, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.extend(tmp_path.iterdir())
            swept[0].unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    path = finished(tmp_path, "2026-05-04T00:00:00")
    assert swept
    assert list(tmp_path.iterdir()) == [path]


def test_the_oldest_are_removed_and_nothing_that_is_not_ours(tmp_path: Path) -> None:
    made = [finished(tmp_path, f"2026-05-0{day}T00:00:00") for day in (3, 1, 2, 4)]
    others = [
        tmp_path / name
        for name in (
            "outlay-20200101-000000-abcd.backup.txt",
            "outlay-20201399-000000-abcd.backup",
            "outlay-2020.backup",
            "notes",
            "outlay.db",
        )
    ]
    for path in others:
        path.write_text("mine")
    (tmp_path / "outlay-20190101-000000-abcd.backup").mkdir()
    assert set(prune(tmp_path, keep=2, made=made[3])) == {made[1], made[2]}
    assert [one.path for one in list_backups(tmp_path)] == [made[0], made[3]]
    assert all(path.exists() for path in others)
    assert prune(tmp_path, keep=2, made=made[3]) == []


def test_a_clock_that_was_ahead_has_no_new_backup_removed(tmp_path: Path) -> None:
    ahead = [finished(tmp_path, f"2099-01-0{day}T00:00:00") for day in (1, 2)]
    old = finished(tmp_path, "2026-05-01T00:00:00")
    made = finished(tmp_path, "2026-05-02T00:00:00")
    with at("2026-05-02T00:01:00"):
        assert newest_time(tmp_path) == datetime(2026, 5, 2, tzinfo=UTC)
        assert prune(tmp_path, keep=2, made=made) == []
        assert prune(tmp_path, keep=1, made=made) == [old]
        assert [one.path for one in list_backups(tmp_path)] == [made, *ahead]


def test_the_one_just_made_stays_though_the_clock_was_put_back(tmp_path: Path) -> None:
    later = finished(tmp_path, "2026-05-04T00:00:00")
    made = finished(tmp_path, "2026-05-01T00:00:00")
    with at("2026-05-05T00:00:00"):
        assert prune(tmp_path, keep=1, made=made) == [later]


def test_a_folder_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="cannot write to"), new_backup(tmp_path / "file"):
        pass
