"""How much work a password is, as its time could tell who has an account."""

import asyncio

import bcrypt
import pytest

from api.passwords import Passwords
from core import security
from core.security import hash_password

COST = 8


@pytest.mark.parametrize("cost", [4, 5, 7, 8])
def test_a_hash_of_a_former_cost_is_as_much_work_as_nobodys(
    monkeypatch: pytest.MonkeyPatch, cost: int
) -> None:
    passwords, stored = Passwords(cost=COST), hash_password("mine", cost=cost)
    work, check = [], bcrypt.checkpw

    def count(password: bytes, password_hash: bytes) -> bool:
        work.append(2 ** int(password_hash.split(b"$")[2]))
        return check(password, password_hash)

    monkeypatch.setattr(security.bcrypt, "checkpw", count)
    for given, known, is_right in (
        ("mine", stored, True),
        ("x", stored, False),
        ("mine", None, False),
    ):
        work.clear()
        assert asyncio.run(passwords.is_password(given, known)) is is_right
        assert sum(work) == 2**COST
    passwords.close()
