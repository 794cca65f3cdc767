"""The authority of a URL (host and port), parsed once for each host."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct
from twisted.web.client import URI

#: The part of a URL that names its host; the rest may be secret and is not cached.
_BEGINNING: Final = re.compile(rb"\s*[^:/?#]*:(?://)?[^/?#]*")
#: Host names have at most 253 characters.
_LONGEST: Final = 300


class Authority(Struct, frozen=True):
    """The authority of a URL; ``where`` is for messages, ``host`` is the value of the header."""

    secure: bool
    where: str
    host: bytes


def authority_of(url: bytes) -> Authority:
    """Return the authority of ``url``.

    :raises ValueError: if it has none.
    """
    beginning = _BEGINNING.match(url)
    if beginning is None or beginning.end() > _LONGEST:
        raise ValueError("the URL has no host")
    return _read(beginning[0])


def split_url(url: bytes) -> tuple[bytes, bytes]:
    """Return the part of ``url`` that names its host, and the target: the path with the query.

    :raises ValueError: if it has no host.
    """
    beginning = _BEGINNING.match(url)
    if beginning is None:
        raise ValueError("the URL has no host")
    target = url[beginning.end() :].partition(b"#")[0]
    return beginning[0].lstrip(), target if target.startswith(b"/") else b"/" + target


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
