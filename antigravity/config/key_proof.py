"""Proofs that a gateway knows a key, so that commands do not send keys to other programs.

A command connects to the configured port, where any program of the machine may listen.  It sends a
nonce, and the gateway returns a code over the nonce and the address at which it was reached: a
program in between cannot pass on the code of a gateway that listens elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import lru_cache
from typing import Final

from antigravity.config.ip_networks import parse_address

PROOF_PATH: Final = "/key-proof"
#: The form of a nonce.
_NONCE: Final = re.compile(r"[0-9a-f]{32,64}")
_PURPOSE: Final = b"antigravity key proof 1"
#: The cost of scrypt: 16 MiB and about 40 ms for each guess of a key from a proof.
_N: Final = 2**14
_R: Final = 8


def new_nonce() -> str:
    """Return a nonce."""
    return secrets.token_hex(16)


def is_nonce(text: str) -> bool:
    """Return whether a text has the form of a nonce."""
    return _NONCE.fullmatch(text) is not None


@lru_cache(maxsize=4)
def proving_key(key: str) -> bytes:
    """Return the key of the proofs about an API key.  It takes about 40 ms, on purpose."""
    return hashlib.scrypt(key.encode(), salt=_PURPOSE, n=_N, r=_R, p=1, dklen=32)


def proof(proving_key: bytes, nonce: str, host: str, port: int) -> str:
    """Return the proof for a nonce.

    :param host: the IP address to which the connection was made, and ``port`` its port.
    """
    about = "\n".join((nonce, plain_address(host), str(port)))
    return hmac.new(proving_key, about.encode(), "sha256").hexdigest()


def plain_address(host: str) -> str:
    """Return an IP address in one spelling; an IPv4 address in IPv6 becomes IPv4."""
    try:
        return str(parse_address(host))
    except ValueError:
        return host
