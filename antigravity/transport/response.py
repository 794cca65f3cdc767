"""A response whose body is still being received, with its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse
from zope.interface import implementer

from antigravity.interfaces.transport import IIncomingResponse
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.transport.content_coding import ContentDecoder, decoder_for
from antigravity.transport.failures import failure_of
from antigravity.transport.http1.headers import HeaderPairs
from antigravity.transport.http1.response import Response
from antigravity.transport.request_timer import RequestTimer
from antigravity.transport.response_body import AbortConnection, ResponseBody


class _Collector(Protocol):
    """A reader that collects a body up to a limit."""

    def __init__(self, limit: int, where: str, result: Deferred[bytes]) -> None:
        self._limit = limit
        self._where = where
        self._result = result
        self._body = BytesIO()  # a list of small pieces would take far more memory

    def dataReceived(self, data: bytes) -> None:
        if self._body.tell() + len(data) > self._limit:
            self._body = BytesIO()
            self.transport.fail(too_large(self._where, self._limit))  # type: ignore[union-attr]
        else:
            self._body.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._result.called:  # cancelled
            return
        if isinstance(reason.value, ResponseDone):
            self._result.callback(self._body.getvalue())
        else:
            self._result.errback(reason)


def too_large(where: str, limit: int) -> UpstreamError:
    """Return the error for a body that is larger than ``limit`` bytes."""
    return UpstreamError(f"{where} sent more than {limit} bytes", code="answer_too_large")


@implementer(IIncomingResponse)
class IncomingResponse:
    """A response over an HTTP client.

    ``abort_connection`` is called only until the body has ended: afterwards the connection may
    belong to another request.  ``on_end`` is called once.
    """

    def __init__(
        self,
        response: IResponse,
        content_encoding: str,
        *,
        reactor: IReactorTime,
        timer: RequestTimer,
        where: str,
        abort_connection: AbortConnection,
        on_end: Callable[[], None],
    ) -> None:
        self._response: Any = response
        self._headers: Mapping[str, str] | None = None
        self._reactor = reactor
        self._timer = timer
        self._where = where
        self._abort_connection = abort_connection
        self._on_end = on_end
        self._body: ResponseBody | None = None
        self._is_collected = False
        self._failure: GatewayError | None = None
        self._decoder: ContentDecoder | None = None
        if content_encoding:
            try:
                self._decoder = decoder_for(content_encoding)
            except GatewayError as error:
                self.fail(error)

    def status(self) -> int:
        """Return the status code."""
        code: int = self._response.code
        return code

    def headers(self) -> Mapping[str, str]:
        """Return the headers, names in lower case, the last value of each.

        Those that describe a compressed body are omitted, since the reader gets it decompressed.
        """
        if self._headers is None:
            received = self._response.headers
            if isinstance(received, HeaderPairs):
                headers = received.last_values()
            else:
                headers = {
                    name.decode("latin-1").lower(): values[-1].decode("latin-1")
                    for name, values in received.getAllRawHeaders()
                }
            headers.pop("content-encoding", None)  # treq has set an empty one
            if self._decoder is not None:
                headers.pop("content-length", None)
            self._headers = headers
        return self._headers

    def values(self, name: str) -> Sequence[str]:
        """Return all values of a header."""
        found = self._response.headers.getRawHeaders(name.encode("latin-1"), [])
        return [value.decode("latin-1") for value in found]

    def deliver(self, protocol: IProtocol) -> None:
        """Deliver the body to ``protocol``."""
        if self._failure is not None and self._body is not None:
            protocol.makeConnection(self._body)  # type: ignore[arg-type]
            protocol.connectionLost(failure_of(self._failure))
            return
        if self._body is not None or self._is_collected:
            raise RuntimeError("the body has already been requested")
        self._body = body = ResponseBody(
            protocol,
            reactor=self._reactor,
            where=self._where,
            abort_connection=self._abort_connection,
            on_end=self._on_end,
            decoder=self._decoder,
        )
        self._timer.watch(body.idle_until)
        self._response.deliverBody(body)
        if body.paused:
            body.pauseProducing()  # deliverBody has resumed the connection

    def collect(self, limit: int) -> Deferred[bytes]:
        """Return a Deferred that fires with the body, if it has at most ``limit`` bytes."""
        result: Deferred[bytes] = Deferred(self._cancel)
        length = self._response.length
        if isinstance(length, int) and length > limit:
            self.abort()
            result.errback(too_large(self._where, limit))
            return result
        body = self._take_whole()
        if body is None:
            self.deliver(_Collector(limit, self._where, result))
        elif len(body) > limit:
            result.errback(too_large(self._where, limit))
        else:
            result.callback(body)
        return result

    def _take_whole(self) -> bytes | None:
        """Return the body, if all of it was received with the head."""
        if self._body is not None or self._is_collected or self._decoder is not None:
            return None
        response = self._response
        body = response.take_whole() if type(response) is Response else None
        if body is not None:
            self._is_collected = True
            self._on_end()
        return body

    def _cancel(self, _: object) -> None:
        self.abort()

    def abort(self) -> None:
        """Close the connection."""
        if self._is_collected:
            return
        if self._body is None:
            self.deliver(Protocol())
        assert self._body is not None
        self._body.stopProducing()

    def fail(self, failure: GatewayError) -> None:
        """Close the connection, and fail the current or next reader."""
        if self._body is not None:
            self._body.fail(failure)
        elif not self._is_collected:
            self.abort()
            self._failure = failure
