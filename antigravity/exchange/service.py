"""Serves the calls of clients: the exchange that the web application talks to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.deferreds import first_failure
from antigravity.exchange import pipeline
from antigravity.exchange.context import RequestContext
from antigravity.exchange.key_admission import admit, label
from antigravity.exchange.operations.embeddings import embed
from antigravity.exchange.operations.internal_requests import InternalRequest, ask_model
from antigravity.exchange.operations.models import detect_model, get_model, list_models
from antigravity.exchange.operations.stored_calls import serve_stored
from antigravity.exchange.operations.token_count import serve_count
from antigravity.exchange.operations.warmup import Warmup, warm_up
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.response_headers import overhead_header, service_headers
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.exchange import IExchange, Reply
from antigravity.interfaces.files import PublishedFile
from antigravity.interfaces.payloads import IPayloadSink
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import READS, Call
from antigravity.ir.errors import CancelledByClientError, GatewayError, InvalidRequestError
from antigravity.ir.json_text import SMALL, clean_json, may_need_cleaning
from antigravity.ir.record import ExchangeRecord
from antigravity.keys.secret import ID_PREFIX
from antigravity.logs import make_logger
from antigravity.protocols.request_limits import RequestLimits, check_request

if TYPE_CHECKING:
    from antigravity.exchange.capture.request_capture import RequestCapture

_TOO_DEEP: Final = "The request is nested too deeply."
_OPERATIONS: Final[Mapping[str, Callable[[RequestContext], Awaitable[Reply]]]] = {
    "generate": pipeline.generate,
    "count_tokens": serve_count,
    "embed": embed,
    "list_models": list_models,
    "get_model": get_model,
    "stored": serve_stored,
}
#: Operations whose requests name a model in the body.
_WITH_MODEL: Final = ("generate", "count_tokens", "embed")


@implementer(IExchange)
class Exchange:
    """Serves every call with the snapshot that is current when it comes in."""

    log = make_logger()

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self._services = services
        #: Takes payloads, ``None`` while they are not kept.
        self.payloads: IPayloadSink | None = None
        self._serve_with(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Serve new calls with ``snapshot``; running ones keep theirs."""
        self._serve_with(snapshot)
        responses, images = snapshot.settings.responses, snapshot.settings.images
        self._services.conversations.configure(
            max_entries=responses.max_entries, max_bytes=responses.max_bytes, ttl=responses.ttl
        )
        self._services.files.configure(max_bytes=images.url_max_bytes, ttl=images.url_ttl)

    def _serve_with(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._limits = RequestLimits(**msgspec.structs.asdict(snapshot.settings.limits))
        self._lowest_limit = self._limits.lowest

    def changed(
        self, change: Callable[[Services, Snapshot], tuple[Services, Snapshot]]
    ) -> Exchange:
        """Return an exchange that serves with other collaborators, made from this one's."""
        return Exchange(*change(self._services, self._snapshot))

    def published(self, name: str) -> Deferred[PublishedFile | None]:
        """Return a file that was promised to a client; see :class:`IExchange`."""
        return self._services.files.fetch(name)

    def handle(self, protocol: IServerProtocol, call: Call) -> Deferred[Reply]:
        """Serve one call; see :class:`IExchange`."""
        return self._serve(protocol, call)

    def running(self) -> Sequence[ExchangeRecord]:
        """Return the records of running requests; see :class:`IExchange`."""
        return self._services.running.records()

    def cancel(self, name: str, error: GatewayError) -> bool:
        """End a running request; see :class:`IExchange`."""
        return self._services.running.interrupt(name, error)

    def replay(self, protocol: IServerProtocol, call: Call, label: str) -> Deferred[Reply]:
        """Serve the call of an earlier request again; see :class:`IExchange`."""
        return self._serve(protocol, call, label)

    def compute(self, size: int, function: Callable[[], Any]) -> Deferred[Any]:
        """Call a function in a thread; see :class:`IExchange`."""
        return self._services.background.run(size, function)

    def warm_up(self, warmup: Warmup, begun: Callable[[], None]) -> Deferred[None]:
        """Send a request of the gateway's own; see :func:`.operations.warmup.warm_up`."""
        return Deferred.fromCoroutine(warm_up(self._services, self._snapshot, warmup, begun))

    def ask(self, internal: InternalRequest) -> Deferred[str]:
        """Send a request of the gateway's own; see :func:`.internal_requests.ask_model`."""
        asking = ask_model(self._services, self._snapshot, pipeline.serve, internal)
        return Deferred.fromCoroutine(asking)

    def detect(self, model: str) -> Deferred[dict[str, object]]:
        """Return how a model would be served; see :class:`IExchange`."""
        return Deferred.fromCoroutine(detect_model(self._snapshot, model))

    def ready(self) -> bool:
        """Return whether some upstream has a credential."""
        return any(self._with_credential().values())

    def status(self) -> dict[str, object]:
        """Return which upstreams could serve."""
        usable = self._with_credential()
        return {"ready": any(usable.values()), "upstreams": usable}

    def _with_credential(self) -> dict[str, bool]:
        credentials = self._snapshot.credentials
        names = [upstream.name for upstream in self._snapshot.router.upstreams]
        return {name: bool(credentials.credentials(name)) for name in names}

    def _serve(self, protocol: IServerProtocol, call: Call, label: str = "") -> Deferred[Reply]:
        """Serve one call, whose payloads are captured if they are kept.

        :param label: what the record says of it, if anything.
        """
        services, sink = self._services, self.payloads
        capture: RequestCapture | None = None
        if sink is not None:
            from antigravity.exchange.capture.request_capture import RequestCapture

            capture = RequestCapture(sink, protocol.name, call, keep=bool(label))
            services = capture.observe(services)
        recorder = Recorder(services, protocol.name, call)
        if label:
            recorder.intercept(label)
        serving = self._handle(services, protocol, call, recorder)
        reply = Deferred.fromCoroutine(serving if capture is None else _captured(capture, serving))
        if not reply.called:
            recorder.pending = reply
        return reply

    async def _handle(
        self, services: Services, protocol: IServerProtocol, call: Call, recorder: Recorder
    ) -> Reply:
        """Return the reply to one call, whatever happens."""
        snapshot = self._snapshot
        try:
            context = await self._receive(services, snapshot, protocol, call, recorder)
            if services.keys is not None and call.principal.startswith(ID_PREFIX):
                await admit(context, services.keys)
            reply = await _OPERATIONS[call.route.operation](context)
        except GatewayError as raised:
            error = recorder.interruption or raised
        except CancelledError:
            if recorder.interruption is None:
                recorder.end(CancelledByClientError("The client went away."), None)
                raise
            error = recorder.interruption
        except Exception:  # noqa: BLE001 - the client must get a response in any case
            error = self._unexpected(recorder, call)
        else:
            if recorder.interruption is None or reply.stream is None:
                if reply.stream is None and call.route.operation in READS:
                    recorder.end(None, None)  # unless an upstream has refused it
                return _labelled(reply, recorder, snapshot)
            error = recorder.interruption  # it came too late for what it cancelled
            recorder.end(error, None)
            reply.stream.abandon()
        error.limit_delay(snapshot.settings.proxy.scheduling.max_lock_seconds)
        recorder.end(error, None)
        reply = Reply.whole(protocol.encode_error(error, call.request_id))
        return _labelled(reply, recorder, snapshot)

    async def _receive(
        self,
        services: Services,
        snapshot: Snapshot,
        protocol: IServerProtocol,
        call: Call,
        recorder: Recorder,
    ) -> RequestContext:
        """Return the context of a call, the text of its body cleaned if it is a large one.

        :raises GatewayError: if the body holds too many values, naming them.
        """
        body = call.body
        waiting = services.turns.reserve(len(body))
        if waiting is not None:
            with recorder.waiting("queue"):
                await waiting
        context = RequestContext(services, snapshot, protocol, call, recorder)
        if context.is_long or (len(body) > SMALL and may_need_cleaning(body, context.outline.body)):
            cleaned = await services.background.run(len(body), clean_json, body)
            if cleaned is not body:
                call = replace(call, body=cleaned, memo={})
                context = RequestContext(services, snapshot, protocol, call, recorder)
        if context.is_large or context.value_count >= self._lowest_limit:
            await context.compute(self._examine, context)
        elif call.route.operation in _WITH_MODEL:
            context.read_head()
        return context

    def _examine(self, context: RequestContext) -> None:
        """Check the limits of a request with many values, and read its head.

        :raises GatewayError: if it holds too many values, or names no model.
        """
        check_request(context.outline.body, self._limits)
        if context.call.route.operation in _WITH_MODEL:
            context.read_head()

    def _unexpected(self, recorder: Recorder, call: Call) -> GatewayError:
        """Return the error for the exception that is being handled, which is a fault of ours.

        :raises CancelledError: if it is a cancellation inside of another error.
        """
        failure = first_failure(Failure())
        if failure.check(CancelledError):  # within a gathering, of a plugin say
            if recorder.interruption is not None:
                return recorder.interruption
            recorder.end(CancelledByClientError("The client went away."), None)
            raise CancelledError from None
        if failure.check(RecursionError):
            return InvalidRequestError(_TOO_DEEP)
        self.log.failure("serving {id} failed", failure, id=call.request_id)
        return GatewayError("The gateway failed; its log says why.")


async def _captured(capture: RequestCapture, serving: Coroutine[Any, Any, Reply]) -> Reply:
    """Return the reply to a call whose payloads are captured."""
    try:
        reply = await serving
    except BaseException:
        capture.end()
        raise
    return capture.answered(reply)


def _labelled(reply: Reply, recorder: Recorder, snapshot: Snapshot) -> Reply:
    """Return the reply with the headers that say how the request was served.

    From now on the time of a stream is its upstream's.
    """
    record, proxy = recorder.record, snapshot.settings.proxy
    headers = service_headers(record, every=proxy.debug_headers)
    recorder.enter("translation" if reply.stream is None else "upstream")
    recorder.pending, recorder.stream = None, reply.stream
    if proxy.overhead_header:
        headers += overhead_header(record)
    if recorder.admission is not None:
        reply = label(reply, recorder.admission, record.protocol, record.started)
    return replace(reply, headers=(*reply.headers, *headers)) if headers else reply
