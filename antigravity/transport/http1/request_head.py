"""The head of a request in its wire form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from twisted.web.http_headers import Headers

from antigravity.transport.http1.headers import FixedHeaders

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: Visible ASCII; a fragment is not part of a request.
_TARGET: Final = re.compile(rb"[\x21-\x22\x24-\x7e]+")
#: Methods for which a body is expected, so that its absence is stated.
_WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))
#: Headers that decide where the message ends and whether the connection stays open.
_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"connection"))


@lru_cache(maxsize=512)
def _field(name: bytes) -> bytes:
    """Return the beginning of the line of a header: ``Content-Type: ``.

    :raises ValueError: if it is not a name, or one that the connection sets itself.
    """
    if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
        raise ValueError("the name of a header is malformed")
    return name.title() + b": "


@lru_cache(maxsize=64)
def _method(method: bytes) -> bytes:
    if not _TOKEN.fullmatch(method) or method == b"CONNECT":
        raise ValueError("the method is malformed")
    return method + b" "


def encode_lines(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers in their wire form.

    :raises ValueError: if one cannot be sent: it would end its line, or set the framing.
    """
    out: list[bytes] = []
    for name, value in pairs:
        out += (_field(name), value, b"\r\n")
    lines = b"".join(out)
    count = len(out) // 3
    if lines.count(b"\n") != count or lines.count(b"\r") != count or b"\0" in lines:
        raise ValueError("the value of a header has a line break")
    return lines


def encode_head(
    method: bytes, target: bytes, headers: Headers, length: int | None, *, persistent: bool
) -> bytes:
    """Return the head, with the empty line.

    :param target: a path with its query, or a whole URL for a proxy.
    :param length: the size of the body, ``None`` if there is none.
    :raises ValueError: if a part cannot be sent.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError("the target of a request is malformed")
    if isinstance(headers, FixedHeaders):
        lines = headers.lines
    else:
        all_headers = headers.getAllRawHeaders()
        lines = encode_lines((name, value) for name, values in all_headers for value in values)
    if length is None and method in _WITH_BODY:
        length = 0
    size = b"" if length is None else b"Content-Length: %d\r\n" % length
    closing = b"" if persistent else b"Connection: close\r\n"
    return b"%b%b HTTP/1.1\r\n%b%b%b\r\n" % (_method(method), target, closing, size, lines)
