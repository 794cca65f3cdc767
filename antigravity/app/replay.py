"""Sends the stored request of a client again, in the operator's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from antigravity.exchange.response_headers import REPLAY
from antigravity.interfaces.administration import ReplayedRequest
from antigravity.interfaces.exchange import IExchange
from antigravity.interfaces.ledger import ILedger
from antigravity.interfaces.payloads import RequestPayloads
from antigravity.ir.call import Call, Route
from antigravity.ir.errors import ConflictError
from antigravity.redaction.credentials import REDACTED

#: The API key's name of these requests, in records.
PRINCIPAL: Final = "operator"
#: The most bytes of the response that are returned.
_LIMIT: Final = 1024 * 1024
_OPERATIONS: Final = ("generate", "count_tokens", "embed")
#: Headers that are about the connection, not the request.
_CONNECTION: Final = frozenset(
    {
        *("host", "connection", "content-length", "content-encoding", "transfer-encoding"),
        *("accept-encoding", "expect", "upgrade", "x-forwarded-for", "x-forwarded-proto"),
    }
)
_NOT_REPLAYED: Final = "not_replayed"


async def replay(
    exchange: IExchange,
    protocols: Sequence[Any],
    ledger: ILedger,
    reference: str,
    model: str,
    new_id: Callable[[str], str],
) -> ReplayedRequest:
    """Send a request again, to ``model`` if that is not empty, and return the response.

    :raises NotFoundError: if there are no payloads of it.
    :raises ConflictError: if it cannot be sent again, saying why.
    """
    found = await ledger.payloads(reference)
    if found.no_replay:
        raise ConflictError(found.no_replay, code=_NOT_REPLAYED)
    protocol, route = _find_route(protocols, found)
    call = _call(found, route, new_id("req_"))
    if model:
        call = _with_model(protocol, call, model)
    reply = await exchange.replay(protocol, call, f"{REPLAY}:{found.reference or found.id}")
    if reply.stream is None:
        body, size = reply.body[:_LIMIT], len(reply.body)
    else:
        consumer = _Collector()
        await reply.stream.start(consumer)
        body, size = bytes(consumer.body), consumer.size
    text = body.decode("utf-8", "replace")
    return ReplayedRequest(
        call.request_id, reply.status, reply.content_type, text, max(0, size - _LIMIT)
    )


def _find_route(protocols: Sequence[Any], found: RequestPayloads) -> tuple[Any, Route]:
    wanted = found.route
    for protocol in protocols:
        if protocol.name != wanted.protocol:
            continue
        for route in protocol.routes:
            key = (route.method, route.path, route.tag)
            if key == (wanted.method, wanted.path, wanted.tag) and route.operation in _OPERATIONS:
                return protocol, route
    raise ConflictError(
        f"Requests to {wanted.path} ({wanted.protocol}) cannot be sent again.", code=_NOT_REPLAYED
    )


def _call(found: RequestPayloads, route: Route, request_id: str) -> Call:
    message = found.messages[0]
    headers = {
        each.name: each.value
        for each in message.headers
        if each.name.lower() not in _CONNECTION and REDACTED not in each.value
    }
    parameters = [each for each in found.route.query if REDACTED not in each.value]
    return Call(
        route,
        dict(found.route.arguments),
        {each.name: each.value for each in parameters},
        headers,
        message.body.encode(),
        PRINCIPAL,
        request_id,
        parameters=tuple((each.name, each.value) for each in parameters),
    )


def _with_model(protocol: Any, call: Call, model: str) -> Call:
    """Return a call that names another model, in its path or in its body."""
    if "model" in call.arguments:
        return replace(call, arguments={**call.arguments, "model": model})
    body = protocol.with_model(call, model)
    whole = body if isinstance(body, bytes) else b"".join(body)
    return replace(call, body=whole, memo={})


@implementer(IConsumer)
class _Collector:
    """Collects the beginning of a stream."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.size = 0

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Need nothing of the producer: all is read at once."""

    def unregisterProducer(self) -> None:
        """Need nothing of the producer."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self.body += data[: _LIMIT - len(self.body)]
