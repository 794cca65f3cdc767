"""Answers warm-ups without a model, and finds who serves a client's small tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace
from twisted.python.failure import Failure

from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.stored_responses import keep_conversation
from antigravity.interception.answer import simulated_answer
from antigravity.interception.reduction import reduced
from antigravity.interception.stage import BACKGROUND_MODEL
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event
from antigravity.ir.record import ExchangeRecord
from antigravity.ir.request import Request
from antigravity.ir.response import fold
from antigravity.logs import make_logger
from antigravity.routing.patterns import matches
from antigravity.routing.router import Decision

log = make_logger()

WARMUP: Final = "warmup"
BACKGROUND: Final = "background"
WARMUP_HEADER: Final = "X-Warmup-Intercepted"
BACKGROUND_HEADER: Final = "X-Background-Task"

_Asked = TypeVar("_Asked", IWarmupFilter, IBackgroundDetector)
_Answer = TypeVar("_Answer")


def intercept_warmup(context: RequestContext) -> Reply | None:
    """Return the answer to a warm-up, ``None`` if the request is none."""
    body, headers = context.call.body, context.call.headers
    filters = [
        one
        for one in _interested(context, context.snapshot.interception.warmup_filters)
        if not one.marks or any(mark in body for mark in one.marks)
    ]
    request = _request(context) if filters else None
    if request is None:
        return None
    for one in filters:
        if _asked(one, one.matches, request, headers):
            context.recorder.record.intercepted = f"{WARMUP}:{one.name}"
            return _answered(context, request)
    return None


async def reroute_background_task(context: RequestContext) -> Decision | None:
    """Return who serves a task that the client set on its own.

    ``None`` if it is none, or if the operator has no model for those.
    """
    router = context.snapshot.router
    detectors = _interested(context, context.snapshot.interception.background_detectors)
    if not detectors or not router.maps(BACKGROUND_MODEL):
        return None
    kind = _kind(context, detectors)
    if kind is None:
        return None
    decision = await router.route_mapped(BACKGROUND_MODEL, context.protocol.name)
    if decision is None:
        return None
    context.request = reduced(context.request)
    context.recorder.record.intercepted = f"{BACKGROUND}:{kind}"
    # The body as it came has the tools still, so it can't pass through.
    candidates = tuple(replace(candidate, native=False) for candidate in decision.candidates)
    return replace(decision, candidates=candidates)


def interception_headers(record: ExchangeRecord) -> tuple[tuple[str, str], ...]:
    """Return the response headers that say what was done with a request."""
    what, _, detail = (record.intercepted or "").partition(":")
    if what == WARMUP:
        return ((WARMUP_HEADER, "true"),)
    if what == BACKGROUND:
        plain = "".join(c if " " <= c <= "~" else "?" for c in detail)
        return ((BACKGROUND_HEADER, plain),)
    return ()


def _interested(context: RequestContext, registered: tuple[_Asked, ...]) -> list[_Asked]:
    """Return those that look at requests of this client.

    A request that goes on from a stored answer is somebody's conversation.
    """
    headers = context.call.headers
    agent = headers.get("user-agent", "")
    if not registered or not any(matches(p, agent) for p in context.snapshot.interception.clients):
        return []
    interested = [one for one in registered if _asked(one, one.wants, headers)]
    return [] if interested and _goes_on(context) else interested


def _goes_on(context: RequestContext) -> bool:
    stored = context.traits.stored_responses
    return stored is not None and stored.previous_id(context.call.body) is not None


def _request(context: RequestContext) -> Request | None:
    """Return the decoded request; one that can't be decoded is for others to refuse."""
    try:
        return context.request
    except GatewayError:
        return None


def _kind(context: RequestContext, detectors: list[IBackgroundDetector]) -> str | None:
    request = _request(context)
    if request is None:
        return None
    for one in detectors:
        kind = _asked(one, one.detect, request, context.call.headers)
        if kind:
            return str(kind)
    return None


def _asked(
    one: IWarmupFilter | IBackgroundDetector,
    question: Callable[..., _Answer],
    *about: Request | Mapping[str, str],
) -> _Answer | None:
    """Return what a plugin's object says; what it raises is logged and means no."""
    try:
        return question(*about)
    except Exception:  # noqa: BLE001 - a plugin may raise anything
        log.failure("{name} failed to look at a request", Failure(), name=one.name)
        return None


def _answered(context: RequestContext, request: Request) -> Reply:
    """Return the simulated answer in the protocol's words, and end the record."""
    events, usage = simulated_answer(request)
    reply_context = ReplyContext(
        call=context.original_call,
        request=request,
        model=context.head.model,
        created=int(context.recorder.record.started),
        new_id=context.services.new_id,
        now=context.recorder.now,
    )
    reply = (
        _streamed(context, events, reply_context)
        if context.head.stream
        else _whole(context, events, reply_context)
    )
    context.recorder.first_byte()
    context.recorder.end(None, usage)
    return reply


def _streamed(
    context: RequestContext, events: tuple[Event, ...], reply_context: ReplyContext
) -> Reply:
    encoder: IStreamEncoder = context.protocol.encoder(reply_context)
    body = b"".join([encoder.encode(event) for event in events]) + encoder.end()
    final: Any = getattr(encoder, "final_response", None)
    if final is not None:
        keep_conversation(context, final)
    return Reply(200, encoder.content_type, (("Cache-Control", "no-cache"),), body)


def _whole(
    context: RequestContext, events: tuple[Event, ...], reply_context: ReplyContext
) -> Reply:
    reply: HttpReply = context.protocol.encode_response(fold(events), reply_context)
    keep_conversation(context, reply.body)
    return Reply(reply.status, reply.content_type, reply.headers, reply.body)
