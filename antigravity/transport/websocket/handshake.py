"""The handshake of a client (RFC 6455, section 4), sans-IO."""

from __future__ import annotations

import re
from base64 import b64encode
from os import urandom
from typing import Final

from msgspec import Struct
from wsproto.utilities import generate_accept_token

from antigravity.transport.head_limit import HEAD_LIMIT
from antigravity.transport.http1.request_head import encode_lines
from antigravity.websocket.deflate import OFFER, Deflate, read_response

#: Headers of requests that a handshake does not have.
_OF_BODIES: Final = (b"content-type", b"accept", b"accept-encoding")
_TARGET: Final = re.compile(rb"[\x21-\x22\x24-\x7e]+")
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [\t\x20-\xff]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\xff]*?)[ \t]*")
_HEAD_END: Final = b"\r\n\r\n"
_SWITCHING: Final = 101


class HandshakeRefusedError(Exception):
    """A server does not switch to WebSocket.

    :ivar status: the status of its response, 0 if it is malformed.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Accepted(Struct, frozen=True):
    """What was agreed on, and the bytes after the head."""

    deflate: Deflate | None
    rest: bytes


class ClientHandshake:
    """One handshake.

    :param target: the path with the query.
    :param headers: names and values, with ``Host`` and the credential.
    :param compressed: whether to offer compression.
    :raises ValueError: if a part cannot be sent.
    :ivar request: what to send.
    """

    def __init__(
        self, target: bytes, headers: list[tuple[bytes, bytes]], *, compressed: bool
    ) -> None:
        if not _TARGET.fullmatch(target):
            raise ValueError("the target of a request is malformed")
        key = b64encode(urandom(16))
        self._expected = bytes(generate_accept_token(key))
        self._is_offered = compressed
        self._head = b""
        kept = [pair for pair in headers if pair[0].lower() not in _OF_BODIES]
        offer = b"Sec-WebSocket-Extensions: %b\r\n" % OFFER.encode() if compressed else b""
        self.request = (
            b"GET %b HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n%b%b\r\n"
        ) % (target, key, offer, encode_lines(kept))

    def feed(self, data: bytes) -> Accepted | None:
        """Return what was agreed on, once the head of the response is complete.

        :raises HandshakeRefusedError: if the server does not agree.
        """
        self._head += data
        head, end, rest = self._head.partition(_HEAD_END)
        if not end:
            if len(self._head) > HEAD_LIMIT:
                raise HandshakeRefusedError(0, "the head of the response is too large")
            return None
        lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        if status is None:
            raise HandshakeRefusedError(0, "the response is not HTTP")
        if int(status[1]) != _SWITCHING:
            raise HandshakeRefusedError(int(status[1]), f"status {status[1].decode()}")
        self._head = b""
        return Accepted(self._check(_read_fields(lines[1:])), rest)

    def _check(self, fields: dict[bytes, bytes]) -> Deflate | None:
        """Return the compression that a response agrees to.

        :raises HandshakeRefusedError: if it does not fit the request.
        """
        connection = {each.strip().lower() for each in fields.get(b"connection", b"").split(b",")}
        if b"upgrade" not in connection or fields.get(b"upgrade", b"").lower() != b"websocket":
            raise HandshakeRefusedError(0, "it switches to another protocol")
        if fields.get(b"sec-websocket-accept") != self._expected:
            raise HandshakeRefusedError(0, "its key is wrong")
        if b"sec-websocket-protocol" in fields:
            raise HandshakeRefusedError(0, "it names a protocol that was not offered")
        try:
            deflate = read_response(fields.get(b"sec-websocket-extensions", b"").decode("latin-1"))
        except ValueError as error:
            raise HandshakeRefusedError(0, str(error)) from None
        if deflate is not None and not self._is_offered:
            raise HandshakeRefusedError(0, "it compresses, which was not offered")
        return deflate


def _read_fields(lines: list[bytes]) -> dict[bytes, bytes]:
    """Return the headers, names in lower case; values of one name are joined.

    :raises HandshakeRefusedError: if a line is malformed.
    """
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise HandshakeRefusedError(0, "the head of the response is malformed")
        name = field[1].lower()
        fields[name] = field[2] if name not in fields else fields[name] + b", " + field[2]
    return fields
