"""An attempt at an upstream that speaks the client's own protocol: nothing is translated."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.commit_point import begin
from antigravity.exchange.attempts.refused_parameters import body_changes, learn_from_refusal
from antigravity.exchange.attempts.socket_use import socket_use
from antigravity.exchange.attempts.upstream_call import Refused, UpstreamCall
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.stored_responses import remember_origin, store_response
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import passed_headers
from antigravity.exchange.streams.bounds import RESPONSE_LIMIT
from antigravity.exchange.streams.event_source import has_content
from antigravity.exchange.streams.other_form import (
    FormDetectingStream,
    collect_response,
    reencoded_stream,
)
from antigravity.exchange.streams.other_protocol import is_other_protocol
from antigravity.exchange.streams.passed_through import (
    PassedThroughStream,
    ReframedStream,
)
from antigravity.exchange.streams.raw import (
    RawStream,
    file_headers,
    is_events,
    is_html,
    is_json,
)
from antigravity.exchange.streams.response_form import FormDetector
from antigravity.exchange.streams.tapped_stream import TappedStream, check_json
from antigravity.exchange.token_estimate import learn_from_usage
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import (
    IBodyRepairingTap,
    IClientProtocol,
    IReasoningTap,
    IResponseIdTap,
    ITap,
    IUsageHidingTap,
)
from antigravity.interfaces.server_traits import IFramer
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.interfaces.upstreams import UpstreamOperation
from antigravity.ir.call import Body, HttpReply
from antigravity.ir.errors import GatewayError, UpstreamError, empty_response_error
from antigravity.ir.events import StreamFailure
from antigravity.ir.request import Request
from antigravity.ir.surrogates import repair_surrogates, replace_broken_text
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.redaction.errors import redact_errors
from antigravity.signatures.thinking_recovery import SignatureCollector
from antigravity.sse import ServerSentEvent

#: Where one JSON value ends and another begins; within one there would be a comma.
_SEVERAL: Final = re.compile(rb"\}[ \t]*\r?\n\s*\{")
#: Larger responses are not empty.
_EMPTY_LIMIT: Final = 16 * 1024


async def attempt_native(attempt: Attempt) -> Reply:
    """Return the reply that one option gives, once it has begun.

    :raises GatewayError: if it fails before that.
    :raises Refused: if the upstream refused the request.
    """
    context, option = attempt.context, attempt.option
    changes = body_changes(attempt)
    change = partial(changes.apply, context) if changes.are_any else None
    build = partial(context.with_model, option.target.model, change)
    body: Body = await context.compute(build) if context.is_long else build()
    if changes.edits:
        context.recorder.warn(attempt.losses + changes.losses(option.upstream.name))
    operation: UpstreamOperation = "stream" if context.head.stream else "generate"
    use = None if context.call.turn is None else await socket_use(attempt, change)
    credential = attempt.lease.credential
    call = UpstreamCall(option, credential, operation, body, context.call.headers, use)
    try:
        response = await call.send(context.services.transport, context.recorder)
    except Refused as refused:
        refused.learned = await learn_from_refusal(attempt, refused, changes)
        raise
    tap = _tap(attempt)
    content_type = response.headers().get("content-type", "")
    is_plain = not is_events(content_type) and not is_json(content_type)
    if is_plain and context.traits.can_respond_with_files:
        if is_html(content_type):
            response.abort()
            raise attempt.source(response).unusable("html")
        return await _plain(attempt, response)
    if not context.head.stream:
        return await whole(attempt, response, tap)
    if not is_events(content_type):
        await _decode(context)
    return await _stream(attempt, response, tap, hides_usage=changes.asks_for_usage)


async def _decode(context: RequestContext) -> None:
    """Decode a large request, which a response in another form may need."""
    with suppress(GatewayError):  # then such a response cannot be read
        await context.decode()


async def _plain(attempt: Attempt, response: IIncomingResponse) -> Reply:
    """Return a file or text as it is."""
    headers = response.headers()
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/octet-stream"))
    passed = (*passed_headers(headers), *file_headers(headers))
    status = response.status()
    pump = await begin(attempt.context, RawStream(), response, attempt.settle, abort_on_error=True)
    return Reply(status, content_type, passed, stream=pump)


async def _stream(
    attempt: Attempt, response: IIncomingResponse, tap: ITap, *, hides_usage: bool
) -> Reply:
    """Return a stream of events, or what is converted to one."""
    context, option = attempt.context, attempt.option
    framing = context.traits.framing
    framer = None if framing is None else framing.framer(context.call)
    passed = _passed_stream(attempt, tap, framer)
    if hides_usage:
        passed.visible = IUsageHidingTap(tap).without_usage
    translated = partial(reencoded_stream, attempt, response)
    source = attempt.source(response)
    translator = FormDetectingStream(passed, translated, source, option.client.name)
    headers = passed_headers(response.headers())

    def completed() -> None:
        learn_from_usage(context, option.target.model, translator.usage, context.decoded)

    pump = await begin(context, translator, response, attempt.settle, completed)
    content_type = framer.content_type if framer is not None else "text/event-stream"
    return Reply(200, content_type, headers, stream=pump)


def _passed_stream(attempt: Attempt, tap: ITap, framer: IFramer | None) -> TappedStream:
    """Return what passes events on: as they come, or in the framing that the client wants."""
    context, upstream, ends = attempt.context, attempt.option.upstream, attempt.end_policy
    protocol = context.protocol
    if framer is None and not upstream.wraps():
        # For its error event the request itself need not be decoded.
        request = Request(context.head.model, (), protocol.name, stream=True)
        encoder = protocol.encoder(reply_context(context, request))
        return PassedThroughStream(tap, protocol.keepalive, encoder, ends)

    def error_body(error: GatewayError) -> bytes:
        if context.traits.framing is not None:
            return context.traits.framing.encode_failure(error)
        body: bytes = protocol.encode_error(error, context.call.request_id).body
        return body

    return ReframedStream(tap, protocol.keepalive, upstream.unwrap, framer, error_body, ends)


async def whole(
    attempt: Attempt,
    response: IIncomingResponse,
    tap: ITap | None = None,
    estimate_usage: Callable[[], Usage | None] | None = None,
) -> Reply:
    """Return a response that is no stream, shown to ``tap``, and end the record.

    ``estimate_usage`` is called for the record if the upstream reports no usage.

    :raises UpstreamError: if it is malformed.
    """
    context, option = attempt.context, attempt.option
    context.recorder.enter("upstream")
    try:
        body = await response.collect(RESPONSE_LIMIT)
    finally:
        context.recorder.enter("translation")
    detector = FormDetector()
    form = detector.feed(body) or detector.end()
    if not detector.head:
        raise empty_response_error()
    is_stream = form == "events" or (form == "json" and _is_several(body))
    if form not in ("json", "events") or (is_stream and not _is_readable(attempt)):
        raise attempt.source(response).unusable(form, detector.head if not is_stream else b"")
    if is_stream:
        await _decode(context)
        return _collect(attempt, response, body)
    try:
        body = option.upstream.unwrap(replace_broken_text(repair_surrogates(detector.head)))
        check_json(body)
    except msgspec.DecodeError as error:
        raise UpstreamError("The upstream sent invalid JSON; try again.") from error
    failure = error_in(body, option.client.decode_error)
    if failure is not None:
        raise failure
    if is_other_protocol(option.client.name, body) and _is_readable(attempt):
        await _decode(context)
        return _collect(attempt, response, detector.head)
    if _is_empty_by_mistake(attempt, body):
        raise empty_response_error()
    return _passed_whole(attempt, response, tap, body, estimate_usage)


def _passed_whole(
    attempt: Attempt,
    response: IIncomingResponse,
    tap: ITap | None,
    body: bytes,
    estimate_usage: Callable[[], Usage | None] | None,
) -> Reply:
    """Return the reply with the JSON object that an upstream sent, and end the record."""
    context, option, headers = attempt.context, attempt.option, response.headers()
    context.recorder.first_byte()
    if IBodyRepairingTap.providedBy(tap):
        body = tap.repair_body(body)
    if IReasoningTap.providedBy(tap) or IResponseIdTap.providedBy(tap):
        tap.watch_body(body)
    usage = option.client.decode_usage(body)
    counted = usage
    if counted is None and estimate_usage is not None:
        counted = estimate_usage()
    context.recorder.end(None, counted)
    learn_from_usage(context, option.target.model, usage, context.decoded)
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/json"))
    return Reply(response.status(), content_type, passed_headers(headers), redact_errors(body))


def _is_several(body: bytes) -> bool:
    """Return whether a body is several JSON values, in lines or in an array."""
    return body.lstrip()[:1] == b"[" or (b"\n" in body and _SEVERAL.search(body) is not None)


def _is_empty_by_mistake(attempt: Attempt, body: bytes) -> bool:
    """Return whether a whole response is empty, of a model that is known to make such ones."""
    option = attempt.option
    if not option.target.capabilities.retry_empty or len(body) >= _EMPTY_LIMIT:
        return False
    ends = attempt.end_policy
    if ends.accepts_empty or not _is_readable(attempt):
        return False
    # What the request was does not matter for that, so it need not be decoded.
    decoder = option.client.decoder(Request("", (), option.client.name), option.target)
    found = [*decoder.decode(ServerSentEvent("", body)), *decoder.close()]
    return not any(has_content(event, ends) for event in found) and not any(
        isinstance(event, StreamFailure) for event in found
    )


def _is_readable(attempt: Attempt) -> bool:
    """Return whether a response can be decoded: one of a model that talks, not vectors."""
    is_client = IClientProtocol.providedBy(attempt.option.client)
    return is_client and attempt.context.call.route.operation == "generate"


def _collect(attempt: Attempt, response: IIncomingResponse, body: bytes) -> Reply:
    """Return the reply that a stream holds, where a whole response was asked for."""
    context = attempt.context
    collected_response = collect_response(attempt, response, body)
    context.recorder.first_byte()
    reply: HttpReply = context.protocol.encode_response(collected_response, reply_context(context))
    store_response(context, reply.body)
    usage = collected_response.usage
    context.recorder.end(None, usage)
    learn_from_usage(context, attempt.option.target.model, usage, context.decoded)
    return Reply.whole(reply, passed_headers(response.headers()))


def _tap(attempt: Attempt) -> ITap:
    """Return a tap that remembers the thinking behind tool calls and the response's id."""
    context, option, target = attempt.context, attempt.option, attempt.option.target
    tap: ITap = option.client.tap()
    if IReasoningTap.providedBy(tap):
        keep = partial(context.services.signatures.remember, context.call.principal)
        family, unsigned = target.capabilities.family, target.wants_reasoning
        collector = SignatureCollector(keep, unsigned=unsigned)
        tap.collect(collector.feed, family, unsigned=unsigned)
    remember_origin(context, option, attempt.lease.credential, tap)
    return tap
