"""Requests that the gateway makes itself, on the way that clients' requests take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
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
from antigravity.ir.errors import CancelledByClientError, DeadlineError, GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.routing.router import Decision

#: What stands for the client's protocol in records.
PROTOCOL: Final = "internal"

#: Serves a request by the upstreams of a decision.
Serve = Callable[[RequestContext, Plan], Awaitable[Reply]]


class InternalProtocol:
    """Stands in for a client's protocol: its request is there already, its answer is plain text.

    No upstream speaks it, so it is always translated; it is only asked for whole answers.
    """

    name = PROTOCOL
    keepalive = b""
    traits = ServerTraits()

    def __init__(self, model: str, request: Request) -> None:
        self._model = model
        self._request = request

    def peek(self, call: Call) -> Head:
        """Return the model that is to answer."""
        return Head(self._model, False)

    def decode(self, call: Call) -> Request:
        """Return the request."""
        return self._request

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Return the text of the answer."""
        return HttpReply(200, response.choices[0].text.encode(), "text/plain")


class Errand(Struct, frozen=True):
    """A request that is made for the client with the key ``principal``.

    ``what`` names it in messages ("The summary"), ``label`` in its record; it may take
    ``limit`` seconds, ``None`` is no limit.
    """

    what: str
    label: str
    path: str
    request: Request
    principal: str
    request_id: str
    loopback: bool
    limit: float | None


async def run_errand(
    services: Services, snapshot: Snapshot, serve: Serve, decision: Decision, errand: Errand
) -> str:
    """Return what the model answers; the errand has a record, attempts and accounts of its own.

    :raises GatewayError: if it fails, or takes too long.
    """
    protocol: Any = InternalProtocol(decision.asked, errand.request)
    route = Route("POST", errand.path, "generate")
    call = Call(route, {}, {}, {}, b"", errand.principal, errand.request_id, errand.loopback)
    recorder = Recorder(services, PROTOCOL, call)
    recorder.intercept(errand.label)
    recorder.begin(decision.asked, stream=False)
    context = RequestContext(services, snapshot, protocol, call, recorder)
    serving: Deferred[Reply] = Deferred.fromCoroutine(_served(serve, context, Plan(decision)))
    if errand.limit is not None:
        serving.addTimeout(errand.limit, services.clock)
    try:
        reply = await serving
    except GatewayError as error:
        recorder.end(error, None)
        raise
    except defer.TimeoutError as error:
        late = DeadlineError(f"{errand.what} took longer than {errand.limit:g} seconds.")
        recorder.end(late, None)
        raise late from error
    except CancelledError:
        recorder.end(CancelledByClientError("The client went away."), None)
        raise
    except Exception as error:
        failed = GatewayError(f"{errand.what} failed: {type(error).__name__}.")
        recorder.end(failed, None)
        raise failed from error
    return reply.body.decode()


async def _served(serve: Serve, context: RequestContext, plan: Plan) -> Reply:
    return await serve(context, plan)
