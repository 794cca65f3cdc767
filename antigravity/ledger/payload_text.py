"""What the ledger keeps of a body: text without secrets and files, bounded.  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from antigravity.interfaces.payloads import Pairs, RawBody
from antigravity.ledger.media_marks import UNKNOWN, mark, replace_media, replace_parts
from antigravity.ledger.stream_documents import Framing, framing_of
from antigravity.ledger.stream_text import Replacement, redact_stream
from antigravity.redaction.addresses import mask_addresses
from antigravity.redaction.credentials import LONGEST, REDACTED, SECRET_NAME, Redactor
from antigravity.redaction.shapes import find_shapes, redact_shapes

#: What is kept of a body: its beginning and its end, in bytes.
HEAD: Final = 1024 * 1024
TAIL: Final = 1024 * 1024
#: How many bytes show whether a body is text.
_SAMPLE: Final = 4096
#: The most bytes over which a stream spreads a credential; texts of events are short.
SPREAD: Final = 128 * 1024
#: The characters that are searched at once; other threads run between two searches.
_WINDOW: Final = 128 * 1024


class KeptBody(Struct, frozen=True):
    """What is kept of a body.

    ``size`` is that of the whole body, ``cut`` how many bytes are missing in the middle, after
    ``head`` bytes.  ``media`` counts the files that were replaced by marks.  ``is_dropped`` says
    that nothing is kept because there was no room.
    """

    text: bytes
    size: int
    head: int = 0
    cut: int = 0
    media: int = 0
    is_dropped: bool = False


class PayloadRedactor:
    """Removes secrets and addresses.

    :param addresses: addresses of accounts, and what is written in place of each.
    """

    def __init__(self, redactor: Redactor, addresses: Mapping[str, str]) -> None:
        self._redactor = redactor
        self._addresses = {
            _latin_1(name.lower()): _latin_1(shown) for name, shown in addresses.items() if name
        }
        names = sorted(self._addresses, key=len, reverse=True)
        pattern = "|".join(map(re.escape, names))
        self._address = re.compile(pattern, re.IGNORECASE) if pattern else None

    def clean(self, data: bytes) -> bytes:
        """Return text without credentials, known addresses, and what looks like credentials."""
        out: list[str] = []
        carried = ""  # it is searched again with what follows
        for start in range(0, len(data), _WINDOW):
            window = carried + data[start : start + _WINDOW].decode("latin-1")
            cleaned = self._clean_piece(window)
            out.append(cleaned[:-LONGEST])
            carried = cleaned[-LONGEST:]
        return "".join((*out, carried)).encode("latin-1")

    def _clean_piece(self, text: str) -> str:
        text = self._redactor.redact(text)
        if self._address is not None:
            text = self._address.sub(
                lambda found: self._addresses.get(found[0].lower(), REDACTED), text
            )
        return redact_shapes(text)

    def clean_stream(self, data: bytes, framing: Framing | None) -> bytes:
        """Return a body without secrets, also those that its documents hold in pieces."""
        if framing is not None:
            data = redact_stream(data, framing, self.find)
        return self.clean(data)

    def find(self, text: str) -> list[Replacement]:
        """Return where secrets are in a text, in order, and what is written in their place."""
        found: list[Replacement] = []
        for place in range(0, len(text), _WINDOW):
            begin = max(0, place - LONGEST)
            for start, end, shown in self._find_in_piece(text[begin : place + _WINDOW]):
                if start or not begin:  # else it is not known what was before
                    found.append((begin + start, begin + end, shown))
        merged: list[Replacement] = []
        for start, end, shown in sorted(found):
            if merged and start < merged[-1][1]:
                first, last, mark_ = merged[-1]
                if (start, end) != (first, last):
                    mark_ = REDACTED if last < end or mark_ == REDACTED else mark_
                merged[-1] = first, max(last, end), mark_
            else:
                merged.append((start, end, shown))
        return merged

    def _find_in_piece(self, text: str) -> Iterator[Replacement]:
        for start, end in chain(self._redactor.find(text), find_shapes(text)):
            yield start, end, REDACTED
        if self._address is not None:
            for found in self._address.finditer(text):
                yield *found.span(), self._addresses.get(found[0].lower(), REDACTED)

    def clean_text(self, text: str) -> str:
        """Return text without secrets."""
        return self.clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def clean_headers(self, headers: Pairs) -> list[tuple[str, str]]:
        """Return headers, without the values of those whose name says that they are secret."""
        return [(name, self._clean_value(name, value)) for name, value in headers]

    def _clean_value(self, name: str, value: str) -> str:
        if SECRET_NAME.search(name) and "ratelimit" not in name.lower():
            return REDACTED
        return mask_addresses(self.clean_text(value))

    def clean_url(self, url: str) -> str:
        """Return an address without credentials in its authority and its query."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        host = parts.netloc.rpartition("@")[2]
        pairs = []
        for pair in parts.query.split("&") if parts.query else ():
            name, equals, value = pair.partition("=")
            if SECRET_NAME.search(name):
                value = REDACTED
            pairs.append(f"{name}{equals}{value}")
        cleaned = urlunsplit((parts.scheme, host, parts.path, "&".join(pairs), ""))
        return self.clean_text(cleaned)


def keep(body: RawBody, content_type: str, redactor: PayloadRedactor) -> KeptBody:
    """Return what is kept of a body."""
    if body.is_dropped:
        return KeptBody(b"", body.size, cut=body.size, is_dropped=True)
    kind = content_type.partition(";")[0].strip().lower()
    if body.digest:
        return KeptBody(mark(kind, body.size, body.digest).encode(), body.size, media=1)
    head, tail = b"".join(body.head), b"".join(body.tail)
    is_cut = len(head) + len(tail) < body.size
    if not is_cut and tail:
        head, tail = head + tail, b""
    missing = body.size - len(head) - len(tail)
    framing = None
    if kind.startswith("multipart/"):
        head, media = replace_parts(head, content_type, is_cut=is_cut)
    elif not _is_text(head):
        digest = hashlib.sha256(head).hexdigest()
        text = mark(kind or UNKNOWN, len(head), digest, is_cut=is_cut)
        return KeptBody(text.encode(), body.size, media=1)
    else:
        framing = framing_of(kind, head[:HEAD].decode("latin-1"))
        head, media = replace_media(head, is_cut=is_cut)
    # what is cut at either side may be a part of a credential
    dropped = margin = LONGEST if framing is None else SPREAD
    if not is_cut and len(head) > HEAD + TAIL + margin:
        missing = len(head) - HEAD - TAIL - margin
        head, tail = head[: HEAD + margin], head[-TAIL - margin :]
        is_cut = True
    elif is_cut:
        dropped = max(margin, len(tail) - TAIL)
        missing += min(len(tail), dropped)
        if len(head) > HEAD + margin:
            missing += len(head) - HEAD - margin
            head = head[: HEAD + margin]
    is_short = len(head) < HEAD + margin
    head = redactor.clean_stream(head, framing)
    if not is_cut:
        return KeptBody(head, body.size, media=media)
    tail = redactor.clean_stream(tail, framing)[dropped:]
    end = HEAD if is_short else min(HEAD, max(0, len(head) - margin))
    missing += max(0, len(head) - end)
    head = head[:end]
    return KeptBody(head + tail, body.size, len(head), missing, media)


def _latin_1(text: str) -> str:
    """Return text as its bytes look in Latin-1, in which bodies are searched."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _is_text(data: bytes) -> bool:
    sample = data[:_SAMPLE]
    if b"\0" in sample:
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start > len(sample) - 4 and len(data) > len(sample)
    return True
