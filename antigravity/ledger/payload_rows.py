"""Rows of the table ``payloads``.  Call these functions in threads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from antigravity.interfaces.payloads import (
    Direction,
    NamedValue,
    Pairs,
    RawPayloads,
    ReplayRoute,
)
from antigravity.ledger.payload_text import KeptBody, PayloadRedactor, keep
from antigravity.ledger.rows import micros

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

#: The most characters of an address.
_URL_LIMIT: Final = 4000
#: What a row takes besides its texts, in bytes.
_ROW: Final = 200
_HEADERS: Final = msgspec.json.Decoder(list[NamedValue])
#: The most bytes of text that are kept of all bodies of one request.
_MOST: Final = 16 * 1024 * 1024
#: No stored body is larger; a damaged one could be.
_LARGEST: Final = 8 * 1024 * 1024


class PayloadRow(Struct):
    """One message.  The fields are the columns of the table ``payloads``.

    ``position`` orders the messages of a request.  ``headers`` and ``route`` are JSON, ``body`` is
    compressed.  ``size`` is that of the whole body; of a long one, ``cut`` bytes after ``head``
    bytes are missing.  ``media`` counts files that were replaced by marks; ``dropped`` is 1 if
    there was no room for the body.  ``stored`` is about the size of the row.  ``started`` is that
    of the request's row, in microseconds.
    """

    number: int
    request: str
    stored: int
    position: int
    direction: Direction
    attempt: int | None
    method: str
    url: str
    status: int | None
    size: int
    head: int
    cut: int
    media: int
    dropped: int
    route: str | None
    headers: str
    body: bytes
    started: int


def payload_rows(
    payloads: RawPayloads, redactor: PayloadRedactor, number: Callable[[], int]
) -> list[PayloadRow]:
    """Return the rows of all messages of a request, without secrets."""
    route: str | None = _route(payloads.route, redactor)
    rows: list[PayloadRow] = []
    kept_bytes = 0
    for position, message in enumerate(payloads.messages):
        kept = keep(message.body, _content_type(message.headers), redactor)
        kept_bytes += len(kept.text)
        if kept_bytes > _MOST:
            kept = KeptBody(b"", kept.size, cut=kept.size, is_dropped=True)
        rows.append(_row(payloads, position, kept, redactor, number(), route))
        route = None
    return rows


def _row(
    payloads: RawPayloads,
    position: int,
    kept: KeptBody,
    redactor: PayloadRedactor,
    number: int,
    route: str | None,
) -> PayloadRow:
    message = payloads.messages[position]
    pairs = redactor.clean_headers(message.headers)
    headers = msgspec.json.encode([NamedValue(*pair) for pair in pairs]).decode()
    body = zstd.compress(kept.text)
    url = redactor.clean_url(message.url)[:_URL_LIMIT]
    return PayloadRow(
        number=number,
        request=payloads.request_id,
        stored=len(body) + len(headers) + len(url) + len(route or "") + _ROW,
        position=position,
        direction=message.direction,
        attempt=message.attempt,
        method=message.method,
        url=url,
        status=message.status,
        size=kept.size,
        head=kept.head,
        cut=kept.cut,
        media=kept.media,
        dropped=int(kept.is_dropped),
        route=route,
        headers=headers,
        body=body,
        started=micros(payloads.started),
    )


def _route(route: ReplayRoute, redactor: PayloadRedactor) -> str:
    pairs = [(each.name, each.value) for each in route.query]
    query = [NamedValue(name, value) for name, value in redactor.clean_headers(pairs)]
    return msgspec.json.encode(replace(route, query=query)).decode()


def _content_type(headers: Pairs) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "")


def decode_headers(text: str) -> list[NamedValue]:
    """Return the headers of a row."""
    return _HEADERS.decode(text)


def decode_route(text: str) -> ReplayRoute:
    """Return the route of a row."""
    return msgspec.json.decode(text, type=ReplayRoute)


def decode_body(body: bytes) -> bytes:
    """Return the text of a row's body."""
    return zstd.ZstdDecompressor().decompress(bytes(body), _LARGEST)
