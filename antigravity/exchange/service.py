"""Serves calls: the one object that the door talks to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.deferreds import first_failure
from antigravity.exchange.context import LARGE_BYTES, RequestContext
from antigravity.exchange.demands import require_modalities
from antigravity.exchange.fallback import with_fallback_models
from antigravity.exchange.fanout.requested_choices import serve_choices
from antigravity.exchange.interception import (
    intercept_warmup,
    interception_headers,
    reroute_background_task,
)
from antigravity.exchange.operations.embeddings import Embedding
from antigravity.exchange.operations.model_question import Question, answer
from antigravity.exchange.operations.stored_calls import serve_stored
from antigravity.exchange.operations.stored_responses import expand_history
from antigravity.exchange.operations.token_count import count_tokens
from antigravity.exchange.operations.warmup import Warmup, warm_up
from antigravity.exchange.passed_only import native_only
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.response_headers import warnings
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.files import PublishedFile
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import (
    CancelledByClientError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
)
from antigravity.ir.json_text import SMALL, clean_json, may_need_cleaning
from antigravity.logs import make_logger
from antigravity.protocols.request_limits import RequestLimits, check_request
from antigravity.routing.router import Decision

MAPPED_MODEL = "X-Mapped-Model"
COMPRESSED = "X-Context-Compressed"
COUNT_SOURCE = "X-Token-Count-Source"

_TOO_DEEP = "The request is nested too deeply."


@implementer(IExchange)
class Exchange:
    """Serves every call with the snapshot that is current when it comes in."""

    log = make_logger()

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self._services = services
        self._snapshot = snapshot
        self._limits = _limits(snapshot)
        self._operations: dict[str, Callable[[RequestContext], Awaitable[Reply]]] = {
            "generate": self._generate,
            "count_tokens": self._count,
            "embed": self._embed,
            "list_models": self._list_models,
            "get_model": self._get_model,
            "stored": serve_stored,
        }

    def use(self, snapshot: Snapshot) -> None:
        """Serve new calls with ``snapshot``; running ones keep theirs."""
        self._snapshot = snapshot
        self._limits = _limits(snapshot)
        responses, images = snapshot.settings.responses, snapshot.settings.images
        self._services.conversations.configure(
            max_entries=responses.max_entries, max_bytes=responses.max_bytes, ttl=responses.ttl
        )
        self._services.files.configure(max_bytes=images.url_max_bytes, ttl=images.url_ttl)

    def published(self, name: str) -> PublishedFile | None:
        """Return a file that was promised to a client; see :class:`IExchange`."""
        return self._services.files.find(name)

    def handle(self, protocol: IServerProtocol, call: Call) -> Deferred[Reply]:
        """Serve one call; see :class:`IExchange`."""
        return Deferred.fromCoroutine(self._handle(protocol, call))

    def warm_up(self, warmup: Warmup, begun: Callable[[], None]) -> Deferred[None]:
        """Send a request of the gateway's own; see :func:`.operations.warmup.warm_up`."""
        return Deferred.fromCoroutine(warm_up(self._services, self._snapshot, warmup, begun))

    def ask(self, question: Question) -> Deferred[str]:
        """Ask a model something for a client; see :mod:`.operations.model_question`."""
        asking = answer(self._services, self._snapshot, serve_choices, question)
        return Deferred.fromCoroutine(asking)

    def detect(self, model: str) -> Deferred[dict[str, object]]:
        """Say how a model would be served; see :class:`IExchange`."""
        return Deferred.fromCoroutine(self._detect(model))

    def ready(self) -> bool:
        """Return whether some upstream has a credential."""
        return any(self._with_credential())

    def status(self) -> dict[str, object]:
        """Return which upstreams could serve."""
        upstreams = self._snapshot.router.upstreams
        usable = dict(zip((u.name for u in upstreams), self._with_credential(), strict=True))
        return {"ready": any(usable.values()), "upstreams": usable}

    def _with_credential(self) -> list[bool]:
        credentials = self._snapshot.credentials
        return [bool(credentials.credentials(u.name)) for u in self._snapshot.router.upstreams]

    async def _handle(self, protocol: IServerProtocol, call: Call) -> Reply:
        recorder = Recorder(self._services, protocol.name, call)
        context = RequestContext(self._services, self._snapshot, protocol, call, recorder)
        try:
            await context.wait_turn()
            await self._check(context)
            reply = await self._operations[call.route.operation](context)
        except GatewayError as error:
            reply = self._error(context, error)
        except CancelledError:
            recorder.end(CancelledByClientError("The client went away."), None)
            raise
        except Exception:  # noqa: BLE001 - the client must get an answer in any case
            failure = first_failure(Failure())
            if failure.check(CancelledError):  # within a gathering, of a plugin say
                recorder.end(CancelledByClientError("The client went away."), None)
                raise CancelledError from None
            if failure.check(RecursionError):
                return self._labelled(context, self._error(context, InvalidRequestError(_TOO_DEEP)))
            self.log.failure("serving {id} failed", failure, id=call.request_id)
            reply = self._error(context, GatewayError("The gateway failed; its log says why."))
        return self._labelled(context, reply)

    async def _check(self, context: RequestContext) -> None:
        """Refuse a request that holds too much; clean the text of a large one.

        :raises GatewayError: naming what it has too many of.
        """
        body = context.call.body
        if len(body) > LARGE_BYTES or (len(body) > SMALL and may_need_cleaning(body)):
            cleaned = await self._services.background.run(len(body), clean_json, body)
            if cleaned is not body:
                context.use_body(cleaned)
        limits = self._limits
        if context.is_large or context.rough_count >= limits.lowest:
            await context.compute(check_request, context.call.body, limits)
        if context.is_large and context.call.route.operation in (
            "generate",
            "count_tokens",
            "embed",
        ):
            await context.compute(getattr, context, "head")

    def _error(self, context: RequestContext, error: GatewayError) -> Reply:
        error.limit_delay(context.snapshot.settings.proxy.scheduling.max_lock_seconds)
        context.recorder.end(error, None)
        return _reply(context.protocol.encode_error(error, context.call.request_id))

    def _labelled(self, context: RequestContext, reply: Reply) -> Reply:
        record = context.recorder.record
        labels = interception_headers(record)
        if record.mapped_model:
            plain = record.mapped_model.encode("ascii", "replace").decode()
            labels += ((MAPPED_MODEL, plain),)
        if record.compressed is not None:
            labels += ((COMPRESSED, record.compressed),)
        passed = record.attempts and record.attempts[-1].passed_through
        if passed:
            every = context.snapshot.settings.proxy.debug_headers
            labels += warnings(context.notes, every=every)
        if not labels:
            return reply
        return msgspec.structs.replace(reply, headers=(*reply.headers, *labels))

    async def _generate(self, context: RequestContext) -> Reply:
        head = context.head
        context.recorder.begin(head.model, stream=head.stream)
        decision: Decision | None = None
        if context.traits.is_conversation:
            warmed_up = intercept_warmup(context)
            if warmed_up is not None:
                return warmed_up
            decision = await reroute_background_task(context)
        if decision is None:
            decision = await context.snapshot.router.route(head.model, context.protocol.name)
        return await with_fallback_models(context, decision, _answer)

    async def _count(self, context: RequestContext) -> Reply:
        head = context.head
        context.recorder.begin(head.model, stream=False)
        decision = await context.snapshot.router.route(head.model, context.protocol.name)
        decision = expand_history(context, native_only(context, decision))
        context.recorder.record.mapped_model = decision.candidates[0].target.model
        count = await count_tokens(context, decision)
        context.recorder.end(None, None)
        reply = _reply(context.protocol.encode_count(count, context.call))
        return msgspec.structs.replace(
            reply, headers=(*reply.headers, (COUNT_SOURCE, count.source))
        )

    async def _embed(self, context: RequestContext) -> Reply:
        head = context.head
        context.recorder.begin(head.model, stream=False)
        decision = await context.snapshot.embeddings.route(head.model, context.protocol.name)
        context.recorder.record.mapped_model = decision.candidates[0].target.model
        return await Embedding(context, decision).run()

    async def _list_models(self, context: RequestContext) -> Reply:
        models = await context.snapshot.router.models()
        return _reply(context.protocol.encode_models(models, context.call))

    async def _get_model(self, context: RequestContext) -> Reply:
        name = context.call.arguments["model"].removeprefix("models/")
        for model in await context.snapshot.router.models():
            if model.id == name:
                return _reply(context.protocol.encode_model(model, context.call))
        raise NotFoundError(
            f"The model {name!r} is not in the list of models; GET /v1/models shows it.",
            param="model",
            code="model_not_found",
        )

    async def _detect(self, model: str) -> dict[str, object]:
        decision = await self._snapshot.router.route(model, "openai_chat")
        if decision.capabilities.embedding:
            decision = await self._snapshot.embeddings.route(model, "openai_embeddings")
        first = decision.candidates[0]
        return {
            "model": model,
            "mapped_model": first.target.model,
            "upstream": first.upstream.name,
            "protocol": first.client.name,
            "type": first.target.capabilities.family,
            "features": msgspec.to_builtins(first.target.capabilities),
            "steps": [msgspec.to_builtins(hop) for hop in decision.hops],
            "considered": [
                {"upstream": j.upstream, "chosen": j.chosen, "reason": j.reason}
                for j in decision.judgements
            ],
        }


async def _answer(context: RequestContext, decision: Decision) -> Reply:
    """Return the answer of one model.

    :raises GatewayError: if there is none.
    """
    decision = native_only(context, await require_modalities(context, decision))
    context.recorder.record.route = tuple(map(str, decision.hops))
    context.recorder.record.mapped_model = decision.candidates[0].target.model
    return await serve_choices(context, expand_history(context, decision))


def _limits(snapshot: Snapshot) -> RequestLimits:
    """Return the limits of requests that are configured."""
    return RequestLimits(**msgspec.structs.asdict(snapshot.settings.limits))


def _reply(reply: HttpReply) -> Reply:
    return Reply(reply.status, reply.content_type, reply.headers, reply.body)
