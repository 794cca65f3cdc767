"""Bodies of the type ``multipart/form-data`` (RFC 7578): fields and files, without copies.

The parser is python-multipart's; limits, names and errors are handled here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from antigravity.ir.call import Body, Call, Head
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.json_body import bad_field

#: Parts of one body, headers of one part, and bytes of one header.
MAX_PARTS: Final = 128
MAX_HEADERS: Final = 8
MAX_HEADER: Final = 4096
#: Bytes of a field that is not a file.
MAX_FIELD: Final = 1024 * 1024

_FORM: Final = "multipart/form-data"
#: A valid boundary (RFC 2046, section 5.1.1).
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME: Final = re.compile(rb";\s*(name|filename)(\*?)[^=;]*=", re.IGNORECASE)
_PLAIN_ENCODINGS: Final = (b"", b"7bit", b"8bit", b"binary")
#: The parser logs what it also raises.
_SILENT: Final = logging.Logger("multipart", logging.CRITICAL + 1)


class Part(Struct, frozen=True):
    """One part; its content is in the body from ``start`` to ``end``.

    ``filename`` is ``None`` for a field that is not a file.
    """

    name: str
    filename: str | None
    content_type: str
    start: int
    end: int


class Form:
    """The parts of one body, in order."""

    def __init__(self, body: bytes, boundary: bytes, parts: tuple[Part, ...]) -> None:
        self._body = body
        self._boundary = boundary
        self.parts = parts

    def data(self, part: Part) -> memoryview:
        """Return a part's content, without copying it."""
        return memoryview(self._body)[part.start : part.end]

    def fields(self) -> Iterator[tuple[str, str]]:
        """Yield name and text of each field that is not a file, in order.

        :raises InvalidRequestError: if a field is not text, or too long; the error names it.
        """
        for part in self.parts:
            if part.filename is None:
                yield part.name, self._text(part)

    def text(self, name: str) -> str | None:
        """Return the text of the last field of a name, ``None`` if there is none."""
        found: str | None = None
        for part in self.parts:
            if part.name == name and part.filename is None:
                found = self._text(part)
        return found

    def files(self, *names: str) -> list[Part]:
        """Return the files under any of ``names``, in order."""
        return [part for part in self.parts if part.name in names and part.filename is not None]

    def with_field(self, name: str, value: str) -> Body:
        """Return the body with another value of one field, otherwise byte for byte the same.

        The result is in pieces, most of which are views of the original body.

        :raises InvalidRequestError: if there is a file of that name, which an upstream could read.
        """
        body, new = memoryview(self._body), value.encode()
        if self.files(name):
            raise bad_field(name, "must be text, not a file")
        if [self.data(part) for part in self.parts if part.name == name] == [new]:
            return self._body
        pieces: list[bytes | memoryview] = []
        copied = 0
        for part in self.parts:
            if part.name == name and part.filename is None:
                pieces += [body[copied : part.start], new]
                copied = part.end
        if not pieces:
            head = b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % (
                self._boundary,
                name.encode(),
            )
            pieces = [head, new, b"\r\n"]
            copied = max(0, self._body.find(b"--" + self._boundary))
        return (*pieces, body[copied:])

    def _text(self, part: Part) -> str:
        if part.end - part.start > MAX_FIELD:
            raise bad_field(part.name, f"must not be longer than {MAX_FIELD} bytes")
        try:
            return bytes(self.data(part)).decode()
        except UnicodeDecodeError:
            raise bad_field(part.name, "must be UTF-8 text") from None


def is_form(headers: Mapping[str, str]) -> bool:
    """Return whether a body is a form, by its ``Content-Type``."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM


def read_form(call: Call) -> Form:
    """Return the form in a call, which is parsed once.

    :raises InvalidRequestError: as :func:`parse_form`.
    """
    known = call.memo.get("form")
    if not isinstance(known, Form):
        known = call.memo["form"] = parse_form(call.body, call.headers.get("content-type", ""))
    return known


def peek_form(call: Call) -> Head:
    """Return model and streaming switch of a form, which need not name the model.

    :raises InvalidRequestError: as :func:`parse_form`.
    """
    form = read_form(call)
    return Head(form.text("model") or "", (form.text("stream") or "").lower() in ("true", "1"))


def parse_form(body: bytes, content_type: str) -> Form:
    """Return the form in ``body``.

    :raises InvalidRequestError: if it is not a form, has too many parts, or is ambiguous: the
        upstream must read the same as the gateway.
    """
    boundary = _boundary_of(content_type)
    delimiters = _delimiters(body, boundary)
    if delimiters > MAX_PARTS + 1:  # the parser would be slow
        raise InvalidRequestError(f"The multipart body has more than {MAX_PARTS} parts.")
    collector = _FormCollector(body)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": collector.part_begin,
                "on_header_begin": collector.header_begin,
                "on_header_field": collector.header_field,
                "on_header_value": collector.header_value,
                "on_header_end": collector.header_end,
                "on_part_data": collector.part_data,
                "on_part_end": collector.part_end,
                "on_end": collector.end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER,
        )
        parser.logger = _SILENT
        parser.write(body)
    except FormParserError as error:
        raise InvalidRequestError(f"The multipart body is malformed: {error}.") from error
    if not collector.ended:
        raise InvalidRequestError("The multipart body ends before its closing boundary.")
    if delimiters != len(collector.parts) + 1:
        raise InvalidRequestError(
            "The multipart body contains its boundary outside the start of a part: before the "
            "first part, inside one, or after the last."
        )
    return Form(body, boundary, tuple(collector.parts))


def _boundary_of(content_type: str) -> bytes:
    """Return the boundary in a ``Content-Type``.

    :raises InvalidRequestError: if it is missing, invalid or ambiguous.
    """
    try:
        kind, options = parse_options_header(content_type)
    except UnicodeEncodeError:
        kind, options = b"", {}
    boundary = options.get(b"boundary", b"")
    if kind.decode("latin-1").lower() != _FORM or not boundary:
        raise InvalidRequestError(
            f"The body must be {_FORM}, and its Content-Type must name the boundary."
        )
    if content_type.lower().count("boundary") > boundary.lower().count(b"boundary") + 1:
        raise InvalidRequestError("The Content-Type names more than one boundary.")
    if not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequestError(
            "The boundary in the Content-Type is invalid. Use up to 200 letters, digits, spaces "
            "and '()+_,-./:=?."
        )
    return boundary


def _delimiters(body: bytes, boundary: bytes) -> int:
    """Return how many lines begin with the boundary, with any kind of line end."""
    line = b"--" + boundary
    return body.startswith(line) + body.count(b"\n" + line) + body.count(b"\r" + line)


class _FormCollector:
    """Collects the parts from the parser's callbacks; offsets are in the whole body."""

    def __init__(self, body: bytes) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._body = body
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._head_end = 0
        self._start = self._end = 0

    def part_begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise InvalidRequestError(f"The multipart body has more than {MAX_PARTS} parts.")
        self._headers = {}
        self._start = self._end = 0

    def header_begin(self) -> None:
        self._field = self._value = b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._head_end = end

    def header_end(self) -> None:
        name = self._field.lower()
        if name in self._headers or _CONTROLS.search(self._value):
            raise self._ambiguous(f"its header {name.decode('ascii')}")
        self._headers[name] = self._value

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._start == self._end:
            self._start = start
        self._end = end

    def part_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(_text(disposition))
        name = options.get(b"name")
        if not name:
            raise InvalidRequestError(
                f"Part {len(self.parts) + 1} of the multipart body has no name."
            )
        named = [(found[1].lower(), found[2]) for found in _NAME.finditer(disposition)]
        if len(named) > len(set(named)) or (b"name", b"*") in named or b"\\" in name:
            raise self._ambiguous("its name")
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() not in (
            _PLAIN_ENCODINGS
        ):
            raise self._ambiguous("its Content-Transfer-Encoding")
        if self._start == self._end:  # an empty part: the parser gives no offsets
            self._start = self._end = self._body.index(b"\r\n\r\n", self._head_end) + 4
        filename = options.get(b"filename")
        content_type = _text(self._headers.get(b"content-type", b""))
        self.parts.append(
            Part(
                _utf8(name),
                None if filename is None else _utf8(filename),
                content_type.partition(";")[0].strip().lower(),
                self._start,
                self._end,
            )
        )

    def end(self) -> None:
        self.ended = True

    def _ambiguous(self, what: str) -> InvalidRequestError:
        """Return the error for a part that servers read in different ways."""
        return InvalidRequestError(
            f"Part {len(self.parts) + 1} of the multipart body is ambiguous because of {what}."
        )


def _text(value: bytes) -> str:
    """Return a header's value as text that can be encoded back."""
    return value.decode("latin-1")


def _utf8(value: bytes) -> str:
    """Return a name; clients send plain UTF-8 (RFC 7578, section 4.2)."""
    return value.decode("utf-8", "replace")
