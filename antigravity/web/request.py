"""The head and the body of a request, whichever server received it."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address

from antigravity.ir.errors import RequestTooLargeError
from antigravity.web.connection.request import GatewayRequest
from antigravity.web.request_head import RequestHead

#: Most bytes of a body for one of the gateway's own paths.
SMALL_BODY = 64 * 1024


def head_of(request: Any) -> RequestHead:
    """Return the head of ``request``, which may come from another server of Twisted's."""
    head: RequestHead | None = getattr(request, "head", None)
    if head is None:
        address = request.getClientAddress()
        peer = address.host if isinstance(address, (IPv4Address, IPv6Address)) else None
        method, target, version = (
            each.decode("latin-1") for each in (request.method, request.uri, request.clientproto)
        )
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        head = request.head = RequestHead(method, target, version, fields, peer)
    return head


def pop_body(request: Any) -> bytes:
    """Return the request's body, and release it."""
    if isinstance(request, GatewayRequest):
        return request.pop_body()
    return bytes(request.content.read())


def pop_small_body(request: Any, largest: int = SMALL_BODY) -> bytes:
    """Return the request's body, and release it.

    :raises RequestTooLargeError: if it is larger than the gateway's own paths need.
    """
    body = pop_body(request)
    if len(body) > largest:
        raise RequestTooLargeError(f"The request body is larger than {largest} bytes.")
    return body
