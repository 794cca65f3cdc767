"""Requests that clients make on their own: warm-up requests and background tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.python.failure import Failure

from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.stored_responses import store_response
from antigravity.exchange.plan import Plan, translated
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import BACKGROUND, WARMUP
from antigravity.interception.fixed_response import fixed_response
from antigravity.interception.reduction import reduced
from antigravity.interception.rules import BACKGROUND_MODEL, EVERY_CLIENT
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Request
from antigravity.ir.response import fold
from antigravity.logs import make_logger
from antigravity.routing.patterns import matches

log = make_logger()

_Plugin = TypeVar("_Plugin", IWarmupFilter, IBackgroundDetector)
_Result = TypeVar("_Result")


def concerns(context: RequestContext) -> bool:
    """Return whether interception is on for the client of a request."""
    patterns = context.snapshot.interception.clients
    if patterns == EVERY_CLIENT:
        return True
    agent = context.call.headers.get("user-agent", "")
    return any(matches(pattern, agent) for pattern in patterns)


def intercept_warmup(context: RequestContext) -> Reply | None:
    """Return the fixed reply to a warm-up request, ``None`` for every other request."""
    body, headers = context.outline.body, context.call.headers
    marked = [
        each
        for each in context.snapshot.interception.warmup_filters
        if not each.marks or any(mark in body for mark in each.marks)
    ]
    filters = _interested(context, marked) if marked else []
    request = _decoded(context) if filters else None
    if request is None:
        return None
    for each in filters:
        if _ask(each, each.matches, request, headers):
            context.recorder.intercept(f"{WARMUP}:{each.name}")
            return _simulate(context, request)
    return None


async def reroute_background_task(context: RequestContext) -> tuple[RequestContext, Plan | None]:
    """Return a reduced request, and the plan with the model for background tasks.

    There is no plan if the request is none, or if the operator has no model for them.
    """
    router = context.snapshot.router
    if not router.has_mapping(BACKGROUND_MODEL):
        return context, None
    detectors = _interested(context, context.snapshot.interception.background_detectors)
    if not detectors:
        return context, None
    kind = _kind(context, detectors)
    if kind is None:
        return context, None
    decision = await router.route_mapped(BACKGROUND_MODEL, context.protocol.name)
    if decision is None:
        return context, None
    context.recorder.intercept(f"{BACKGROUND}:{kind}")
    # The original body still contains the tools, so it cannot pass through.
    return context.with_request(reduced(context.request)), Plan(translated(decision))


def _interested(context: RequestContext, plugins: Sequence[_Plugin]) -> list[_Plugin]:
    """Return the plugins that want to see requests with such headers.

    A request that continues a stored response belongs to a user's conversation.
    """
    headers = context.call.headers
    interested = [each for each in plugins if _ask(each, each.may_match, headers)]
    return [] if interested and _continues(context) else interested


def _continues(context: RequestContext) -> bool:
    stored = context.traits.stored_responses
    return stored is not None and stored.previous_id(context.outline) is not None


def _decoded(context: RequestContext) -> Request | None:
    """Return the decoded request, ``None`` if it is not valid: a later stage refuses it."""
    try:
        return context.request
    except GatewayError:
        return None


def _kind(context: RequestContext, detectors: list[IBackgroundDetector]) -> str | None:
    request = _decoded(context)
    if request is None:
        return None
    for each in detectors:
        kind = _ask(each, each.detect, request, context.call.headers)
        if kind:
            return str(kind)
    return None


def _ask(
    plugin: IWarmupFilter | IBackgroundDetector,
    question: Callable[..., _Result],
    *arguments: Request | Mapping[str, str],
) -> _Result | None:
    """Return the result of a plugin's method; what it raises is logged and means no."""
    try:
        return question(*arguments)
    except Exception:  # noqa: BLE001 - a plugin can raise anything
        log.failure("{name} failed to look at a request", Failure(), name=plugin.name)
        return None


def _simulate(context: RequestContext, request: Request) -> Reply:
    """Return a fixed response in the client's protocol, and end the record."""
    events, usage = fixed_response(request)
    protocol, details = context.protocol, reply_context(context)
    if context.head.stream:
        encoder: IStreamEncoder = protocol.encoder(details)
        body = b"".join([encoder.encode(event) for event in events]) + encoder.end()
        final: Any = getattr(encoder, "final_response", None)
        if final is not None:
            store_response(context, final)
        headers = (("Cache-Control", "no-cache"),)
        reply = Reply(200, encoder.content_type, headers, body)
    else:
        whole: HttpReply = protocol.encode_response(fold(events), details)
        store_response(context, whole.body)
        reply = Reply.whole(whole)
    context.recorder.first_byte()
    context.recorder.end(None, usage)
    return reply
