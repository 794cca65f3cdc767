"""An attempt at an upstream that speaks another protocol than the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from antigravity.exchange.attempts.commit_point import begin
from antigravity.exchange.attempts.context_fitter import FittedRequest
from antigravity.exchange.attempts.upstream_call import UpstreamCall
from antigravity.exchange.body_paths import locate
from antigravity.exchange.calibrating import calibrated_estimate, learn
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.stored_responses import keep_conversation
from antigravity.exchange.reply_context import end_policy, reply_context, response_source
from antigravity.exchange.response_headers import Headers, upstream_request_id, warnings
from antigravity.exchange.streams.converted import ConvertedStream
from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.other_protocol import decoder_finder
from antigravity.exchange.streams.raw import is_events
from antigravity.exchange.streams.translated import ResponseCollector, TranslatedStream
from antigravity.interfaces.audio import IConverted, IConverter
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import (
    Encoded,
    IClientProtocol,
    IStreamEncoder,
)
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.call import HttpReply
from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.errors import GatewayError, UnreadablePartError
from antigravity.ir.request import Request
from antigravity.lowering.extensions import foreign_extensions
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.routing.router import Candidate
from antigravity.signatures.recovery import SignatureCollector, recover
from antigravity.signatures.repair import REPAIRED
from antigravity.signatures.store import Memory

Recall = Callable[[str], Memory | None]


async def attempt_translated(
    context: RequestContext,
    candidate: Candidate,
    credential: Credential,
    fitted: FittedRequest | None = None,
) -> Reply:
    """Return the reply that one candidate gives, once it has begun to answer.

    ``fitted`` is the request if it was changed for this candidate.

    :raises GatewayError: if it fails before that.
    :raises Refused: if the upstream refused the request.
    """
    lowered, encoded = await _encode(context, candidate, fitted)
    changes: tuple[Loss, ...] = (*context.notes, REPAIRED) if context.repaired else context.notes
    changes += fitted.losses if fitted is not None else ()
    context.recorder.record.losses = changes + lowered.losses + encoded.warnings
    call = UpstreamCall(
        candidate.upstream,
        candidate.client,
        "stream" if candidate.client.traits.streams else "generate",
        candidate.target.model,
        encoded.body,
        credential,
        context.call.headers if candidate.native else {},
    )
    response = await call.send(context.services.transport, context.recorder.repeated)
    source = _source(context, candidate, lowered, response)

    def answered() -> None:
        learn(context, candidate.target.model, source.reported, lowered.request)

    if context.head.stream:
        return await _stream(context, source, response, answered)
    return await _whole(context, source, response, answered)


async def _encode(
    context: RequestContext, candidate: Candidate, fitted: FittedRequest | None
) -> tuple[Lowered, Encoded]:
    """Return the request in the candidate's words, and its bytes."""
    client = candidate.client
    await context.prepare()
    request = context.request if fitted is None else fitted.request
    request = await context.fetch_media(request, client.traits)
    recall: Recall | None = None
    if not context.repaired and fitted is None:
        recall = await context.recall(request)
    try:
        return await context.compute(_translate, request, recall, client, candidate.target)
    except UnreadablePartError as error:
        await context.compute(locate, error, context.original_call.body)
        raise


def _translate(
    request: Request, recall: Recall | None, client: IClientProtocol, target: Target
) -> tuple[Lowered, Encoded]:
    """Return the request in the target's words, with thinking that is put back by ``recall``."""
    if recall is not None:
        family, reasoning = target.capabilities.family, target.wants_reasoning
        request = recover(request, recall, family, reasoning=reasoning)
    request = replace(request, model=target.model, stream=True)
    lowered = lower(request, client.traits, target, client.name)
    unknown = foreign_extensions(request, client.name)
    lowered = replace(lowered, losses=unknown + lowered.losses)
    encoded: Encoded = client.encode(lowered.request, target)
    return lowered, encoded


def _source(
    context: RequestContext, candidate: Candidate, lowered: Lowered, response: IIncomingResponse
) -> EventSource:
    keep = partial(context.services.signatures.remember, context.call.principal)
    return EventSource(
        candidate.client.decoder(lowered.request, candidate.target),
        lowered.pipeline,
        candidate.upstream.unwrap if candidate.upstream.wraps() else None,
        SignatureCollector(keep, unsigned=candidate.target.wants_reasoning).feed,
        partial(calibrated_estimate, context, candidate.target.model, lowered.request),
        whole=not candidate.client.traits.streams,
        lines=candidate.client.traits.json_lines,
        held=not context.head.stream,
        source=response_source(candidate, response),
        ends=end_policy(context, candidate),
        others=decoder_finder(context, candidate, lowered.request),
    )


def _headers(context: RequestContext, response: IIncomingResponse) -> Headers:
    every = context.snapshot.settings.proxy.debug_headers
    told = warnings(context.recorder.record.losses, every=every)
    return upstream_request_id(response.headers()) + told


async def _stream(
    context: RequestContext,
    source: EventSource,
    response: IIncomingResponse,
    answered: Callable[[], None],
) -> Reply:
    encoder: IStreamEncoder = context.protocol.encoder(reply_context(context))

    def finished(error: GatewayError | None) -> None:
        if error is not None:
            return
        answered()
        final: Any = getattr(encoder, "final_response", None)
        if final is not None:
            keep_conversation(context, final)

    converted = IConverted(encoder, None)
    converter: IConverter | None = None if converted is None else converted.converter()
    # Files have no words for an error, and what is to be converted is no place for them.
    bare = context.traits.may_answer_with_files and not is_events(encoder.content_type)
    abort_on_error = converter is not None or bare
    translator = TranslatedStream(source, encoder)
    pump = await begin(context, translator, response, finished, abort_on_error=abort_on_error)
    stream: object = pump
    if converter is not None:
        stream = ConvertedStream(pump, converter, context.services.in_thread)
    return Reply(200, encoder.content_type, _headers(context, response), stream=stream)


async def _whole(
    context: RequestContext,
    source: EventSource,
    response: IIncomingResponse,
    answered: Callable[[], None],
) -> Reply:
    folded = ResponseCollector(source)
    await begin(context, folded, response)
    answer = folded.response()
    reply: HttpReply = context.protocol.encode_response(answer, reply_context(context))
    keep_conversation(context, reply.body)
    context.recorder.end(None, answer.usage)
    answered()
    headers = (*reply.headers, *_headers(context, response))
    return Reply(reply.status, reply.content_type, headers, reply.body)
