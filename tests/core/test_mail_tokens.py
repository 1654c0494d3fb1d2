"""The codes of mails: whose they are, until when, and what makes them void."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.mail_tokens import (
    RESET_PASSWORD,
    TOKEN_CHARACTERS,
    VERIFY_EMAIL,
    MailClaims,
    is_mail_token,
    mail_token,
    read_mail_token,
)

SECRET = "a secret of the tests, long enough for HS256"
USER = UUID(int=1)


def test_a_code_says_whose_it_is_until_when_and_proves_it_for_one_thing_and_purpose() -> None:
    expires_at = datetime(2026, 5, 4, 12, 0, 0, 999_999, UTC)
    token = mail_token(SECRET, VERIFY_EMAIL, user_id=USER, covers="a@b", expires_at=expires_at)
    assert len(token) == TOKEN_CHARACTERS
    claims = read_mail_token(token)
    assert claims == MailClaims(USER, expires_at.replace(microsecond=0))
    assert is_mail_token(SECRET, VERIFY_EMAIL, token, claims, covers="a@b")
    assert not is_mail_token(SECRET, VERIFY_EMAIL, token, claims, covers="a@c")
    assert not is_mail_token(SECRET, RESET_PASSWORD, token, claims, covers="a@b")
    assert not is_mail_token(SECRET + "x", VERIFY_EMAIL, token, claims, covers="a@b")
    later = MailClaims(USER, expires_at + timedelta(days=1))
    assert not is_mail_token(SECRET, VERIFY_EMAIL, token, later, covers="a@b")


@pytest.mark.parametrize("token", ["", ".", "x", "ü.x", "A" * 26, "A" * 28, "A" * 200, "....", "\0"])
def test_what_is_no_code_says_nothing(token: str) -> None:
    assert read_mail_token(token) is None
