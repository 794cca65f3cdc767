"""Answers warm-ups without a model, and finds who serves a client's small tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from msgspec.structs import replace
from twisted.python.failure import Failure

from antigravity.exchange.context import Work
from antigravity.exchange.operations.stored_responses import keep_conversation
from antigravity.interception.answer import simulated_answer
from antigravity.interception.reduction import reduced
from antigravity.interception.stage import BACKGROUND_MODEL
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.interfaces.protocols import IStoredConversations, IStreamEncoder
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


def answer_warmup(work: Work) -> Reply | None:
    """Return the answer to a warm-up, ``None`` if the request is none."""
    body, headers = work.call.body, work.call.headers
    filters = [
        one
        for one in _interested(work, work.snapshot.interception.warmup_filters)
        if not one.marks or any(mark in body for mark in one.marks)
    ]
    request = _request(work) if filters else None
    if request is None:
        return None
    for one in filters:
        if _asked(one, one.matches, request, headers):
            work.recorder.record.intercepted = f"{WARMUP}:{one.name}"
            return _answered(work, request)
    return None


async def route_background(work: Work) -> Decision | None:
    """Return who serves a task that the client set on its own.

    ``None`` if it is none, or if the operator has no model for those.
    """
    router = work.snapshot.router
    detectors = _interested(work, work.snapshot.interception.background_detectors)
    if not detectors or not router.maps(BACKGROUND_MODEL):
        return None
    kind = _kind(work, detectors)
    if kind is None:
        return None
    decision = await router.route_mapped(BACKGROUND_MODEL, work.protocol.name)
    if decision is None:
        return None
    work.request = reduced(work.request)
    work.recorder.record.intercepted = f"{BACKGROUND}:{kind}"
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


def _interested(work: Work, registered: tuple[_Asked, ...]) -> list[_Asked]:
    """Return those that look at requests of this client.

    A request that goes on from a stored answer is somebody's conversation.
    """
    headers = work.call.headers
    agent = headers.get("user-agent", "")
    if not registered or not any(matches(p, agent) for p in work.snapshot.interception.clients):
        return []
    interested = [one for one in registered if _asked(one, one.wants, headers)]
    return [] if interested and _goes_on(work) else interested


def _goes_on(work: Work) -> bool:
    if not IStoredConversations.providedBy(work.protocol):
        return False
    stored = cast(IStoredConversations, work.protocol)
    return stored.reference(work.call.body) is not None


def _request(work: Work) -> Request | None:
    """Return the decoded request; one that can't be decoded is for others to refuse."""
    try:
        return work.request
    except GatewayError:
        return None


def _kind(work: Work, detectors: list[IBackgroundDetector]) -> str | None:
    request = _request(work)
    if request is None:
        return None
    for one in detectors:
        kind = _asked(one, one.detect, request, work.call.headers)
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


def _answered(work: Work, request: Request) -> Reply:
    """Return the simulated answer in the protocol's words, and end the record."""
    events, usage = simulated_answer(request)
    reply_context = ReplyContext(
        call=work.original_call,
        request=request,
        model=work.head.model,
        created=int(work.recorder.record.started),
        new_id=work.services.new_id,
        now=work.recorder.now,
    )
    reply = (
        _streamed(work, events, reply_context)
        if work.head.stream
        else _whole(work, events, reply_context)
    )
    work.recorder.first_byte()
    work.recorder.end(None, usage)
    return reply


def _streamed(work: Work, events: tuple[Event, ...], reply_context: ReplyContext) -> Reply:
    encoder: IStreamEncoder = work.protocol.encoder(reply_context)
    body = b"".join([encoder.encode(event) for event in events]) + encoder.end()
    final: Any = getattr(encoder, "final_response", None)
    if final is not None:
        keep_conversation(work, final)
    return Reply(200, encoder.content_type, (("Cache-Control", "no-cache"),), body)


def _whole(work: Work, events: tuple[Event, ...], reply_context: ReplyContext) -> Reply:
    reply: HttpReply = work.protocol.encode_response(fold(events), reply_context)
    keep_conversation(work, reply.body)
    return Reply(reply.status, reply.content_type, reply.headers, reply.body)
