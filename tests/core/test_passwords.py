"""Which passwords are taken: found out offline, with no rules but length and guesses."""

import pytest

from core.passwords import password_errors

ABOUT = ("adalovelace", "ada@example.org", "Ada Lovelace")


@pytest.mark.parametrize(
    "password",
    [
        "password123", "1234567890", "qwertyuiop", "iloveyou12", "letmein123456", "aaaaaaaaaaaa",
        "abcdefghij", "passwordpassword", "monkey1234", "football123", "0987654321", "adalovelace",
        "ada@example.org", "outlay12345", "qwerty123456",
    ],
)  # fmt: skip
def test_what_others_would_guess_first_is_refused(password: str) -> None:
    [error] = password_errors(password, about=ABOUT)
    assert error.pointer == "/password"
    assert error.detail.startswith("too easy to guess")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "four words and a number: 7",
        "väldigt långt ord",
        "密码本身就很长的",
        "x9$Kq2!vLm",
    ],
)
def test_there_are_no_rules_of_which_characters_it_must_have(password: str) -> None:
    assert password_errors(password, about=ABOUT) == []


@pytest.mark.parametrize("password", ["short", "p" * 73, "€" * 25, "correct horse\0battery"])
def test_what_bcrypt_would_not_read_whole_is_refused(password: str) -> None:
    assert len(password_errors(password)) == 1


def test_the_longest_password_takes_no_longer_than_a_hash_does() -> None:
    """What is repeated costs the most; its time is bounded by its length."""
    assert password_errors("ab" * 36)[0].detail.startswith("too easy")
