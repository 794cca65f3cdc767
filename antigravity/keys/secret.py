"""Secrets of keys, and their digests.

A secret has 256 random bits, so that nobody can try all of them, however fast the hash is; slow
hashes are for passwords, which people choose.  BLAKE2b with a random key of the file makes digests
that say nothing without that file, and costs about a microsecond.
"""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from typing import Final

#: How every secret begins, so that scanners of repositories can find it.
PREFIX: Final = "sk-ag-"
_SECRET: Final = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")
#: What may be shown of a secret.
_HINT: Final = len(PREFIX) + 4
#: How the ids of keys begin; other principals are hexadecimal digits.
ID_PREFIX: Final = "key_"
SALT_BYTES: Final = 32


def new_secret() -> str:
    """Return a random secret."""
    return PREFIX + secrets.token_urlsafe(32)


def new_key_id() -> str:
    """Return a random id of a key, by which records name it."""
    return ID_PREFIX + secrets.token_hex(8)


def new_salt() -> str:
    """Return the random key of the digests of one file, in hexadecimal digits."""
    return secrets.token_hex(SALT_BYTES)


def is_secret(text: str) -> bool:
    """Return whether a text has the form of a secret."""
    return text.startswith(PREFIX)


def digest_of(secret: str, salt: str) -> str:
    """Return the digest that is stored in place of a secret, in hexadecimal digits."""
    key = bytes.fromhex(salt)
    data = secret.encode("utf-8", "surrogatepass")
    return blake2b(data, key=key, digest_size=32, person=b"client key").hexdigest()


def hint_of(secret: str) -> str:
    """Return how a secret begins, so that its owner can recognise it."""
    return f"{secret[:_HINT]}…" if _SECRET.fullmatch(secret) else "…"
