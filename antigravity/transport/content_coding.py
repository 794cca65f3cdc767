"""Content codings of responses: decompressed as they arrive, within limits.

The gateway requests uncompressed responses, but some upstreams compress them anyway.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from antigravity.decompression import INFLATERS, PIECE, Inflater
from antigravity.ir.errors import GatewayError, UnusableResponseError, UpstreamError

#: Bytes of output beyond which the ratio is checked.
UNCHECKED_OUTPUT: Final = 4 * 1024 * 1024
#: Bytes of output for each byte of input.  Text and base64 stay far below it.
MAX_RATIO: Final = 200
#: Frames (or gzip members) in one body: each costs a new decompressor.
MAX_FRAMES: Final = 1024
#: Codings that can be stacked in one ``Content-Encoding``.
MAX_CODINGS: Final = 3
#: Values for a body that is not compressed; some servers send them.
_UNCOMPRESSED: Final = frozenset(
    ("", "identity", "none", "utf-8", "utf8", "binary", "8bit", "chunked")
)


class _Brotli:
    """A decompressor of the installed Brotli package, which must be able to bound its output."""

    @property
    def unused_data(self) -> bytes:
        return b""

    def __init__(self, module: Any) -> None:
        self._inner = module.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    def decompress(self, data: bytes) -> bytes:
        if self._inner.is_finished():
            return b""
        return bytes(self._inner.process(data, output_buffer_limit=PIECE))


def _brotli() -> Callable[[], Inflater] | None:
    """Return the factory of Brotli decompressors, ``None`` if no suitable package is installed."""
    try:
        module: Any = importlib.import_module("brotli")
        module.Decompressor().process(b"", output_buffer_limit=1)
    except (ImportError, AttributeError, TypeError):
        return None
    return lambda: _Brotli(module)


class _Layer:
    """One coding.  A body without its magic number is returned unchanged."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._magic = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}.get(name, b"")
        self._head: bytes | None = b""
        self._plain = False
        self._inflater: Inflater | None = None
        self._frames = 0
        self.complete = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` decompressed, in pieces."""
        if self._head is not None:
            self._head += data
            if len(self._head) < max(2, len(self._magic)):
                self.complete = False
                return
            data, self._head = self._head, None
            self._plain = not data.startswith(self._magic)
            self.complete = self._plain
        if self._plain:
            yield data
            return
        while data or not self.complete:
            if self._inflater is None:
                self._inflater = self._begin()
                self.complete = False
            piece = self._inflater.decompress(data)
            data = b""
            if piece:
                yield piece
            if self._inflater.eof:
                data = self._inflater.unused_data.lstrip(b"\0")  # gzip may be padded
                self._inflater = None
                self.complete = True
            elif not piece:
                return

    def end(self) -> bytes:
        """Return the held bytes of a body that is too short to be compressed."""
        head, self._head = self._head, None
        if head is not None:
            self.complete = True
        return head or b""

    def _begin(self) -> Inflater:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise UnusableResponseError(
                f"The upstream's compressed response has more than {MAX_FRAMES} frames.",
                code="bad_compression",
            )
        make = INFLATERS.get(self._name) or _brotli()
        if make is None:
            raise unsupported_coding_error(self._name)
        return make()


def unsupported_coding_error(name: str) -> UnusableResponseError:
    """Return the error for a coding that cannot be decoded here."""
    return UnusableResponseError(
        f"The upstream compressed its response with {name[:40]!r} although none was requested, "
        "and the gateway cannot decompress that; turn compression off at the upstream.",
        code="bad_compression",
    )


class ContentDecoder:
    """A decoder of one body with one or more codings.

    :ivar complete: whether the input so far is a complete body.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._layers = [_Layer(name) for name in reversed(names)]
        self._received = 0
        self._expanded = 0

    @property
    def complete(self) -> bool:
        """Whether every layer is complete."""
        return all(layer.complete for layer in self._layers)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield ``data`` decompressed, in pieces.

        :raises UpstreamError: if it cannot be decompressed, or expands too much.
        """
        self._received += len(data)
        try:
            for piece in self._feed_layer(data, 0):
                self._expanded += len(piece)
                if (
                    self._expanded > UNCHECKED_OUTPUT
                    and self._expanded > MAX_RATIO * self._received
                ):
                    raise UnusableResponseError(
                        f"The upstream's compressed response expands to more than {MAX_RATIO} "
                        "times its size; it was refused.",
                        code="bad_compression",
                    )
                yield piece
        except GatewayError:
            raise
        except Exception as error:  # each library has errors of its own
            raise UpstreamError(
                "The upstream's compressed response cannot be decompressed.", code="bad_compression"
            ) from error

    def end(self) -> Iterator[bytes]:
        """Yield the rest of the body at its end.

        :raises UpstreamError: if the body is cut off.
        """
        for place, layer in enumerate(self._layers):
            rest = layer.end()
            if rest:
                yield from self._feed_layer(rest, place + 1)
        if not self.complete:
            raise UpstreamError("The upstream's compressed response was cut off.")

    def _feed_layer(self, data: bytes, place: int) -> Iterator[bytes]:
        if place == len(self._layers):
            yield data
            return
        for piece in self._layers[place].feed(data):
            yield from self._feed_layer(piece, place + 1)


def decoder_for(encoding: str) -> ContentDecoder | None:
    """Return a decoder for a ``Content-Encoding``, ``None`` if the body is not compressed.

    :raises UnusableResponseError: if it has a coding that cannot be decoded here.
    """
    names = tuple(
        name.removeprefix("x-")
        for each in encoding.split(",")
        if (name := each.strip().lower()) not in _UNCOMPRESSED
    )
    if not names:
        return None
    for name in names:
        if name not in INFLATERS and (name != "br" or _brotli() is None):
            raise unsupported_coding_error(name)
    if len(names) > MAX_CODINGS:
        raise unsupported_coding_error(encoding)
    return ContentDecoder(names)
