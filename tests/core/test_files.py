"""Files by content: whole or not at all, once each, and safe from a sweep while they are new."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.files import DRAFTS, SPARE_AGE_S, FileStore, StoredFile


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def keep(store: FileStore, *pieces: bytes) -> StoredFile:
    with store.draft() as draft:
        for piece in pieces:
            draft.write(piece)
        return draft.keep()


def drafts(store: FileStore) -> list[Path]:
    return list((store.folder / DRAFTS).glob("*"))


def make_old(path: Path) -> None:
    long_ago = time.time() - SPARE_AGE_S - 60
    os.utime(path, (long_ago, long_ago))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=50), max_size=5))
def test_what_was_written_is_read_under_its_hash(store: FileStore, pieces: list[bytes]) -> None:
    kept = keep(store, *pieces)
    content = b"".join(pieces)
    assert kept == StoredFile(hashlib.sha256(content).hexdigest(), len(content))
    with store.open(kept.sha256) as file:
        assert file.read() == content
    assert drafts(store) == []


def test_the_same_content_is_kept_once(store: FileStore) -> None:
    assert keep(store, b"one") == keep(store, b"o", b"ne")
    keep(store, b"two")
    assert len(list(store.kept())) == 2


def test_a_damaged_file_gives_way_to_the_whole_one(store: FileStore) -> None:
    sha256 = keep(store, b"receipt").sha256
    store.path(sha256).write_bytes(b"cut")
    keep(store, b"receipt")
    assert store.path(sha256).read_bytes() == b"receipt", "its size was another"
    store.path(sha256).write_bytes(b"bit rot")
    with store.draft() as draft:
        draft.write(b"receipt")
        draft.keep(replaces=True)
    assert store.path(sha256).read_bytes() == b"receipt"


def test_without_keep_nothing_stays(store: FileStore) -> None:
    with store.draft() as draft:
        draft.write(b"half")
    assert drafts(store) == list(store.kept()) == []


def test_of_what_the_disk_has_no_room_for_nothing_stays(store: FileStore) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            keep(store, b"more than four bytes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert drafts(store) == list(store.kept()) == []


def test_only_what_is_old_is_spare(store: FileStore) -> None:
    kept = keep(store, b"one")
    assert not store.remove_spare(kept.sha256)
    make_old(store.path(kept.sha256))
    keep(store, b"one")
    assert not store.remove_spare(kept.sha256), "it was put there again"
    make_old(store.path(kept.sha256))
    assert store.remove_spare(kept.sha256)
    assert not store.remove_spare(kept.sha256)
    assert list(store.kept()) == []


def test_a_sweep_beside_uploads_leaves_each_file_that_was_kept_since(store: FileStore) -> None:
    sha256 = keep(store, b"shared").sha256
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            store.remove_spare(sha256)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(200):
            with store.draft() as draft:
                draft.write(b"shared")
                with suppress(FileNotFoundError):
                    make_old(store.path(sha256))
                draft.keep()
                assert store.path(sha256).exists()
    finally:
        done.set()
        sweeper.join()


KILLED = """
import os, signal, sys
from pathlib import Path
from core.files import FileStore
with FileStore(Path(sys.argv[1])).draft() as draft:
    draft.write(b"half of a file")
    draft._file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_no_file_and_its_draft_is_swept(store: FileStore) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.folder)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert list(store.kept()) == []
    (draft,) = drafts(store)
    assert store.remove_old_drafts() == 0
    make_old(draft)
    assert store.remove_old_drafts() == 1
