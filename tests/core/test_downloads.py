"""Signed links: good until they run out, and not one bit of them may be another."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.downloads import Downloads
from core.errors import NotFound
from core.ids import new_id

PATH = "/v1/exports/0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6/download"
SECRET = "a secret of thirty-two bytes or more"
NOW = datetime(2026, 5, 4, 12, 0, 0, 500_000, UTC)


@pytest.fixture(scope="module")
def downloads() -> Downloads:
    return Downloads(SECRET, "https://outlay.example.com/")


def parts_of(link: str) -> tuple[str, str, str]:
    """Path, expiry and signature."""
    url = urlsplit(link)
    query = parse_qs(url.query, strict_parsing=True)
    assert query.keys() == {"expires", "signature"}
    return url.path, query["expires"][0], query["signature"][0]


def owner(downloads: Downloads, path: str, expires: str, signature: str, now: datetime = NOW) -> UUID | None:
    try:
        return downloads.owner(path, expires=expires, signature=signature, now=now)
    except NotFound:
        return None


def test_a_link_says_whose_the_file_is_until_it_runs_out(downloads: Downloads) -> None:
    user_id, expires_at = new_id(), NOW + timedelta(hours=1)
    link = downloads.link(PATH, user_id=user_id, expires_at=expires_at)
    assert link.startswith(f"https://outlay.example.com{PATH}?expires=")
    assert owner(downloads, *parts_of(link)) == user_id
    almost = expires_at.replace(microsecond=0) - timedelta(milliseconds=1)
    assert owner(downloads, *parts_of(link), almost) == user_id
    assert owner(downloads, *parts_of(link), expires_at.replace(microsecond=0)) is None


def test_no_bit_may_be_another(downloads: Downloads) -> None:
    given = parts_of(downloads.link(PATH, user_id=new_id(), expires_at=NOW + timedelta(hours=1)))
    for position, part in enumerate(given):
        for index in range(len(part)):
            for bit in range(7):
                changed = part[:index] + chr(ord(part[index]) ^ 1 << bit) + part[index + 1 :]
                forged = [*given[:position], changed, *given[position + 1 :]]
                assert owner(downloads, *forged) is None, forged


def test_another_secret_signs_otherwise(downloads: Downloads) -> None:
    link = Downloads(SECRET + "!", "").link(PATH, user_id=new_id(), expires_at=NOW + timedelta(hours=1))
    assert owner(downloads, *parts_of(link)) is None


@given(st.text(), st.text())
def test_nonsense_is_no_link(downloads: Downloads, expires: str, signature: str) -> None:
    assert owner(downloads, PATH, expires, signature) is None


@pytest.mark.parametrize("expires", ["", "-1", "1e99", "\ud800", "9" * 5_000, " 1795878000", "+1795878000"])
def test_only_the_signed_expiry_counts(downloads: Downloads, expires: str) -> None:
    _path, _expires, signature = parts_of(downloads.link(PATH, user_id=new_id(), expires_at=NOW))
    assert owner(downloads, PATH, expires, signature) is None
    assert owner(downloads, PATH, "1795878000", signature + expires) is None
