"""What is checked of the things that plugins register, besides that they have all methods.

Every check returns sentences, one for each fault.  They say nothing of what an object is for;
they hold it to what its interface promises in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.selection import Selection, Situation
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.call import Call, HttpReply, ReplyContext
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import (
    AuthenticationError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.ir.events import Finish, ResponseStart, StreamFailure, TextDelta
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.plugins import PluginInfo, PluginProblem, Registry
from antigravity.sse import ServerSentEvent
from antigravity.testing.unplugged import unplugged_services

_ERRORS: Final = (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RateLimitedError,
    UpstreamError,
)
_SAID: Final = "Nothing is as it should be."

Faults = Iterator[str]


def check_server_protocol(protocol: Any) -> Faults:
    """Check the server side of a protocol."""
    if not protocol.routes:
        yield "has no routes, so nobody can reach it"
    for route in protocol.routes:
        if not route.path.startswith("/"):
            yield f"has the route {route.path!r}, which does not begin with a slash"
    for kind in _ERRORS:
        error = kind(_SAID)
        reply: HttpReply = protocol.encode_error(error, "req_check")
        if reply.status < 400:
            yield f"says {kind.__name__} with status {reply.status}"
        if _SAID.encode() not in reply.body:
            yield f"does not say the message of a {kind.__name__}"
    for route in protocol.routes:
        if route.operation == "generate":
            yield from _check_encoder(protocol, route)


def _check_encoder(protocol: Any, route: Any) -> Faults:
    where = f"its stream at {route.path}"
    names = count()
    request = Request("a-model", (Message("user", (Text("Hello"),)),), protocol.name, stream=True)
    call = Call(route, {"model": "a-model"}, {}, {}, b"{}")
    context = ReplyContext(call, request, "a-model", 0, lambda prefix: f"{prefix}{next(names)}")
    encoder = protocol.encoder(context)
    if not isinstance(encoder.content_type, str) or "/" not in encoder.content_type:
        yield f"{where} has no content type"
    written = b"".join(
        [
            encoder.encode(ResponseStart("an-id", "a-model")),
            encoder.encode(TextDelta("Forty-two")),
            encoder.encode(Finish("stop")),
            encoder.end(),
        ]
    )
    if not written:
        yield f"{where} says nothing at all"
    if encoder.encode(TextDelta("more")) or encoder.end():
        yield f"{where} goes on after its end"
    failing = protocol.encoder(context)
    failing.encode(ResponseStart("an-id", "a-model"))
    failing.encode(TextDelta("Forty"))
    failing.encode(StreamFailure(UpstreamError(_SAID)))
    if failing.encode(TextDelta("more")) or failing.end():
        yield f"{where} goes on after an error"


def check_client_protocol(protocol: Any) -> Faults:
    """Check the client side of a protocol."""
    refused = protocol.decode_error(401, {}, b"{}")
    if not isinstance(refused, UpstreamCredentialError):
        yield "takes a 401 of an upstream for something else than trouble with its credential"
    limited = protocol.decode_error(429, {"retry-after": "7"}, b"no JSON")
    if not isinstance(limited, RateLimitedError):
        yield "does not take a 429 for a limit"
    elif limited.retry_after != 7:
        yield "does not read Retry-After"
    if not isinstance(protocol.decode_error(500, {}, b"<html>"), GatewayError):
        yield "does not make a GatewayError of a 500 that is no JSON"
    yield from _check_decoder(protocol)


def _check_decoder(protocol: Any) -> Faults:
    message = Message("user", (Text("Hello"),))
    request = Request("a-model", (message,), protocol.name, stream=True)
    try:
        target = Target("a-model")
        protocol.encode(request, target)
    except InvalidRequestError:
        return  # it cannot say this, which is all right: images only, for instance
    events = [
        *(decoder := protocol.decoder(request, target)).decode(ServerSentEvent("", b"{garbage")),
        *decoder.close(),
    ]
    failures = [event for event in events if isinstance(event, StreamFailure)]
    if len(failures) != 1 or events[-1] is not failures[0]:
        yield "does not end with one StreamFailure what makes no sense"
    events = list(protocol.decoder(request, target).close())
    if not any(isinstance(event, StreamFailure) for event in events):
        yield "passes off an answer that breaks off at once as complete"


def check_upstream_kind(kind: Any, services: object) -> Faults:
    """Check a kind of upstream: with no settings it says what it lacks, or builds something."""
    try:
        upstream = kind.build(UpstreamSettings(kind=kind.kind), services)
    except ConfigurationError:
        return
    try:
        verifyObject(IUpstream, upstream)
    except Invalid as error:
        yield " ".join(str(error).split())
        return
    if not upstream.protocols:
        yield "speaks no protocol"


def check_selection_policy(policy: Any) -> Faults:
    """Check a way to choose among accounts: of nobody, nobody is chosen."""
    selection = policy.select((), Situation())
    if not isinstance(selection, Selection):
        yield "does not answer with a Selection"
    elif selection.order:
        yield "chooses accounts that it was not offered"


def check_mcp_tool(tool: Any) -> Faults:
    """Check a tool for MCP."""
    if tool.input_schema.get("type") != "object":
        yield 'has an input_schema whose type is not "object"'
    if not tool.description:
        yield "has no description, so no model knows what it is for"


def check_registered(registry: Registry, infos: Iterable[PluginInfo]) -> Iterator[PluginProblem]:
    """Check everything that some plugins have registered."""
    for info in infos:
        for what, names, objects, check in _checks(registry, info):
            for name in names:
                if name in objects:
                    for fault in _guarded(check, objects[name]):
                        yield PluginProblem(info.name, f"{what} {name!r} {fault}")


_Check = tuple[str, Sequence[str], Mapping[str, Any], Callable[[Any], Faults]]


def _checks(registry: Registry, info: PluginInfo) -> Sequence[_Check]:
    def kind(candidate: Any) -> Faults:
        services = unplugged_services(candidate.kind, registry.clients)
        return check_upstream_kind(candidate, services)

    tools = {tool.name: tool for tool in registry.mcp.tools()}
    return (
        ("server protocol", info.protocols, registry.servers, check_server_protocol),
        ("client protocol", info.protocols, registry.clients, check_client_protocol),
        ("kind of upstream", info.upstream_kinds, registry.upstream_kinds, kind),
        (
            "selection policy",
            info.selection_policies,
            registry.selection_policies,
            check_selection_policy,
        ),
        ("MCP tool", info.mcp_tools, tools, check_mcp_tool),
    )


def _guarded(check: Callable[[Any], Faults], candidate: object) -> Faults:
    """Return the faults; an exception is one, too."""
    try:
        yield from check(candidate)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        yield f"raises {type(error).__name__}: {error}"
