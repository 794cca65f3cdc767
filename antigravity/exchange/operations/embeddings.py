"""Requests for vectors: routing, accounts and attempts are the same as for responses."""

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
from antigravity.exchange.key_admission import restrict
from antigravity.exchange.plan import Plan
from antigravity.exchange.response_headers import COUNT_SOURCE, warnings
from antigravity.exchange.streams.bounds import RESPONSE_LIMIT
from antigravity.exchange.streams.response_form import FormDetector, ResponseSource
from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.embeddings import IEmbeddingClient, IEmbeddingServer
from antigravity.interfaces.exchange import Reply
from antigravity.ir.call import HttpReply
from antigravity.ir.capabilities import Loss
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, EmbeddingResponse
from antigravity.ir.errors import GatewayError, empty_response_error
from antigravity.ir.surrogates import repair_surrogates
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in
from antigravity.routing.decision import RoutingOption

#: Upstream requests for one client's request that run at the same time.
PARALLEL: Final = 4
#: Inputs of one upstream request: to read more vectors would block the event loop.
BATCH: Final = 128
#: Bytes from which on vectors are read and written in a thread.
_LARGE: Final = 512 * 1024
#: About the bytes of a number in JSON.
_NUMBER_SIZE: Final = 20

T = TypeVar("T")

#: The indexes of some inputs in a request.
Batch = tuple[int, ...]


async def embed(context: RequestContext) -> Reply:
    """Return the reply to a request for vectors.

    :raises GatewayError: if it failed.
    """
    head = context.head
    context.recorder.begin(head.model, stream=False)
    decision = await context.snapshot.embeddings.route(head.model, context.protocol.name)
    context.recorder.route(decision)
    plan = await restrict(context, Plan(decision))
    return await Embedding(context, plan).run()


class Embedding:
    """The attempts of one request for vectors.

    Inputs beyond the limit of an upstream are sent in batches.  The batches that succeeded are
    kept for the next attempt at the same upstream and model.
    """

    def __init__(self, context: RequestContext, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._server = cast(IEmbeddingServer, context.protocol)
        self._decoded: EmbeddingRequest | None = None
        self._batches: dict[UpstreamModel, dict[Batch, EmbeddingResponse]] = {}

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
        """Return whether the body can be sent unchanged."""
        call, client = context.call, _client(option)
        operation = self._server.operation(call)
        if not option.native or not option.upstream.passes(client.name, operation, call.body):
            return False
        return bool(self._server.count_inputs(call) <= client.largest_batch)

    async def _send_translated(self, attempt: Attempt) -> Reply:
        """Return the vectors of all inputs, batch by batch."""
        option, context, request = attempt.option, self._context, self._request
        batches = _batches(request.inputs, min(_client(option).largest_batch, BATCH))
        done = self._batches.setdefault(attempt.lease.upstream_model, {})
        context.recorder.warn(_unsupported(request, option))
        jobs = [partial(self._ask, attempt, batch) for batch in batches if batch not in done]
        with context.recorder.waiting("upstream"):
            done.update(await run_parallel(jobs, PARALLEL))
        return await self._reply(_merge(done, len(request.inputs)))

    async def _send_native(self, attempt: Attempt) -> Reply:
        """Return the upstream's own response to the client's body."""
        context, option = self._context, attempt.option
        body = await context.compute(self._server.with_model, context.call, option.target.model)
        operation = self._server.operation(context.call)
        call = UpstreamCall(option, attempt.lease.credential, operation, body, context.call.headers)
        response = await call.send(context.services.transport, context.recorder)
        return await whole(attempt, response, estimate_usage=self._estimate)

    def _estimate(self) -> Usage | None:
        """Return an estimate, ``None`` if only the upstream can read the request."""
        try:
            return _estimate_usage(self._request.inputs)
        except GatewayError:
            return None

    async def _ask(self, attempt: Attempt, batch: Batch) -> tuple[Batch, EmbeddingResponse]:
        """Return the vectors of some inputs."""
        context, option = self._context, attempt.option
        inputs = tuple(self._request.inputs[place] for place in batch)
        encoded = _client(option).encode_embedding(self._request, inputs, option.target)
        known = context.recorder.record.warnings
        context.recorder.warn(tuple(dict.fromkeys((*known, *encoded.warnings))))
        trace = context.recorder.trace_headers()
        credential = attempt.lease.credential
        call = UpstreamCall(option, credential, encoded.operation, encoded.body, trace=trace)
        response = await call.send(context.services.transport)
        body = await response.collect(RESPONSE_LIMIT)
        if not body.strip():
            raise empty_response_error()
        source = attempt.source(response)
        return batch, await self._compute(len(body), _read, option, source, body, len(batch))

    async def _compute(self, size: int, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a pure function; for many bytes it is called in a thread."""
        if size < _LARGE:
            return function(*arguments)
        result: T = await self._context.services.background.run(size, function, *arguments)
        return result

    async def _reply(self, response: EmbeddingResponse) -> Reply:
        """Return the client's reply, and end the record."""
        context, request = self._context, self._request
        source = "upstream" if response.usage is not None else "estimate"
        usage = response.usage or _estimate_usage(request.inputs)
        response = replace(response, usage=usage)
        size = _NUMBER_SIZE * sum(map(len, response.vectors))
        encode = self._server.encode_embeddings
        reply: HttpReply = await self._compute(size, encode, response, request, context.call)
        context.recorder.first_byte()
        context.recorder.end(None, usage)
        every = context.snapshot.settings.proxy.debug_headers
        reported = warnings(context.recorder.record.warnings, every=every)
        return Reply.whole(reply, ((COUNT_SOURCE, source), *reported))


def _read(
    option: RoutingOption, source: ResponseSource, body: bytes, count: int
) -> EmbeddingResponse:
    """Return the ``count`` vectors of an upstream's response.

    :raises GatewayError: if it has no vectors, or another number of them.
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
    response: EmbeddingResponse = client.decode_embeddings(body, count)
    return response


def _client(option: RoutingOption) -> IEmbeddingClient:
    """Return the client protocol, which is one for embeddings in all options of their router."""
    return cast(IEmbeddingClient, option.client)


def _batches(inputs: Sequence[EmbeddingInput], largest: int) -> list[Batch]:
    """Return batches of inputs that want vectors of the same length."""
    alike: dict[int | None, list[int]] = {}
    for place, each in enumerate(inputs):
        alike.setdefault(each.dimensions, []).append(place)
    return [
        tuple(places[start : start + largest])
        for places in alike.values()
        for start in range(0, len(places), largest)
    ]


def _merge(responses: dict[Batch, EmbeddingResponse], count: int) -> EmbeddingResponse:
    """Return the responses to all batches as one, with a usage if all of them have one."""
    vectors: list[tuple[float, ...]] = [()] * count
    for batch, response in responses.items():
        for place, vector in zip(batch, response.vectors, strict=True):
            vectors[place] = vector
    usages = [each.usage for each in responses.values() if each.usage is not None]
    total = Usage(input_total=sum(usage.input_total for usage in usages))
    model = next((each.model for each in responses.values() if each.model), "")
    return EmbeddingResponse(
        tuple(vectors), total if len(usages) == len(responses) else None, model
    )


def _estimate_usage(inputs: Sequence[EmbeddingInput]) -> Usage:
    """Return a usage for an upstream that reports none."""
    return Usage(input_total=sum(estimate_parts(each.parts) for each in inputs))


def _unsupported(request: EmbeddingRequest, option: RoutingOption) -> tuple[Loss, ...]:
    """Return the losses of fields that only the client's protocol has."""
    if option.native:
        return ()
    detail = f"dropped: only {request.protocol} has this field"
    each = (name for given in request.inputs for name in given.extensions)
    return tuple(Loss(name, detail) for name in dict.fromkeys((*request.extensions, *each)))
