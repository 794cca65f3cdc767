"""Bounds the messages that are received, and compresses messages (RFC 7692).  Sans-IO.

Either side can be the gateway's.  wsproto's own extension expands whatever it receives, and keeps
the state of both directions.
"""

from __future__ import annotations

import sys
import zlib
from typing import Any, Final

from msgspec import Struct
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

NAME: Final = "permessage-deflate"
#: Frames of one message: more of them are an attack.
MAX_FRAMES: Final = 16 * 1024
#: Bits of the window of what clients send, if they leave the choice to the server.
_WINDOW_BITS: Final = 12
#: Smallest and largest window of zlib, for raw streams.
_LEAST_BITS: Final = 9
_MOST_BITS: Final = 15
#: How much memory zlib uses to compress a message: 16 KiB, besides the window.
_MEMORY_LEVEL: Final = 5
#: What a sender removes from the end of a compressed message.
_TAIL: Final = b"\x00\x00\xff\xff"
_NO_CLIENT_CONTEXT: Final = "client_no_context_takeover"
_NO_SERVER_CONTEXT: Final = "server_no_context_takeover"
_CLIENT_BITS: Final = "client_max_window_bits"
_SERVER_BITS: Final = "server_max_window_bits"
#: What the gateway offers to servers.
OFFER: Final = f"{NAME}; {_NO_SERVER_CONTEXT}; {_NO_CLIENT_CONTEXT}"


class Deflate(Struct, frozen=True):
    """Parameters of compression that were agreed on.

    Neither side uses a message to compress the next one, so that no state is kept between them.
    """

    response: str
    client_bits: int = _MOST_BITS
    server_bits: int = _MOST_BITS


def negotiate(offers: str) -> Deflate | None:
    """Return the first offer of a client that can be accepted.

    :param offers: the header ``Sec-WebSocket-Extensions``.
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == NAME:
            accepted = _accept(parameters)
            if accepted is not None:
                return accepted
    return None


def _accept(parameters: list[str]) -> Deflate | None:
    """Return what an offer with these parameters leads to, ``None`` if it cannot be accepted."""
    given: dict[str, str] = {}
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name in given:
            return None
        given[name] = value
    response = [NAME, _NO_SERVER_CONTEXT, _NO_CLIENT_CONTEXT]
    client_bits = server_bits = _MOST_BITS
    for name, value in given.items():
        if name in (_NO_CLIENT_CONTEXT, _NO_SERVER_CONTEXT):
            if value:
                return None
        elif name == _CLIENT_BITS:
            most = _bits(value) if value else _MOST_BITS
            if most is None:
                return None
            client_bits = min(most, _WINDOW_BITS)
            response.append(f"{name}={client_bits}")
        elif name == _SERVER_BITS:
            most = _bits(value)
            if most is None or most < _LEAST_BITS:
                return None
            server_bits = most
            response.append(f"{name}={server_bits}")
        else:
            return None
    return Deflate("; ".join(response), client_bits, server_bits)


def read_response(accepted: str) -> Deflate | None:
    """Return what a server has made of :data:`OFFER`, ``None`` if it compresses nothing.

    :param accepted: its header ``Sec-WebSocket-Extensions``.
    :raises ValueError: if it agrees to something that was not offered.
    """
    if not accepted.strip():
        return None
    name, *parameters = (part.strip() for part in accepted.split(";"))
    given: dict[str, str] = {}
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        given[key.strip().lower()] = value.strip().strip('"')
    bits = given.pop(_SERVER_BITS, str(_MOST_BITS))
    is_bare = not any(given.values()) and len(parameters) <= 3
    known = {_NO_SERVER_CONTEXT, _NO_CLIENT_CONTEXT}
    server_bits = _bits(bits)
    if name.lower() != NAME or not is_bare or not given.keys() <= known or server_bits is None:
        raise ValueError("the server agrees to an extension that was not offered")
    if _NO_SERVER_CONTEXT not in given:
        raise ValueError("the server compresses messages with the state of earlier ones")
    return Deflate(accepted, server_bits=server_bits)


def _bits(value: str) -> int | None:
    is_valid = value.isascii() and value.isdigit() and not value.startswith("0")
    return int(value) if is_valid and len(value) < 3 and 8 <= int(value) <= _MOST_BITS else None


class MessageBounds(Extension):
    """Refuses messages above a limit, before and after they are decompressed.

    :param limit: the most bytes of a message; 0 is no limit.
    :param deflate: what was agreed on; ``None`` if messages are not compressed.
    :param compress_from: the least bytes of a message that is sent compressed; 0 compresses none.
    :param is_client: whether the other side is the server.
    :ivar is_receiving: whether a message has begun that is not complete.
    """

    name = NAME

    def __init__(
        self,
        limit: int,
        deflate: Deflate | None,
        compress_from: int = 0,
        *,
        is_client: bool = False,
    ) -> None:
        self._limit = limit or sys.maxsize - 1
        self._deflate = deflate
        self._is_client = is_client
        self._compress_from = compress_from
        self.is_receiving = False
        self._is_control = False
        self._size = self._frames = 0
        self._inflater: Any = None

    def enabled(self) -> bool:
        """Return true: limits are always in force."""
        return True

    def offer(self) -> bool | str:
        """Return false: the handshake is made elsewhere."""
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Check the head of a frame, and return the reserved bits that it may use."""
        self._is_control = opcode.iscontrol()
        if self._is_control:
            return RsvBits(False, False, False)
        if opcode is not Opcode.CONTINUATION:
            self._size = self._frames = 0
            self._inflater = None
            if rsv.rsv1 and self._deflate is not None:
                deflate = self._deflate
                bits = deflate.server_bits if self._is_client else deflate.client_bits
                self._inflater = zlib.decompressobj(-max(bits, _LEAST_BITS))
        elif rsv.rsv1:
            return CloseReason.PROTOCOL_ERROR
        self.is_receiving = True
        self._frames += 1
        if self._frames > MAX_FRAMES:
            return CloseReason.POLICY_VIOLATION
        if self._size + payload_length > self._limit:
            return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(self._deflate is not None, False, False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        """Return a piece of a message, decompressed."""
        if self._is_control:
            return data
        if self._inflater is not None:
            return self._inflate(data)
        self._size += len(data)
        return data if self._size <= self._limit else CloseReason.MESSAGE_TOO_BIG

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        """Return the end of a message, decompressed."""
        if self._is_control or not fin:
            return None
        self.is_receiving = False
        if self._inflater is None:
            return None
        end = self._inflate(_TAIL)
        self._inflater = None
        return end

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        """Return decompressed bytes; no more than the limit are ever made."""
        inflater = self._inflater
        if inflater.eof:
            return b""
        try:
            piece: bytes = inflater.decompress(data, self._limit - self._size + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._size += len(piece)
        return piece if self._size <= self._limit else CloseReason.MESSAGE_TOO_BIG

    def frame_outbound(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        data: bytes,
        fin: bool,
    ) -> tuple[RsvBits, bytes]:
        """Compress a message that is large enough."""
        deflate, least = self._deflate, self._compress_from
        if deflate is None or not least or opcode is not Opcode.TEXT or len(data) < least:
            return rsv, data
        deflater = zlib.compressobj(1, zlib.DEFLATED, -deflate.server_bits, _MEMORY_LEVEL)
        packed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return RsvBits(True, rsv.rsv2, rsv.rsv3), packed[: -len(_TAIL)]
