"""Twisted's HTTP/1.1 server, with public names for the internals that the gateway uses.

No other module of ``web`` names a private attribute of ``twisted.web``; each one here has a test in
``tests/web/test_http11_contract.py``.
"""

# ruff: noqa: N802, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from operator import attrgetter
from typing import Any

from twisted.protocols.basic import LineReceiver
from twisted.web import server
from twisted.web.http import HTTPChannel

#: Chunks up to this size, in bytes, are cheaper to copy than to write part by part.
_COPIED = 16 * 1024
_FRAMING = frozenset({b"Content-Length", b"Transfer-Encoding"})
_MOST_NAMES = 1024
#: Valid header names as received, and as Twisted writes them.
_names: dict[bytes, bytes] = {}


def _ignore(data: bytes) -> None:
    """Ignore input."""


class Channel(HTTPChannel):
    """One connection of a client.

    Subclasses implement :meth:`refuse_head` and :meth:`check_framing`.
    """

    transport: Any
    _networkProducer: Any
    #: Bytes of further requests that were received during the current one.
    buffered = 0
    #: Whether the request was refused: nothing more is read.
    refused = False

    #: Whether a request is being processed.
    is_busy = property(attrgetter("_handlingRequest"))
    #: Whether the client does not read fast enough.
    is_congested = property(attrgetter("_waitingForTransport"))

    @property
    def has_input(self) -> bool:
        """Whether bytes of a request have been received that are not processed yet."""
        return bool(self._buffer) or any(self._dataBuffer)

    @property
    def request_line(self) -> tuple[bytes, bytes, bytes]:
        """Method, target and version of the request that is being received."""
        return (
            getattr(self, "_command", b"GET"),
            getattr(self, "_path", b"/"),
            getattr(self, "_version", b"HTTP/1.1"),
        )

    def receive(self, data: bytes) -> None:
        """Parse ``data``, without Twisted's idle timer."""
        LineReceiver.dataReceived(self, data)

    def discard_input(self) -> None:
        """Ignore everything that is received from now on."""
        for method in ("dataReceived", "lineReceived", "rawDataReceived"):
            setattr(self, method, _ignore)

    def release_transport(self) -> None:
        """Stop being the producer that the transport pauses."""
        self._networkProducer.unregisterProducer()

    def send_continue(self) -> None:
        """Send an interim response that asks for the body."""
        self._send100Continue()

    # -- head --

    def refuse_head(self, *, too_many: bool, too_large: bool) -> None:
        """Refuse a head that is malformed, or has too many or too large headers."""
        raise NotImplementedError

    def check_framing(self, name: bytes, value: bytes) -> bool:
        """Return whether a header that is about the length of the body may be processed."""
        raise NotImplementedError

    def headerReceived(self, line: bytes) -> bool:
        """Process a header as Twisted does, but check the names of most headers only once."""
        if self.refused:
            return False
        raw_name, colon, value = line.partition(b":")
        name = _names.get(raw_name)
        if name is None or not colon or name in _FRAMING:
            if not super().headerReceived(line):
                return False
            if name is None and len(_names) < _MOST_NAMES:
                _names[raw_name] = raw_name.title()
            return True
        value = value.strip(b" \t")
        if b"\0" in value or b"\n" in value or b"\r" in value:
            self._respondToBadRequestAndDisconnect()
            return False
        self.requests[-1].requestHeaders.addRawHeader(name, value)
        self._receivedHeaderCount += 1
        if self._receivedHeaderCount > self.maxHeaders:
            self._respondToBadRequestAndDisconnect()
            return False
        return True

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        if header in _FRAMING and not self.check_framing(header, data):
            return False
        return bool(super()._maybeChooseTransferDecoder(header, data))

    def fail_framing(self) -> None:
        """Refuse a head whose length headers contradict each other."""
        self._failChooseTransferDecoder()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse_head(
            too_many=self._receivedHeaderCount > self.maxHeaders,
            too_large=self._receivedHeaderSize > self.totalHeadersSize,
        )

    # -- body --

    def rawDataReceived(self, data: bytes) -> None:
        """Receive bytes of the body, or of requests that wait for the current one."""
        if not self._handlingRequest:
            super().rawDataReceived(data)
            return
        self._dataBuffer.append(data)
        self.buffered += len(data)
        if self.buffered > self._optimisticEagerReadSize and not self._waitingForTransport:
            self._networkProducer.pauseProducing()


class Request(server.Request):
    """A request that writes with fewer calls, and can pause its producer from the start."""

    channel: Any

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Register a producer, already paused if the client does not read now."""
        if self.channel is None:
            producer.stopProducing()
            return
        super().registerProducer(producer, streaming)
        if streaming and self.channel.is_congested:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the producer, even if the client is gone."""
        if getattr(self, "channel", None) is None:
            self.producer = None
        else:
            super().unregisterProducer()

    def write(self, data: bytes) -> None:
        """Write to the client, as one chunk where the response is chunked."""
        if self.chunked and not self.finished and not self._disconnected:
            if data:
                self.sentLength += len(data)
                if len(data) <= _COPIED:
                    self.channel.write(b"%x\r\n%b\r\n" % (len(data), data))
                else:
                    self.channel.writeSequence((b"%x\r\n" % len(data), data, b"\r\n"))
            return
        super().write(data)
