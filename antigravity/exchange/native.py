"""An attempt at an upstream that speaks the client's own protocol: nothing is translated."""

from __future__ import annotations

from functools import partial

import msgspec

from antigravity.exchange.answer_headers import passed_on
from antigravity.exchange.begin import begin
from antigravity.exchange.bounds import ANSWER_LIMIT
from antigravity.exchange.calibrating import learn
from antigravity.exchange.conversing import point_out
from antigravity.exchange.passing import PassedStream, ReframedStream, check_json
from antigravity.exchange.plain import PlainStream, file_headers, is_events, is_json
from antigravity.exchange.translators import Translator, empty_answer
from antigravity.exchange.upstream_call import UpstreamCall
from antigravity.exchange.work import Work
from antigravity.interfaces.answers import INamingTap
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import (
    ICollectingTap,
    IFramer,
    IPlainAnswers,
    IReframing,
    ITap,
)
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.request import Request
from antigravity.redaction.credentials import CREDENTIALS
from antigravity.redaction.errors import redact_errors
from antigravity.routing.router import Candidate
from antigravity.signatures.recovery import SignatureCollector


async def attempt_native(work: Work, candidate: Candidate, credential: Credential) -> Reply:
    """Return the reply that one candidate gives, once it has begun to answer.

    :raises GatewayError: if it fails before that.
    :raises Refused: if the upstream refused the request.
    """
    call = UpstreamCall(
        candidate.upstream,
        candidate.client,
        "stream" if work.head.stream else "generate",
        candidate.target.model,
        work.protocol.with_model(work.call, candidate.target.model),
        credential,
        work.call.headers,
    )
    response = await call.send(work.services.transport)
    tap = _tap(work, candidate)
    point_out(work, candidate, credential, tap)
    content_type = response.headers().get("content-type", "")
    if IPlainAnswers.providedBy(work.protocol) and not is_events(content_type):
        if is_json(content_type):  # also where a stream was asked for that there is not
            return await whole(work, candidate, response, tap)
        return await _plain(work, response)
    if work.head.stream:
        return await _stream(work, candidate, response, tap)
    return await whole(work, candidate, response, tap)


async def _plain(work: Work, response: IIncomingResponse) -> Reply:
    headers = response.headers()
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/octet-stream"))
    passed = (*passed_on(headers), *file_headers(headers))
    status = response.status()
    pump = await begin(work, PlainStream(), response, cuts=True)
    return Reply(status, content_type, passed, stream=pump)


async def _stream(
    work: Work, candidate: Candidate, response: IIncomingResponse, tap: ITap
) -> Reply:
    protocol, upstream = work.protocol, candidate.upstream
    framer: IFramer | None = None
    if IReframing.providedBy(protocol):
        framer = protocol.framer(work.call)
    translator: Translator
    if framer is not None or upstream.wraps():

        def error_body(error: GatewayError) -> bytes:
            body: bytes = (
                protocol.failure(error)
                if IReframing.providedBy(protocol)
                else protocol.encode_error(error, work.call.request_id).body
            )
            return body

        translator = ReframedStream(tap, protocol.keepalive, upstream.unwrap, framer, error_body)
    else:
        translator = PassedStream(tap, protocol.keepalive, protocol.encoder(_context(work)))
    headers = passed_on(response.headers())

    def finished(error: GatewayError | None) -> None:
        if error is None:
            learn(work, candidate.target.model, translator.usage, work.decoded)

    pump = await begin(work, translator, response, finished)
    content_type = framer.content_type if framer is not None else "text/event-stream"
    return Reply(200, content_type, headers, stream=pump)


async def whole(
    work: Work, candidate: Candidate, response: IIncomingResponse, tap: ITap | None = None
) -> Reply:
    """Return an answer that is no stream, shown to ``tap``, and end the record.

    :raises UpstreamError: if it is none.
    """
    headers = response.headers()
    body = await response.collect(ANSWER_LIMIT)
    if not body.strip():
        raise empty_answer()
    try:
        body = candidate.upstream.unwrap(body)
        check_json(body)
    except msgspec.DecodeError as error:
        raise UpstreamError("The upstream's answer is no JSON; try again.") from error
    work.recorder.first_byte()
    if ICollectingTap.providedBy(tap) or INamingTap.providedBy(tap):
        tap.whole(body)
    usage = candidate.client.decode_usage(body)
    work.recorder.end(None, usage)
    learn(work, candidate.target.model, usage, work.decoded)
    content_type = CREDENTIALS.redact(headers.get("content-type", "application/json"))
    return Reply(response.status(), content_type, passed_on(headers), redact_errors(body))


def _tap(work: Work, candidate: Candidate) -> ITap:
    """Return a tap that remembers the thinking behind tool calls, if it can."""
    tap: ITap = candidate.client.tap()
    if ICollectingTap.providedBy(tap):
        keep = partial(work.services.signatures.remember, work.call.principal)
        target = candidate.target
        collector = SignatureCollector(keep, unsigned=target.wants_reasoning)
        tap.collect(collector.feed, target.capabilities.family, unsigned=target.wants_reasoning)
    return tap


def _context(work: Work) -> ReplyContext:
    """Return a context for the error event: the request itself need not be decoded for it."""
    head = work.head
    return ReplyContext(
        call=work.call,
        request=Request(head.model, (), work.protocol.name, stream=True),
        model=head.model,
        created=int(work.recorder.record.started),
        new_id=work.services.new_id,
    )
