"""MCP endpoints of the web application."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.mcp import IMcpEndpoint, McpCall
from antigravity.ir.errors import RequestTooLargeError
from antigravity.protocols.request_limits import is_larger, running_count
from antigravity.web.request import head_of, pop_body
from antigravity.web.responses import is_closed, write_reply

_METHODS: Final = ("GET", "POST", "DELETE")
#: JSON values in one message, or a batch of them, and its bytes.
_MOST_VALUES: Final = 100_000
_MOST_BYTES: Final = 32 * 1024 * 1024

Handler = Callable[[Any], Deferred[None] | None]


def mcp_routes(
    endpoints: Mapping[str, IMcpEndpoint],
) -> dict[str, tuple[tuple[str, ...], Handler]]:
    """Return the path of every endpoint with its methods and handler."""
    return {path: (_METHODS, partial(_serve, endpoint)) for path, endpoint in endpoints.items()}


def _serve(endpoint: IMcpEndpoint, request: Any) -> Deferred[None]:
    head = head_of(request)
    body = pop_body(request)
    call = McpCall(
        head.method,
        head.headers,
        body,
        head.principal,
        head.id,
        head.loopback,
        head.tunnel is not None,
    )
    if not is_larger(body, _MOST_VALUES) and len(body) <= _MOST_BYTES:
        return endpoint.handle(call).addCallback(write_reply, request)
    counting = request.channel.site.cooperator.cooperate(_check(body))
    done: Deferred[Any] = counting.whenDone()
    done.addCallback(lambda _: None if is_closed(request) else endpoint.handle(call))
    return done.addCallback(lambda reply: reply and write_reply(reply, request))


def _check(body: bytes) -> Iterator[None]:
    """Count the values in a body, slice by slice.

    :raises RequestTooLargeError: if there are too many for one message.
    """
    if len(body) > _MOST_BYTES:
        raise RequestTooLargeError(f"An MCP message has at most {_MOST_BYTES} bytes.")
    for count in running_count(body):
        if count > _MOST_VALUES:
            raise RequestTooLargeError(f"An MCP message holds at most {_MOST_VALUES} JSON values.")
        yield
