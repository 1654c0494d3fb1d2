"""How each chunk of a backup is kept from being changed, moved, left out or cut off: the STREAM construction.

Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance" (2015): the nonce of a chunk is its number and whether it is the last one, under a key that
no other backup has. So a chunk is accepted in its own place only, and what lacks its end has no last one.
"""

import hashlib
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.backup.errors import BackupError, DamagedBackup

MAGIC = b"outlay backup 1\n"
"""The number counts up when an older Outlay could not read it."""

ENCRYPTED, PLAIN = b"E", b"P"
SALT_BYTES = CHECK_BYTES = TAG_BYTES = 16
KEY_BYTES = 32
HEADER_BYTES = len(MAGIC) + 1 + SALT_BYTES + CHECK_BYTES


class Seal(Protocol):
    header: bytes
    """What the file begins with; part of what each chunk vouches for."""

    def close(self, data: bytes, *, number: int, is_last: bool) -> bytes: ...

    def open(self, sealed: bytes, *, number: int, is_last: bool) -> bytes:
        """Raises:
        DamagedBackup: it is not what was sealed, or not with this number.
        """


class EncryptedSeal:
    """AES-256-GCM under a key of this backup's own, derived from the operator's by HKDF (RFC 5869)."""

    def __init__(self, key: str, salt: bytes) -> None:
        derived = HKDF(SHA256(), KEY_BYTES + CHECK_BYTES, salt=salt, info=MAGIC).derive(key.encode())
        # The second part tells a wrong key from a damaged file, and tells nothing of the first.
        self.header = MAGIC + ENCRYPTED + salt + derived[KEY_BYTES:]
        self._cipher = AESGCM(derived[:KEY_BYTES])

    def close(self, data: bytes, *, number: int, is_last: bool) -> bytes:
        return self._cipher.encrypt(_nonce(number, is_last), data, self.header)

    def open(self, sealed: bytes, *, number: int, is_last: bool) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(number, is_last), sealed, self.header)
        except InvalidTag as error:
            raise _damaged(number) from error


class PlainSeal:
    """A checksum of the same things: finds damage, and keeps nothing secret."""

    def __init__(self, salt: bytes) -> None:
        self.header = MAGIC + PLAIN + salt + hashlib.sha256(MAGIC + PLAIN + salt).digest()[:CHECK_BYTES]

    def close(self, data: bytes, *, number: int, is_last: bool) -> bytes:
        return self._checksum(data, number, is_last) + data

    def open(self, sealed: bytes, *, number: int, is_last: bool) -> bytes:
        data = sealed[TAG_BYTES:]
        if sealed[:TAG_BYTES] != self._checksum(data, number, is_last):
            raise _damaged(number)
        return data

    def _checksum(self, data: bytes, number: int, is_last: bool) -> bytes:
        salt = _nonce(number, is_last)
        return hashlib.blake2b(data, digest_size=TAG_BYTES, key=self.header, salt=salt).digest()


def new_seal(key: str) -> Seal:
    """For a backup to be written: encrypted when there is a key."""
    salt = os.urandom(SALT_BYTES)
    return EncryptedSeal(key, salt) if key else PlainSeal(salt)


def seal_of(header: bytes, key: str, *, permits_plain: bool = False) -> Seal:
    """For a backup that begins like this.

    Raises:
        BackupError: it is none, or the key is missing or another one; or there is one, the backup is plain,
            and that is not permitted.
    """
    if not header.startswith(MAGIC):
        raise BackupError("this is no backup of Outlay, or one of another version")
    if len(header) < HEADER_BYTES:
        raise DamagedBackup("the backup ends within its first line")
    mode, salt = header[len(MAGIC) :][:1], header[len(MAGIC) + 1 :][:SALT_BYTES]
    if mode == PLAIN:
        if key and not permits_plain:
            # Whoever can put a file into the folder could have made it.
            raise BackupError(
                "the backup is not encrypted, though there is an OUTLAY_BACKUP_KEY, so nothing says who made "
                "it: say --unencrypted to have it all the same"
            )
        plain = PlainSeal(salt)
        if plain.header != header:
            raise DamagedBackup("the first line of the backup is damaged")
        return plain
    if mode != ENCRYPTED:
        raise DamagedBackup("the first line of the backup is damaged")
    if not key:
        raise BackupError("the backup is encrypted: set OUTLAY_BACKUP_KEY to the key that it was made with")
    encrypted = EncryptedSeal(key, salt)
    if encrypted.header != header:
        raise BackupError(
            "OUTLAY_BACKUP_KEY is not the key that the backup was made with, or its first line is damaged"
        )
    return encrypted


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((is_last,))


def _damaged(number: int) -> DamagedBackup:
    return DamagedBackup(f"the backup is damaged in its part {number}: it is not what was written")
