"""Write responses, and stop when the client is gone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from txaio import tx as txaio

from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.web.host_policy import Headers, cors_headers
from antigravity.web.request_head import RequestHead

_log = make_logger()
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


def is_closed(request: Any) -> bool:
    """Return whether no response can be written, because the client is gone or already has one."""
    return getattr(request, "channel", None) is None


def set_status(request: Any, status: int) -> None:
    """Set the status, with a reason phrase also where Twisted has none."""
    phrase = _PHRASES.get(status)
    request.setResponseCode(status, phrase if status not in RESPONSES else None)


def set_headers(request: Any, headers: Headers) -> None:
    """Set response headers; ``Vary`` is added to existing ones."""
    response_headers = request.responseHeaders
    for name, value in headers:
        if name.lower() == "vary":
            response_headers.addRawHeader(name, value)
        else:
            response_headers.setRawHeaders(name, [value])


def set_common_headers(request: Any, head: RequestHead) -> None:
    """Set the headers that every response has.

    The SDKs of OpenAI read the request's id from ``X-Request-Id``, those of Anthropic from
    ``Request-Id``.
    """
    request_id = [head.id.encode()]
    request.responseHeaders.setRawHeaders(b"X-Request-Id", request_id)
    request.responseHeaders.setRawHeaders(b"Request-Id", request_id)
    # Browsers must not render the content of upstreams as a page.
    request.responseHeaders.setRawHeaders(b"X-Content-Type-Options", [b"nosniff"])
    if head.allowed_origin:
        set_headers(request, cors_headers(head.allowed_origin))


def write_whole(request: Any, reply: Reply | HttpReply) -> None:
    """Write ``reply`` with its length; the caller finishes the request."""
    set_status(request, reply.status)
    set_headers(request, reply.headers)
    headers = request.responseHeaders
    if reply.status not in (204, 304):
        if reply.content_type:
            headers.setRawHeaders(b"Content-Type", [reply.content_type.encode()])
        headers.setRawHeaders(b"Content-Length", [b"%d" % len(reply.body)])
    request.write(reply.body)


def write_reply(reply: Reply, request: Any) -> Deferred[None] | None:
    """Write ``reply``, and return a Deferred that fires when its stream has ended.

    Cancelling the Deferred cancels the stream.  Nothing is written if the client is gone.
    """
    if is_closed(request):
        if reply.stream is not None:
            reply.stream.abandon()
        return None
    if reply.stream is None:
        write_whole(request, reply)
        return None
    set_status(request, reply.status)
    set_headers(request, (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")))
    set_headers(request, reply.headers)
    request.responseHeaders.setRawHeaders(b"Content-Type", [reply.content_type.encode()])
    request.write(b"")  # send the head before the first event
    written: Deferred[Any] = txaio.as_future(reply.stream.start, request)
    written.addErrback(_stream_failed, request)
    return written


def _stream_failed(failure: Failure, request: Any) -> Any:
    """Abort the connection, so that an incomplete response does not look complete."""
    if is_closed(request):
        if not failure.check(CancelledError):
            _log.failure("A stream failed after its client left", failure=failure)
        return None
    if not failure.check(GatewayError):
        _log.failure("A stream failed unexpectedly", failure=failure)
    return abort_connection(request)


def abort_connection(request: Any) -> Deferred[None]:
    """Abort the connection; the Deferred fires when it is lost."""
    ended: Deferred[None] = request.notifyFinish()
    ended.addErrback(lambda _: None)
    request.transport.abortConnection()
    return ended
