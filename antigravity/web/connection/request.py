"""A request of the gateway's own connections, and its response."""

# ruff: noqa: N802, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call,override,assignment"

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import CooperativeTask
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, datetimeToString

from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.web.connection.head_parser import ParsedHead
from antigravity.web.connection.lazy_request import LazyRequest
from antigravity.web.connection.response_head import (
    add_fields,
    common_headers,
    encode_head,
    phrase_of,
    whole_headers,
)
from antigravity.web.request_body import RequestBody, too_large, without_mark
from antigravity.web.request_head import RequestHead

if TYPE_CHECKING:
    from antigravity.web.connection.connection import ClientConnection

#: Chunks up to this size, in bytes, are cheaper to copy than to write part by part.
_COPIED = 16 * 1024
#: The statuses of responses without a body.
_NO_BODY = frozenset({101, *NO_BODY_CODES})


class GatewayRequest(LazyRequest):
    """A request whose body, if it has one, was admitted before it was read.

    It is a request of ``twisted.web`` for the routes of plugins.

    :param parsed: its head as it was received.
    """

    defaultContentType = None
    channel: ClientConnection | None
    #: The processing of the request; cancelling it ends the request with an error.
    running: Deferred[Any] | None = None
    transport: Any
    site: Any
    _body: RequestBody | None = None
    _slices: CooperativeTask[Any] | None = None
    _has_no_body = False

    def __init__(self, channel: ClientConnection, parsed: ParsedHead) -> None:
        # Twisted's constructor would make what is made lazily here.
        Componentized.__init__(self)
        self.channel = channel
        self.transport = channel.transport
        self.site = site = channel.site
        self.started_at: float = site.reactor.seconds()
        self._parsed = parsed
        self._fields = {}
        self.head = RequestHead(*parsed, channel.peer, site.tunnel, site.admission.proxies)

    # -- the body --

    def admit_body(self, length: int | None) -> None:
        """Admit a request with a body, before that is read.

        :param length: of the body, in bytes; ``None`` if it is chunked.
        :raises GatewayError: if the body should not be read.
        """
        admission = self.site.admission
        head = self.head
        admission.admit(head)
        limit = admission.body_limit(head)
        if limit and length is not None and length > limit:
            raise too_large(limit)
        codings = head.framing.get("content-encoding")
        if codings or length is None:
            self._body = RequestBody(limit, ", ".join(codings or ()))

    def feed(self, data: bytes) -> None:
        """Receive a piece of the body.

        :raises GatewayError: if it is too large, or cannot be decompressed.
        """
        if self._body is None:
            self._body = RequestBody(0)  # its length was checked
        self._body.feed(data)

    def feed_whole(self, data: bytes) -> None:
        """Receive the body in one piece.

        :raises GatewayError: if it is too large, or cannot be decompressed.
        """
        if self._body is None:
            self._whole = without_mark(data)
        else:
            self._body.feed(data)

    def process(self) -> None:
        """Pass the request, which is complete, to the application.

        Decompressing its body may take several reactor turns.
        """
        body = self._body
        if body is not None:
            try:
                if not body.advance():
                    self._slices = self.site.cooperator.cooperate(self._advance(body))
                    return
                self._whole = body.finish()
            except GatewayError as error:
                self.respond_with(error)
                return
            self._body = None
        try:
            self.render(self.site.resource)
        except Exception:  # noqa: BLE001 - no caller handles it
            self.processingFailed(Failure())

    def _advance(self, body: RequestBody) -> Iterator[None]:
        """Decompress ``body`` in slices, then process the request."""
        try:
            while not body.advance():
                yield
        except GatewayError as error:
            self.respond_with(error)
            return
        self._slices = None
        self.process()

    def pop_body(self) -> bytes:
        """Return the body, and release it, so that a long stream does not hold it."""
        body, self._whole = self._whole, b""
        self.__dict__.pop("content", None)
        return body

    # -- the head of the response --

    def set_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Set response headers; ``Vary`` is added to existing ones."""
        if "responseHeaders" not in self.__dict__:
            add_fields(self._fields, headers)
            return
        for name, value in headers:
            if name.lower() == "vary":
                self.responseHeaders.addRawHeader(name, value)
            else:
                self.responseHeaders.setRawHeaders(name, [value])

    def _encode_head(self) -> bytes:
        """Return the head of the response, and decide how the body is sent."""
        self.startedWriting = 1
        if self.site.is_closing and self.code != 101 and self.channel is not None:
            self.channel.announce_close(self)
        head, own = self.head, self.__dict__
        self._has_no_body = head.method == "HEAD" or self.code in _NO_BODY
        if "lastModified" in own and not self.responseHeaders.hasHeader(b"Last-Modified"):
            self.setHeader(b"Last-Modified", datetimeToString(self.lastModified))
        if "etag" in own:
            self.setHeader(b"ETag", self.etag)
        if "cookies" in own and self.cookies:
            self.responseHeaders.setRawHeaders(b"Set-Cookie", self.cookies)
        headers = own.get("responseHeaders")
        has_length = (
            "content-length" in self._fields
            if headers is None
            else headers.hasHeader(b"Content-Length")
        )
        if not has_length and not self._has_no_body and head.version == "HTTP/1.1":
            self.set_headers((("Transfer-Encoding", "chunked"),))
            self.chunked = 1
        if headers is None:
            phrase = self.code_message.decode("latin-1")
            return encode_head(head.version, self.code, phrase, self._fields)
        lines = [b"%b %d %b" % (self.clientproto, self.code, self.code_message)]
        for name, values in headers.getAllRawHeaders():
            lines.extend(b"%b: %b" % (name, value) for value in values)
        return b"\r\n".join((*lines, b"\r\n"))

    # -- the body of the response --

    def write(self, data: bytes) -> None:
        """Write to the client, as one chunk where the response is chunked.

        The head is sent with the first piece.  Nothing is written once the client is gone.

        :raises RuntimeError: if the response is complete.
        """
        if self.finished:
            raise RuntimeError("A response that is complete was written to.")
        if self.channel is None:
            return
        head = b"" if self.startedWriting else self._encode_head()
        if self._has_no_body:
            data = b""
        size = len(data)
        self.sentLength += size
        if self.chunked and size:
            if size <= _COPIED:
                self.transport.write(b"%b%x\r\n%b\r\n" % (head, size, data))
            else:
                self.transport.writeSequence((b"%b%x\r\n" % (head, size), data, b"\r\n"))
        elif head:
            if size <= _COPIED:
                self.transport.write(head + data)
            else:
                self.transport.writeSequence((head, data))
        elif size:
            self.transport.write(data)

    def write_whole(self, reply: Reply | HttpReply) -> None:
        """Write a whole response with its length; the caller finishes the request."""
        self.setResponseCode(reply.status, phrase_of(reply.status).encode())
        self.set_headers(whole_headers(reply))
        self.write(reply.body)

    def respond_with(self, error: GatewayError) -> None:
        """Write ``error`` as the response, and finish the request."""
        head, errors = self.head, self.site.admission.errors
        self.set_headers(common_headers(head))
        protocol = errors.protocol_for(head.path, head.headers, head.keys)
        self.write_whole(errors.render(error, head.id, protocol))
        self.finish()

    def processingFailed(self, reason: Failure) -> Failure:
        """Respond with an internal error; the traceback is logged."""
        error = self.site.admission.errors.error_for(reason, self.head.where)
        if self.channel is None or self.finished:
            return reason
        if not self.startedWriting:
            self.respond_with(error)
        else:
            self.transport.abortConnection()
        return reason

    def finish(self) -> None:
        """Complete the response.

        :raises RuntimeError: if the client is gone.
        """
        channel = self.channel
        if self.finished:
            warnings.warn("A response was completed twice.", stacklevel=2)
            return
        if channel is None:
            raise RuntimeError("A response was completed whose client is gone.")
        if not self.startedWriting:
            self.write(b"")
        if self.chunked:
            self.transport.write(b"0\r\n\r\n")
        self._end()
        channel.request_done()
        for done in self.__dict__.pop("notifications", ()):
            done.callback(None)

    def switch_protocol(self, protocol: IProtocol, headers: Iterable[tuple[str, str]]) -> None:
        """Agree to another protocol on this connection, which then belongs to it.

        What the client sends after the request goes to ``protocol``.

        :param headers: of the response, ``Upgrade`` among them.
        """
        channel = self.channel
        assert channel is not None
        self.setResponseCode(101, phrase_of(101).encode())
        self.set_headers((("Connection", "Upgrade"), *headers))
        self.write(b"")
        self._end()
        channel.hand_over(protocol)
        for done in self.__dict__.pop("notifications", ()):
            done.callback(None)

    def _end(self) -> None:
        """Leave the connection: the response is complete."""
        self.finished = 1
        self.site.log(self)
        if self.producer:
            self.unregisterProducer()
        self.channel = self.running = None

    # -- the client --

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
        self.producer = None
        if self.channel is not None:
            self.channel.unregisterProducer()

    def connectionLost(self, reason: Failure) -> None:
        """Cancel what runs for the request, because the client is gone."""
        slices, self._slices = self._slices, None
        if slices is not None:
            slices.stop()
        self.channel = None
        self.__dict__.pop("content", None)
        running, self.running = self.running, None
        if running is not None:
            running.cancel()
        for done in self.__dict__.pop("notifications", ()):
            done.errback(reason)
        self.site.log_abandoned(self)
