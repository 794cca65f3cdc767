"""An attempt at an upstream that speaks another protocol than the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from antigravity.config.settings import WholeResponses
from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.background_agent import BackgroundAgent
from antigravity.exchange.attempts.commit_point import begin
from antigravity.exchange.attempts.refused_parameters import remember_refusal
from antigravity.exchange.attempts.upstream_call import Refused, UpstreamCall
from antigravity.exchange.attempts.whole_responses import QUIRK, needs_stream, wants_whole
from antigravity.exchange.context import RequestContext
from antigravity.exchange.function_forms import to_functions
from antigravity.exchange.json_path import set_error_path
from antigravity.exchange.operations.stored_responses import store_response
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import Headers, upstream_request_id, warnings
from antigravity.exchange.streams.converted import ConvertedStream
from antigravity.exchange.streams.event_source import EventSource
from antigravity.exchange.streams.other_protocol import decoder_finder
from antigravity.exchange.streams.raw import is_events
from antigravity.exchange.streams.translated import ResponseCollector, TranslatedStream
from antigravity.exchange.token_estimate import estimate_input_tokens, learn_from_usage
from antigravity.interfaces.audio import IConverted, IConverter
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import (
    EncodedRequest,
    IClientProtocol,
    IStreamDecoder,
    IStreamEncoder,
)
from antigravity.interfaces.server_traits import FunctionForms
from antigravity.interfaces.transport import IIncomingResponse
from antigravity.interfaces.upstreams import UpstreamOperation
from antigravity.ir.call import Body, HttpReply
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import GatewayError, UnreadablePartError
from antigravity.ir.outline import Outline
from antigravity.ir.outlined_request import shorten_images
from antigravity.ir.request import Request
from antigravity.lowering.omitted_parameters import omit_parameters, refusing_target
from antigravity.lowering.pipeline import Lowered, lower
from antigravity.lowering.provider_content import foreign_extensions
from antigravity.protocols.parameter_refusals import find_refused_parameters, refuses_one_value
from antigravity.signatures.repair import REPAIRED
from antigravity.signatures.store import StoredThinking
from antigravity.signatures.thinking_recovery import SignatureCollector, recover

#: A lowered request, its encoded form, in which images may be shortened, and the body to send.
Translated = tuple[Lowered, EncodedRequest, Body]
#: Gives an account back with the error of an attempt, ``None`` for a success.
Settle = Callable[[GatewayError | None], None]
ThinkingLookup = Callable[[str], StoredThinking | None]
AsFunctions = Callable[[Request], FunctionForms | None]


async def attempt_translated(attempt: Attempt) -> Reply:
    """Return the reply that one option gives, once it has begun.

    :raises GatewayError: if it fails before that.
    :raises Refused: if the upstream refused the request.
    """
    context, option, fitted = attempt.context, attempt.option, attempt.fitted
    form = context.snapshot.settings.proxy.whole_responses
    omitted = context.services.refusals.names(option.upstream.name, option.target.model)
    omitted |= context.attempts.omitted
    form = "never" if context.head.stream else form
    lowered, encoded, body = await _encode(attempt, form, omitted)
    changes = (*attempt.losses, REPAIRED) if context.is_repaired else attempt.losses
    changes += fitted.losses if fitted is not None else ()
    context.recorder.warn(changes + lowered.losses + encoded.warnings)
    operation: UpstreamOperation = "stream" if lowered.request.stream else "generate"
    headers = with_betas(_own_version(context.call.headers) if option.native else {}, encoded)
    call = UpstreamCall(option, attempt.lease.credential, operation, body, headers)
    try:
        response = await call.send(context.services.transport, context.recorder)
    except Refused as refused:
        refused.learned = _learn(attempt, refused, lowered, encoded.body, omitted)
        raise
    decoder: IStreamDecoder = option.client.decoder(lowered.request, option.target)
    agent: BackgroundAgent | None = None
    if option.target.capabilities.agent == "background":
        decoder = agent = BackgroundAgent(attempt, decoder)
    source = _source(attempt, lowered, response, decoder)
    settle = attempt.settle if agent is None else agent.settle

    def completed() -> None:
        learn_from_usage(context, option.target.model, source.reported, lowered.request)

    reply = _stream if context.head.stream else _whole
    try:
        return await reply(attempt, source, response, settle, completed)
    except BaseException:  # a client that disconnects cancels the attempt
        if agent is not None:
            agent.cancel()
        raise


def _own_version(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return a client's headers without the API version: the body is the gateway's own."""
    return {name: value for name, value in headers.items() if name != "anthropic-version"}


def with_betas(headers: Mapping[str, str], encoded: EncodedRequest) -> Mapping[str, str]:
    """Return a client's headers with the betas that a request of the gateway needs."""
    if not encoded.betas:
        return headers
    known = headers.get("anthropic-beta", "")
    names = {name.strip() for name in known.split(",")}
    missing = [beta for beta in encoded.betas if beta not in names]
    return {**headers, "anthropic-beta": ",".join((known, *missing) if known else missing)}


def _learn(
    attempt: Attempt, refused: Refused, lowered: Lowered, encoded: bytes, omitted: frozenset[str]
) -> bool:
    """Return whether the upstream refused parameters that can be omitted, and remember them.

    Where it accepts other values, they are omitted from this request only.
    """
    option, state = attempt.option, attempt.context.attempts
    status = refused.error.upstream_status or 0
    if option.client.traits.streams and not lowered.request.stream and needs_stream(refused.error):
        names = frozenset((QUIRK,))
    else:
        names = find_refused_parameters(status, refused.body, encoded)
        if refuses_one_value(refused.body):
            state.omitted |= names
            return not omitted.issuperset(names)
    return remember_refusal(attempt, refused, names, omitted)


async def _encode(attempt: Attempt, form: WholeResponses, refused: frozenset[str]) -> Translated:
    """Return the request as the option can take it, and its body.

    ``refused`` are the parameters that the upstream is known to refuse.
    """
    context, client, target = attempt.context, attempt.option.client, attempt.option.target
    if context.is_large:
        await context.decode()
    else:
        waiting = context.services.turns.reserve(len(context.call.body))
        if waiting is not None:
            with context.recorder.waiting("queue"):
                await waiting
    fitted = attempt.fitted
    request = context.request if fitted is None else fitted.request
    request = await context.fetch_media(request, client.traits)
    lookup: ThinkingLookup | None = None
    if not context.is_repaired and fitted is None:
        lookup = await context.thinking_lookup(request)
    upstream = attempt.option.upstream.name
    outline = context.shortened
    functions = context.traits.as_functions
    try:
        if context.is_large:
            return await context.compute(
                _translate,
                *(request, lookup, client, target, refused, upstream, form, outline, functions),
            )
        return _translate(
            request, lookup, client, target, refused, upstream, form, outline, functions
        )
    except UnreadablePartError as error:
        await context.compute(set_error_path, error, context.original_call.body)
        raise


def _translate(
    request: Request,
    lookup: ThinkingLookup | None,
    client: IClientProtocol,
    target: Target,
    refused: frozenset[str],
    upstream: str,
    form: WholeResponses,
    outline: Outline | None,
    as_functions: AsFunctions | None,
) -> Translated:
    """Return the lowered and encoded request, with the thinking that ``lookup`` finds restored.

    ``refused`` are the parameters that the upstream is known to refuse, ``outline`` is that of the
    client's body, and ``as_functions`` is the client protocol's.
    """
    forms = to_functions(request, client.name, as_functions)
    request = forms.request
    if refused:
        target = refusing_target(target, refused)
    if lookup is not None:
        family, reasoning = target.capabilities.family, target.wants_reasoning
        request = recover(request, lookup, family, reasoning=reasoning)
    request = replace(request, model=target.model, stream=True)
    lowered = lower(request, client.traits, target, client.name)
    if forms.losses:
        lowered = replace(lowered, losses=forms.losses + lowered.losses)
    if forms.restorer is not None:
        lowered = replace(lowered, pipeline=lowered.pipeline.followed_by(forms.restorer))
    if request.extensions:
        unknown = foreign_extensions(lowered.request, client.name)
        lowered = replace(lowered, losses=unknown + lowered.losses)
    if refused:
        rest, losses = omit_parameters(lowered.request, refused, upstream)
        lowered = replace(lowered, request=rest, losses=lowered.losses + losses)
    if wants_whole(lowered.request, target, client.traits, form):
        lowered = replace(lowered, request=replace(lowered.request, stream=False))
    return lowered, *_encode_body(lowered.request, client, target, outline)


def _encode_body(
    request: Request, client: IClientProtocol, target: Target, outline: Outline | None
) -> tuple[EncodedRequest, Body]:
    """Return the encoded request and its body, into which images are put without reading them."""
    encoded: EncodedRequest
    if outline is not None and client.traits.moves_images:
        short, count = shorten_images(request, outline)
        if count:
            try:
                encoded = client.encode(short, target)
            except GatewayError:
                pass  # it is raised again for the request itself
            else:
                pieces = outline.restore(encoded.body)
                if len(pieces) == 1 + 2 * count:
                    return encoded, pieces
    encoded = client.encode(request, target)
    return encoded, encoded.body


def _source(
    attempt: Attempt, lowered: Lowered, response: IIncomingResponse, decoder: IStreamDecoder
) -> EventSource:
    context, option, target = attempt.context, attempt.option, attempt.option.target
    keep = partial(context.services.signatures.remember, context.call.principal)
    return EventSource(
        decoder,
        lowered.pipeline,
        option.upstream.unwrap if option.upstream.wraps() else None,
        SignatureCollector(keep, unsigned=target.wants_reasoning),
        partial(estimate_input_tokens, context, target.model, lowered.request),
        whole=not option.client.traits.streams,
        held=not context.head.stream,
        source=attempt.source(response),
        ends=attempt.end_policy,
        others=decoder_finder(context, option, lowered.request),
    )


def _headers(context: RequestContext, response: IIncomingResponse) -> Headers:
    every = context.snapshot.settings.proxy.debug_headers
    reported = warnings(context.recorder.record.warnings, every=every)
    return upstream_request_id(response.headers()) + reported


async def _stream(
    attempt: Attempt,
    source: EventSource,
    response: IIncomingResponse,
    settle: Settle,
    completed: Callable[[], None],
) -> Reply:
    context = attempt.context
    encoder: IStreamEncoder = context.protocol.encoder(reply_context(context))

    def store() -> None:
        completed()
        final: Any = getattr(encoder, "final_response", None)
        if final is not None:
            store_response(context, final)

    converted = IConverted(encoder, None)
    converter: IConverter | None = None if converted is None else converted.converter()
    # Files have no form for an error, and neither has what is to be converted.
    bare = context.traits.can_respond_with_files and not is_events(encoder.content_type)
    abort_on_error = converter is not None or bare
    translator = TranslatedStream(source, encoder)
    pump = await begin(context, translator, response, settle, store, abort_on_error=abort_on_error)
    stream: object = pump
    if converter is not None:
        stream = ConvertedStream(pump, converter, context.services.in_thread)
    return Reply(200, encoder.content_type, _headers(context, response), stream=stream)


async def _whole(
    attempt: Attempt,
    source: EventSource,
    response: IIncomingResponse,
    settle: Settle,
    completed: Callable[[], None],
) -> Reply:
    context = attempt.context
    folded = ResponseCollector(source)
    await begin(context, folded, response, settle)
    whole = folded.response()
    reply: HttpReply = context.protocol.encode_response(whole, reply_context(context))
    store_response(context, reply.body)
    context.recorder.end(None, whole.usage)
    completed()
    return Reply.whole(reply, _headers(context, response))
