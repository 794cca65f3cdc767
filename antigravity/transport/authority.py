"""Where an address leads: read once for each host, for most requests go to few."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct
from twisted.web.client import URI

#: What of an address names its host; the rest, which may be secret, is not looked at.
_BEGINNING: Final = re.compile(rb"\s*[^:/?#]*:(?://)?[^/?#]*")
#: Names of hosts have 253 characters at the most.
_LONGEST: Final = 300


class Authority(Struct, frozen=True):
    """The host of an address: ``where`` is its name for people, ``host`` the header."""

    secure: bool
    where: str
    host: bytes


def authority_of(url: bytes) -> Authority:
    """Return where ``url`` leads.

    :raises ValueError: if that cannot be said.
    """
    beginning = _BEGINNING.match(url)
    if beginning is None or beginning.end() > _LONGEST:
        raise ValueError("an address names no host")
    return _read(beginning[0])


@lru_cache(maxsize=256)
def _read(beginning: bytes) -> Authority:
    uri: URI = URI.fromBytes(beginning)
    host = uri.host.rpartition(b"@")[2]
    if b":" in host:
        host = b"[" + host + b"]"
    full = b"%b:%d" % (host, uri.port)
    secure = uri.scheme == b"https"
    usual = uri.port == (443 if secure else 80)
    return Authority(secure, full.decode("ascii"), host if usual else full)
