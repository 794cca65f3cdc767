"""A request in memory, which is admitted before its body is read."""

# ruff: noqa: N802, N815 - the names are Twisted's
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from time import time
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import CooperativeTask
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString

from antigravity.ir.errors import GatewayError, RequestTooLargeError
from antigravity.web.http11 import Request
from antigravity.web.request_body import RequestBody, too_large
from antigravity.web.request_head import RequestHead
from antigravity.web.responses import set_common_headers, write_whole

#: Most bytes of a body for one of the gateway's own paths.
SMALL_BODY = 64 * 1024

_date = (0, b"")


def http_date() -> bytes:
    """Return the time for a ``Date`` header, made once a second."""
    global _date
    now = int(time())
    if _date[0] != now:
        _date = (now, datetimeToString(now))
    return _date[1]


def peer_of(request: Any) -> str | None:
    """Return the client's address, ``None`` if it has none (a Unix socket)."""
    address = request.getClientAddress()
    return address.host if isinstance(address, (IPv4Address, IPv6Address)) else None


def head_of(request: Any) -> RequestHead:
    """Return the head of ``request``, which may come from any channel."""
    head: RequestHead | None = getattr(request, "head", None)
    if head is None:
        headers = request.requestHeaders.getAllRawHeaders()
        site = getattr(getattr(request, "channel", None), "site", None)
        tunnel = getattr(site, "tunnel", None)
        head = RequestHead(
            request.method, request.uri, request.clientproto, headers, peer_of(request), tunnel
        )
        request.head = head
    return head


def pop_body(request: Any) -> bytes:
    """Return the request's body, and release it."""
    if isinstance(request, GatewayRequest):
        return request.pop_body()
    return bytes(request.content.read())


def pop_small_body(request: Any) -> bytes:
    """Return the request's body, and release it.

    :raises RequestTooLargeError: if it is larger than the gateway's own paths need.
    """
    body = pop_body(request)
    if len(body) > SMALL_BODY:
        raise RequestTooLargeError(f"The request body is larger than {SMALL_BODY} bytes.")
    return body


class GatewayRequest(Request):
    """A request of ``twisted.web``, without temporary files and form parsing.

    ``args`` holds the query alone, without credentials.  A request with a body is admitted
    before the body is read.
    """

    defaultContentType = None
    clientproto = b"HTTP/1.1"
    head: RequestHead | None = None
    #: The processing of the request; cancelling it ends the request with an error.
    running: Deferred[Any] | None = None
    transport: Any
    started_at = 0.0
    _body: RequestBody | None = None
    _whole = b""
    _slices: CooperativeTask[Any] | None = None

    def __init__(self, channel: Any, *args: Any) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)
        self.started_at = channel.site.reactor.seconds()

    def head_received(self, method: bytes, uri: bytes, version: bytes, length: int | None) -> None:
        """Store the head, and admit the request if it has a body.

        :param length: of the body, in bytes; ``None`` if it is chunked.
        :raises GatewayError: if the body should not be read.
        """
        self.method, self.uri, self.clientproto = method, uri, version
        head = head_of(self)
        self.path, self.args = head.raw_path, head.args
        if length == 0:
            return
        admission = self.channel.site.admission
        admission.admit(head)
        limit = admission.body_limit(head)
        if limit and length is not None and length > limit:
            raise too_large(limit)
        encodings = self.requestHeaders.getRawHeaders(b"Content-Encoding") or ()
        self._body = RequestBody(limit, b", ".join(encodings).decode("latin-1"))

    def handleContentChunk(self, data: bytes) -> None:
        """Receive a piece of the body."""
        assert self._body is not None
        self._body.feed(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Process the request, which has been received completely."""
        body = self._body
        if body is None:
            self._begin()
        else:
            self._finish(body)

    def _finish(self, body: RequestBody) -> None:
        """Process the request once its body is decompressed; that may take several turns."""
        try:
            if not body.advance():
                self._slices = self.channel.site.cooperator.cooperate(self._advance(body))
                return
            self._whole = body.finish()
        except GatewayError as error:
            self.respond_with(error)
            return
        self._body = None
        self._begin()

    def _advance(self, body: RequestBody) -> Iterator[None]:
        """Decompress ``body`` in slices, then process the request."""
        try:
            while not body.advance():
                yield
        except GatewayError as error:
            self.respond_with(error)
            return
        self._slices = None
        self._finish(body)

    def _begin(self) -> None:
        self.content = BytesIO(self._whole)
        self.process()

    def pop_body(self) -> bytes:
        """Return the body, and release it, so that a long stream does not hold it."""
        body, self._whole = self._whole, b""
        self.content = BytesIO()
        return body

    def process(self) -> None:
        """Pass the request to the application."""
        site = self.site = self.channel.site
        self._set_standard_headers()
        self.prepath = []
        self.postpath = unquote_to_bytes(self.path)[1:].split(b"/")  # what Klein matches
        try:
            self.render(site.resource)
        except Exception:  # noqa: BLE001 - no caller handles it
            self.processingFailed(Failure())

    def _set_standard_headers(self) -> None:
        self.responseHeaders.setRawHeaders(b"Server", [b"antigravity"])
        self.responseHeaders.setRawHeaders(b"Date", [http_date()])

    def respond_with(self, error: GatewayError) -> None:
        """Write ``error`` as the response, and finish the request."""
        self._set_standard_headers()
        head = head_of(self)
        set_common_headers(self, head)
        errors = self.channel.site.admission.errors
        protocol = errors.protocol_for(head.path, head.headers, head.keys)
        write_whole(self, errors.render(error, head.id, protocol))
        self.finish()

    def processingFailed(self, reason: Failure) -> Failure:
        """Respond with an internal error; the traceback is logged."""
        error = self.channel.site.admission.errors.error_for(reason, head_of(self).where)
        if not self.startedWriting:
            self.respond_with(error)
        else:
            self.transport.abortConnection()
        return reason

    def connectionLost(self, reason: Failure) -> None:
        """Stop decompressing, and log that the client is gone."""
        site = self.channel.site
        slices, self._slices = self._slices, None
        if slices is not None:
            slices.stop()
        super().connectionLost(reason)
        if self.head is not None:
            site.log_abandoned(self)
