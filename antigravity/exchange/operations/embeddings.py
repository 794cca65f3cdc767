"""The attempts of one request for vectors: what leads to them is as for an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, cast

from msgspec.structs import replace

from antigravity.context.estimate import estimate_parts
from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.loop import AttemptKind, AttemptLoop
from antigravity.exchange.attempts.native import whole
from antigravity.exchange.attempts.upstream_call import UpstreamCall
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.parallel import run_parallel
from antigravity.exchange.plan import Plan
from antigravity.exchange.response_headers import COUNT_SOURCE, warnings
from antigravity.exchange.streams.bounds import RESPONSE_LIMIT
from antigravity.exchange.streams.response_form import FormDetector, ResponseSource
from antigravity.exchange.streams.translated import empty_response_error
from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.embeddings import IEmbeddingClient, IEmbeddingServer
from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.ir.capabilities import Loss
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse
from antigravity.ir.surrogates import repair_surrogates
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in
from antigravity.routing.decision import RoutingOption

#: Requests for one client's request that are under way at the same time.
AT_ONCE: Final = 4
#: Inputs in one of them: the vectors of more take too long to read without a pause.
BATCH: Final = 128
#: From so many bytes on vectors are read and written in a thread.
_LARGE: Final = 512 * 1024
#: About what a number takes in JSON.
_NUMBER: Final = 20

T = TypeVar("T")

#: The places of some inputs in a request.
Places = tuple[int, ...]


async def embed(context: RequestContext) -> Reply:
    """Return the reply to a request for vectors.

    :raises GatewayError: if it failed.
    """
    head = context.head
    context.recorder.begin(head.model, stream=False)
    decision = await context.snapshot.embeddings.route(head.model, context.protocol.name)
    context.recorder.route(decision)
    return await Embedding(context, Plan(decision)).run()


class Embedding:
    """The attempts of one request for vectors.

    More inputs than an upstream takes at once are sent in batches.  What one attempt has got
    of them is kept for the next one, if that asks the same upstream for the same model.
    """

    def __init__(self, context: RequestContext, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._server = cast(IEmbeddingServer, context.protocol)
        self._decoded: EmbeddingRequest | None = None
        self._got: dict[UpstreamModel, dict[Places, EmbeddingResponse]] = {}

    @property
    def _request(self) -> EmbeddingRequest:
        if self._decoded is None:
            self._decoded = self._server.decode_embedding(self._context.call)
        return self._decoded

    async def run(self) -> Reply:
        """Return the reply of the first attempt that succeeds; a large request is decoded first.

        :raises GatewayError: the last attempt's error.
        """
        context = self._context
        if context.is_large:
            decode = self._server.decode_embedding
            self._decoded = await context.compute(decode, context.call)
        kind = AttemptKind(self._can_pass, self._send_native, self._send_translated)
        return await AttemptLoop(context, self._plan, kind).run()

    def _can_pass(self, context: RequestContext, option: RoutingOption) -> bool:
        """Return whether the body can go up as it came."""
        call, client = context.call, _client(option)
        operation = self._server.operation(call)
        if not option.native or not option.upstream.passes(client.name, operation, call.body):
            return False
        return bool(self._server.count_inputs(call) <= client.largest_batch)

    async def _send_translated(self, attempt: Attempt) -> Reply:
        """Return the vectors of all inputs, batch by batch."""
        option, context, request = attempt.option, self._context, self._request
        batches = _batches(request.inputs, min(_client(option).largest_batch, BATCH))
        got = self._got.setdefault(attempt.lease.upstream_model, {})
        context.recorder.lose(_unknown(request, option))
        jobs = [partial(self._ask, attempt, batch) for batch in batches if batch not in got]
        for batch, answer in await run_parallel(jobs, AT_ONCE):
            got[batch] = answer
        return await self._reply(_joined(got, len(request.inputs)))

    async def _send_native(self, attempt: Attempt) -> Reply:
        """Return the upstream's own response to the client's body."""
        context, option = self._context, attempt.option
        body = await context.compute(self._server.with_model, context.call, option.target.model)
        operation = self._server.operation(context.call)
        call = UpstreamCall(option, attempt.credential, operation, body, context.call.headers)
        return await whole(attempt, await call.send(context.services.transport))

    async def _ask(self, attempt: Attempt, batch: Places) -> tuple[Places, EmbeddingResponse]:
        """Return the vectors of some inputs."""
        context, option = self._context, attempt.option
        inputs = tuple(self._request.inputs[place] for place in batch)
        encoded = _client(option).encode_embedding(self._request, inputs, option.target)
        known = context.recorder.record.losses
        context.recorder.lose(tuple(dict.fromkeys((*known, *encoded.warnings))))
        call = UpstreamCall(option, attempt.credential, encoded.operation, encoded.body)
        response = await call.send(context.services.transport)
        body = await response.collect(RESPONSE_LIMIT)
        if not body.strip():
            raise empty_response_error()
        source = attempt.source(response)
        return batch, await self._apart(len(body), _read, option, source, body, len(batch))

    async def _apart(self, size: int, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a pure function gives; for many bytes of vectors it is called in a thread."""
        if size < _LARGE:
            return function(*arguments)
        result: T = await self._context.services.background.run(size, function, *arguments)
        return result

    async def _reply(self, response: EmbeddingResponse) -> Reply:
        """Return the client's reply, and end the record."""
        context, request = self._context, self._request
        source = "upstream" if response.usage is not None else "estimate"
        usage = response.usage or _estimated(request.inputs)
        response = replace(response, usage=usage)
        size = _NUMBER * sum(map(len, response.vectors))
        encode = self._server.encode_embeddings
        reply: HttpReply = await self._apart(size, encode, response, request, context.call)
        context.recorder.first_byte()
        context.recorder.end(None, usage)
        every = context.snapshot.settings.proxy.debug_headers
        reported = warnings(context.recorder.record.losses, every=every)
        return Reply.whole(reply, ((COUNT_SOURCE, source), *reported))


def _read(
    option: RoutingOption, source: ResponseSource, body: bytes, count: int
) -> EmbeddingResponse:
    """Return the ``count`` vectors in an upstream's answer.

    :raises GatewayError: if there are none.
    """
    client = _client(option)
    body = option.upstream.unwrap(repair_surrogates(body))
    detector = FormDetector()
    form = detector.feed(body) or detector.end()
    if form != "json":
        raise source.unusable(form, detector.head)
    failure = error_in(body, client.decode_error)
    if failure is not None:
        raise failure
    found: EmbeddingResponse = client.decode_embeddings(body, count)
    return found


def _client(option: RoutingOption) -> IEmbeddingClient:
    """Return the client side that the router of vectors has put there."""
    return cast(IEmbeddingClient, option.client)


def _batches(inputs: Sequence[EmbeddingInput], largest: int) -> list[Places]:
    """Return the places of the inputs in batches that each want vectors of one length."""
    alike: dict[int | None, list[int]] = {}
    for place, each in enumerate(inputs):
        alike.setdefault(each.dimensions, []).append(place)
    return [
        tuple(places[start : start + largest])
        for places in alike.values()
        for start in range(0, len(places), largest)
    ]


def _joined(got: dict[Places, EmbeddingResponse], count: int) -> EmbeddingResponse:
    """Return the answers to all batches as one; its usage is known if all of theirs are."""
    vectors: list[tuple[float, ...]] = [()] * count
    for places, answer in got.items():
        for place, vector in zip(places, answer.vectors, strict=True):
            vectors[place] = vector
    usages = [answer.usage for answer in got.values() if answer.usage is not None]
    total = Usage(input_total=sum(usage.input_total for usage in usages))
    model = next((answer.model for answer in got.values() if answer.model), "")
    return EmbeddingResponse(tuple(vectors), total if len(usages) == len(got) else None, model)


def _estimated(inputs: Sequence[EmbeddingInput]) -> Usage:
    """Return a usage for an upstream that tells none."""
    return Usage(input_total=sum(estimate_parts(each.parts) for each in inputs))


def _unknown(request: EmbeddingRequest, option: RoutingOption) -> tuple[Loss, ...]:
    """Return the losses of fields that only the client's protocol knows."""
    if option.native:
        return ()
    detail = f"only {request.protocol} knows this; it was left out"
    each = (name for given in request.inputs for name in given.extensions)
    return tuple(Loss(name, detail) for name in dict.fromkeys((*request.extensions, *each)))
