"""Write responses, and stop when the client is gone."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from txaio import tx as txaio

from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.connection.response_head import common_headers, phrase_of, whole_headers
from antigravity.web.host_policy import Headers
from antigravity.web.request_head import RequestHead

_log = make_logger()
#: Proxies must pass each event on at once.
_STREAMED: Final = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


def is_closed(request: Any) -> bool:
    """Return whether no response can be written, because the client is gone or already has one."""
    return getattr(request, "channel", None) is None


def set_headers(request: Any, headers: Headers) -> None:
    """Set response headers; ``Vary`` is added to existing ones."""
    if isinstance(request, GatewayRequest):
        request.set_headers(headers)
        return
    for name, value in headers:
        if name.lower() == "vary":
            request.responseHeaders.addRawHeader(name, value)
        else:
            request.responseHeaders.setRawHeaders(name, [value])


#: The headers of responses to the operator, which no cache may keep.
NOT_STORED: Final = (("Cache-Control", "no-store"),)
#: The headers of all responses of a demo.
DEMO_HEADERS: Final = (("X-Antigravity-Demo", "true"),)


def set_common_headers(request: Any, head: RequestHead) -> None:
    """Set the headers that every response has."""
    set_headers(request, common_headers(head))


def write_whole(request: Any, reply: Reply | HttpReply) -> None:
    """Write ``reply`` with its length; the caller finishes the request."""
    if isinstance(request, GatewayRequest):
        request.write_whole(reply)
        return
    request.setResponseCode(reply.status, phrase_of(reply.status).encode())
    set_headers(request, whole_headers(reply))
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
    request.setResponseCode(reply.status, phrase_of(reply.status).encode())
    set_headers(request, _STREAMED)
    set_headers(request, reply.headers)
    set_headers(request, (("Content-Type", reply.content_type),))
    written: Deferred[Any] = txaio.as_future(reply.stream.start, request)
    written.addErrback(_stream_failed, request)
    if not (request.startedWriting or is_closed(request) or written.called):
        request.write(b"")  # send the head before the first event
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
