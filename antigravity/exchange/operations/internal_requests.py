"""Requests of the gateway's own, which take the same way as those of clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred

from antigravity.exchange.context import RequestContext
from antigravity.exchange.plan import Plan
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext, Route
from antigravity.ir.errors import (
    CancelledByClientError,
    DeadlineError,
    GatewayError,
    InvalidRequestError,
)
from antigravity.ir.parts import Media
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.routing.decision import RoutingDecision

#: The name of the protocol of these requests.
PROTOCOL: Final = "internal"

#: Serves a request by the options of a plan.
Serve = Callable[[RequestContext, Plan], Awaitable[Reply]]


class InternalRequest(Struct, frozen=True):
    """A request of the gateway's own.

    :ivar model: the name of the model, as clients write it.
    :ivar subject: names the request in error messages, such as "The summary".
    :ivar path: its path in the record, for which there is no route.
    :ivar label: what the record says of it, if anything.
    :ivar principal: the API key of the client that it is made for.
    :ivar setting: the configuration key that names the model.
    :ivar timeout: seconds; ``None`` is no limit.
    """

    model: str
    request: Request
    subject: str
    path: str
    label: str = ""
    principal: str = ""
    request_id: str = ""
    loopback: bool = False
    setting: str = ""
    timeout: float | None = None


class InternalProtocol:
    """The server protocol of internal requests: never decoded, and the reply is plain text.

    No upstream speaks it, so requests are always translated.  Replies are never streamed.
    """

    name = PROTOCOL
    keepalive = b""
    traits = ServerTraits()

    def __init__(self, internal: InternalRequest) -> None:
        self._internal = internal

    def peek(self, call: Call) -> Head:
        """Return the requested model."""
        return Head(self._internal.model, False)

    def decode(self, call: Call) -> Request:
        """Return the request."""
        return self._internal.request

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the text of the response."""
        text = response.choices[0].text if response.choices else ""
        return HttpReply(200, text.encode(), "text/plain")


async def send_internal(
    services: Services,
    snapshot: Snapshot,
    internal: InternalRequest,
    serve: Callable[[RequestContext], Awaitable[Reply]],
) -> str:
    """Return the text of the response to an internal request, which gets a record of its own.

    :raises GatewayError: if ``serve`` fails, or takes too long.
    """
    protocol: Any = InternalProtocol(internal)
    route, request_id = Route("POST", internal.path, "generate"), internal.request_id
    call = Call(route, {}, {}, {}, b"", internal.principal, request_id, internal.loopback)
    recorder = Recorder(services, PROTOCOL, call)
    if internal.label:
        recorder.intercept(internal.label)
    recorder.begin(internal.model, stream=False)
    context = RequestContext(services, snapshot, protocol, call, recorder)
    context.read_head()

    async def run() -> Reply:
        return await serve(context)

    serving = Deferred.fromCoroutine(run())
    recorder.pending = serving
    if internal.timeout is not None:
        serving.addTimeout(internal.timeout, services.clock)
    try:
        reply = await serving
    except GatewayError as error:
        recorder.end(error, None)
        raise
    except defer.TimeoutError as error:
        late = DeadlineError(f"{internal.subject} took longer than {internal.timeout:g} seconds.")
        recorder.end(late, None)
        raise late from error
    except CancelledError as error:
        if recorder.interruption is not None:
            recorder.end(recorder.interruption, None)
            raise recorder.interruption from error
        recorder.end(CancelledByClientError(f"{internal.subject} was cancelled."), None)
        raise
    except Exception as error:
        failed = GatewayError(f"{internal.subject} failed: {type(error).__name__}.")
        recorder.end(failed, None)
        raise failed from error
    return reply.body.decode()


async def ask_model(
    services: Services, snapshot: Snapshot, serve: Serve, internal: InternalRequest
) -> str:
    """Return what a model of the pool says; accounts and attempts are as for clients' requests.

    :raises GatewayError: if no model can respond.
    """
    decision = _readers(await snapshot.router.route(internal.model, PROTOCOL), internal)
    internal = replace(internal, request_id=services.new_id("question_"))
    return await send_internal(
        services, snapshot, internal, lambda context: serve(context, Plan(decision))
    )


def _readers(decision: RoutingDecision, internal: InternalRequest) -> RoutingDecision:
    """Return the decision with the options that read all media of the request.

    :raises InvalidRequestError: if there is none.
    """
    parts = (part for message in internal.request.messages for part in message.parts)
    kinds = {part.kind for part in parts if isinstance(part, Media)}
    readers = tuple(
        option
        for option in decision.options
        if all(option.target.capabilities.reads(kind) for kind in kinds)
    )
    if not readers:
        raise InvalidRequestError(
            f"The model {internal.model!r} is not known to read {' or '.join(sorted(kinds))}. "
            f"The operator can name another model in {internal.setting}."
        )
    return replace(decision, options=readers)
