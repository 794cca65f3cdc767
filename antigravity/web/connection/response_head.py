"""Status line and headers of responses, as text that is joined once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from time import time
from typing import Final

from twisted.web.http import NO_BODY_CODES, RESPONSES, datetimeToString

from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.web.host_policy import Headers, cors_headers
from antigravity.web.request_head import RequestHead

_PHRASES: Final = {
    **{status.value: status.phrase for status in HTTPStatus},
    **{status: phrase.decode() for status, phrase in RESPONSES.items()},
}
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

#: Fields by their name in lower case, each as a line with its line end.
Fields = dict[str, str]

_date = (0, b"", "")


def _second() -> tuple[int, bytes, str]:
    """Return date and constant header lines of the current second."""
    global _date
    now = int(time())
    if _date[0] != now:
        date = datetimeToString(now)
        lines = f"Server: antigravity\r\nDate: {date.decode()}\r\n"
        _date = now, date, lines
    return _date


def http_date() -> bytes:
    """Return the time for a ``Date`` header, made once a second."""
    return _second()[1]


def phrase_of(status: int) -> str:
    """Return the reason phrase of a status."""
    return _PHRASES.get(status, "Unknown Status")


def common_headers(head: RequestHead) -> Headers:
    """Return the headers that every response has.

    The SDKs of OpenAI read the request's id from ``X-Request-Id``, those of Anthropic from
    ``Request-Id``.
    """
    headers = (
        ("X-Request-Id", head.id),
        ("Request-Id", head.id),
        # Browsers must not render the content of upstreams as a page.
        ("X-Content-Type-Options", "nosniff"),
    )
    return headers + cors_headers(head.allowed_origin) if head.allowed_origin else headers


def whole_headers(reply: Reply | HttpReply) -> Headers:
    """Return the headers of a whole response."""
    if reply.status in NO_BODY_CODES:
        return reply.headers
    length = ("Content-Length", str(len(reply.body)))
    if not reply.content_type:
        return (*reply.headers, length)
    return (*reply.headers, ("Content-Type", reply.content_type), length)


def add_fields(fields: Fields, headers: Iterable[tuple[str, str]]) -> None:
    """Set headers; ``Vary`` is added to existing ones, others replace them.

    Line ends in values become spaces, so that a value cannot begin another header.

    :raises ValueError: if a name is malformed.
    """
    for name, value in headers:
        if "\n" in value or "\r" in value:
            value = " ".join(re.split(r"\r\n|\r|\n", value)).strip()
        key = _lower.get(name) or _checked(name)
        if key == "vary" and key in fields:
            fields[key] = f"{fields[key]}Vary: {value}\r\n"
        else:
            fields[key] = f"{name}: {value}\r\n"


#: Valid names, and the same in lower case.
_lower: dict[str, str] = {}
_MOST_NAMES: Final = 1024


def _checked(name: str) -> str:
    """Return a name in lower case; common ones are remembered.

    :raises ValueError: if it is malformed.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header.")
    lower = name.lower()
    if len(_lower) < _MOST_NAMES:
        _lower[name] = lower
    return lower


def encode_head(version: str, status: int, phrase: str, fields: Fields) -> bytes:
    """Return a response head with ``Server`` and ``Date``; ``fields`` may replace them."""
    if "server" in fields or "date" in fields:
        fields = {"server": "Server: antigravity\r\n", "date": f"Date: {_date_text()}\r\n"} | fields
        constant = ""
    else:
        constant = _second()[2]
    text = f"{version} {status} {phrase}\r\n{constant}{''.join(fields.values())}\r\n"
    return text.encode(errors="replace")  # names of models can hold halves of characters


def _date_text() -> str:
    return http_date().decode()
