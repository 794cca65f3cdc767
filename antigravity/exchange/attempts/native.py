"""An attempt at an upstream that speaks the client's own protocol: nothing is translated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from antigravity.exchange.attempts.commit_point import begin
from antigravity.exchange.attempts.upstream_call import UpstreamCall
from antigravity.exchange.calibrating import learn
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.stored_responses import keep_conversation, remember_origin
from antigravity.exchange.reply_context import end_policy, reply_context, response_source
from antigravity.exchange.response_headers import passed_on
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
    check_json,
)
from antigravity.exchange.streams.raw import (
    RawStream,
    file_headers,
    is_events,
    is_html,
    is_json,
)
from antigravity.exchange.streams.response_form import FormDetector
from antigravity.exchange.streams.translated import Translator, empty_response_error
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import (
    IClientProtocol,
    ICollectingTap,
    INamingTap,
    ITap,
    IWholeRepairingTap,
)
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import StreamFailure
from antigravity.ir.request import Request
from antigravity.ir.surrogates import repair_surrogates, replace_broken_text
from antigravity.protocols.embedded_errors import error_in
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.redaction.errors import redact_errors
from antigravity.routing.router import Candidate
from antigravity.signatures.recovery import SignatureCollector
from antigravity.sse import ServerSentEvent

#: Where one JSON value ends and another begins; within one there would be a comma.
_SEVERAL: Final = re.compile(rb"\}[ \t]*\r?\n\s*\{")
#: Larger responses are not empty.
_EMPTY_LIMIT: Final = 16 * 1024


async def attempt_native(
    context: RequestContext, candidate: Candidate, credential: Credential
) -> Reply:
    """Return the reply that one candidate gives, once it has begun to answer.

    :raises GatewayError: if it fails before that.
    :raises Refused: if the upstream refused the request.
    """
    body = await context.compute(context.protocol.with_model, context.call, candidate.target.model)
    call = UpstreamCall(
        candidate.upstream,
        candidate.client,
        "stream" if context.head.stream else "generate",
        candidate.target.model,
        body,
        credential,
        context.call.headers,
    )
    response = await call.send(context.services.transport, context.recorder.repeated)
    tap = _tap(context, candidate)
    remember_origin(context, candidate, credential, tap)
    content_type = response.headers().get("content-type", "")
    is_plain = not is_events(content_type) and not is_json(content_type)
    if context.traits.may_answer_with_files and is_html(content_type):
        response.abort()
        raise response_source(candidate, response).unusable("html")
    if context.traits.may_answer_with_files and is_plain:
        return await _plain(context, response)
    if context.head.stream:
        if not is_events(content_type):
            await _prepare(context)
        return await _stream(context, candidate, response, tap)
    return await whole(context, candidate, response, tap)


async def _prepare(context: RequestContext) -> None:
    """Decode a large request, which a response in another form may need."""
    with suppress(GatewayError):  # then such a response cannot be read
        await context.prepare()


async def _plain(context: RequestContext, response: IIncomingResponse) -> Reply:
    headers = response.headers()
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/octet-stream"))
    passed = (*passed_on(headers), *file_headers(headers))
    status = response.status()
    pump = await begin(context, RawStream(), response, abort_on_error=True)
    return Reply(status, content_type, passed, stream=pump)


async def _stream(
    context: RequestContext, candidate: Candidate, response: IIncomingResponse, tap: ITap
) -> Reply:
    protocol, upstream = context.protocol, candidate.upstream
    framing = context.traits.framing
    framer = None if framing is None else framing.framer(context.call)
    ends = end_policy(context, candidate)
    passed: Translator
    if framer is not None or upstream.wraps():

        def error_body(error: GatewayError) -> bytes:
            if framing is not None:
                return framing.encode_failure(error)
            body: bytes = protocol.encode_error(error, context.call.request_id).body
            return body

        passed = ReframedStream(tap, protocol.keepalive, upstream.unwrap, framer, error_body, ends)
    else:
        passed = PassedThroughStream(
            tap, protocol.keepalive, protocol.encoder(_context(context)), ends
        )
    translated = partial(reencoded_stream, context, candidate, response)
    source, name = response_source(candidate, response), candidate.client.name
    translator = FormDetectingStream(passed, translated, source, name)
    headers = passed_on(response.headers())

    def finished(error: GatewayError | None) -> None:
        if error is None:
            learn(context, candidate.target.model, translator.usage, context.decoded)

    pump = await begin(context, translator, response, finished)
    content_type = framer.content_type if framer is not None else "text/event-stream"
    return Reply(200, content_type, headers, stream=pump)


async def whole(
    context: RequestContext,
    candidate: Candidate,
    response: IIncomingResponse,
    tap: ITap | None = None,
) -> Reply:
    """Return an answer that is no stream, shown to ``tap``, and end the record.

    :raises UpstreamError: if it is none.
    """
    headers = response.headers()
    body = await response.collect(RESPONSE_LIMIT)
    detector = FormDetector()
    form = detector.feed(body) or detector.end()
    if not detector.head:
        raise empty_response_error()
    if form not in ("json", "events"):
        raise response_source(candidate, response).unusable(form, detector.head)
    is_stream = form == "events" or _is_several(body)
    if is_stream:
        await _prepare(context)
        if not _is_readable(context, candidate):
            raise response_source(candidate, response).unusable(form)
        return _collect(context, candidate, response, body)
    try:
        body = candidate.upstream.unwrap(replace_broken_text(repair_surrogates(detector.head)))
        check_json(body)
    except msgspec.DecodeError as error:
        raise UpstreamError("The upstream's answer is no JSON; try again.") from error
    failure = error_in(body, partial(_decode_error, candidate))
    if failure is not None:
        raise failure
    if is_other_protocol(candidate.client.name, body) and _is_readable(context, candidate):
        await _prepare(context)
        return _collect(context, candidate, response, detector.head)
    if _is_empty_by_mistake(context, candidate, body):
        raise empty_response_error()
    context.recorder.first_byte()
    repairing = IWholeRepairingTap(tap, None)
    if repairing is not None:
        body = repairing.repair_whole(body)
    collecting = ICollectingTap(tap, None) or INamingTap(tap, None)
    if collecting is not None:
        collecting.whole(body)
    usage = candidate.client.decode_usage(body)
    context.recorder.end(None, usage)
    learn(context, candidate.target.model, usage, context.decoded)
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/json"))
    return Reply(response.status(), content_type, passed_on(headers), redact_errors(body))


def _is_several(body: bytes) -> bool:
    """Return whether a body is several JSON values, in lines or in an array."""
    return body.lstrip()[:1] == b"[" or _SEVERAL.search(body) is not None


def _is_empty_by_mistake(context: RequestContext, candidate: Candidate, body: bytes) -> bool:
    """Return whether a whole response is empty, of a model that is known to make such ones."""
    ends = end_policy(context, candidate)
    if len(body) >= _EMPTY_LIMIT or ends.accepts_empty or not _is_readable(context, candidate):
        return False
    # What the request was does not matter for that, so it need not be decoded.
    decoder = candidate.client.decoder(Request("", (), candidate.client.name), candidate.target)
    found = [*decoder.decode(ServerSentEvent("", body)), *decoder.close()]
    return not any(has_content(event, ends) for event in found) and not any(
        isinstance(event, StreamFailure) for event in found
    )


def _is_readable(context: RequestContext, candidate: Candidate) -> bool:
    """Return whether a response can be decoded: one of a model that talks, not vectors."""
    return (
        IClientProtocol.providedBy(candidate.client) and context.call.route.operation == "generate"
    )


def _decode_error(
    candidate: Candidate, status: int, headers: Mapping[str, str], body: bytes
) -> GatewayError:
    error: GatewayError = candidate.client.decode_error(status, headers, body)
    return error


def _collect(
    context: RequestContext, candidate: Candidate, response: IIncomingResponse, body: bytes
) -> Reply:
    """Return the reply that a stream holds, where a whole response was asked for."""
    answer = collect_response(context, candidate, response, body)
    context.recorder.first_byte()
    reply: HttpReply = context.protocol.encode_response(answer, reply_context(context))
    keep_conversation(context, reply.body)
    context.recorder.end(None, answer.usage)
    learn(context, candidate.target.model, answer.usage, context.decoded)
    headers = (*reply.headers, *passed_on(response.headers()))
    return Reply(reply.status, reply.content_type, headers, reply.body)


def _tap(context: RequestContext, candidate: Candidate) -> ITap:
    """Return a tap that remembers the thinking behind tool calls, if it can."""
    tap: ITap = candidate.client.tap()
    collecting = ICollectingTap(tap, None)
    if collecting is not None:
        keep = partial(context.services.signatures.remember, context.call.principal)
        family, unsigned = candidate.target.capabilities.family, candidate.target.wants_reasoning
        collector = SignatureCollector(keep, unsigned=unsigned)
        collecting.collect(collector.feed, family, unsigned=unsigned)
    return tap


def _context(context: RequestContext) -> ReplyContext:
    """Return a context for the error event: the request itself need not be decoded for it."""
    head = context.head
    return ReplyContext(
        call=context.call,
        request=Request(head.model, (), context.protocol.name, stream=True),
        model=head.model,
        created=int(context.recorder.record.started),
        new_id=context.services.new_id,
    )
