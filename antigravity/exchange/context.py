"""One request for an answer, on its way: what all its attempts share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Literal, TypeVar

from msgspec.structs import replace
from twisted.internet.task import deferLater

from antigravity.accounts.sessions import session_from_headers, session_from_request, session_key
from antigravity.exchange.attempts.retry import SHORT_LIMIT, is_model_unavailable
from antigravity.exchange.defaults import audio_rules, default_model
from antigravity.exchange.fetching import fetched
from antigravity.exchange.naming import checked
from antigravity.exchange.operations.response_store import Origin
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.accounts import ILease
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.call import Call, Head
from antigravity.ir.capabilities import Capabilities, Loss, Traits
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.request import Request
from antigravity.lowering.media import urls_to_fetch, with_fetched
from antigravity.protocols.request_limits import rough_count, rough_schema_cost
from antigravity.signatures.recovery import call_ids
from antigravity.signatures.repair import without_signatures
from antigravity.signatures.store import Memory

#: Memories that are looked up before others have their turn.
_RECALLED_AT_ONCE = 500
#: Requests are large from so many JSON values on: to translate them takes some 25 ms.
_LARGE_VALUES = 4000
#: Or from so many bytes on.
LARGE_BYTES = 1024 * 1024

T = TypeVar("T")
FallbackOn = Literal["", "capacity", "any"]


class RequestContext:
    """A call with what is known about it; decodes the body once, and only if it must."""

    def __init__(
        self,
        services: Services,
        snapshot: Snapshot,
        protocol: IServerProtocol,
        call: Call,
        recorder: Recorder,
    ) -> None:
        self.services = services
        self.snapshot = snapshot
        self.protocol = protocol
        self.traits: ServerTraits = protocol.traits
        if not self.traits.is_conversation:
            call = replace(call, audio=audio_rules(snapshot.settings))
        self.call = call
        #: The call as it came, before stored turns were put into its body.
        self.original_call = call
        self.recorder = recorder
        #: The account of the attempt that is running.
        self.lease: ILease | None = None
        #: What there is to say of the request besides what is lost in translation.
        self.notes: tuple[Loss, ...] = ()
        #: After which errors another model takes over: none, those of capacity, or any.
        self.fallback_on: FallbackOn = ""
        #: Whether the history was repaired after an upstream refused its signatures.
        self.repaired = False
        #: Whether an attempt ended without content by what may be the model's mistake: whatever
        #: the next one gives is delivered.
        self.ended_empty = False
        #: The seconds that all attempts so far have waited for accounts.
        self.waited = 0.0
        #: Whether turns that were kept here stand in the body: no upstream has made them so.
        self.is_expanded = False
        #: Who keeps what the request goes on from, where only they know it.
        self.origin: Origin | None = None
        #: Whether this is one of several requests that a client's call was made into.
        self.is_branch = False
        self._fetched: dict[str, tuple[str, str]] = {}

    @cached_property
    def head(self) -> Head:
        """Model and streaming switch."""
        head: Head = self.protocol.peek(self.call)
        required = self.traits.required_modalities
        if not head.model and required is not None:
            model = default_model(required, self.snapshot.settings)
            head = Head(model, head.stream)
        checked(head.model)
        return head

    @cached_property
    def request(self) -> Request:
        """The decoded request; a large one is decoded by :meth:`prepare` first."""
        request: Request = self.protocol.decode(self.call)
        return request

    def use_body(self, body: bytes) -> None:
        """Go on with a body that says the same as the client's."""
        self.call = self.original_call = replace(self.call, body=body, memo={})
        for name in ("is_large", "rough_count"):
            self.__dict__.pop(name, None)

    @cached_property
    def is_large(self) -> bool:
        """Whether to translate the request would hold up all other clients."""
        body = self.call.body
        if len(body) > LARGE_BYTES or self.rough_count > _LARGE_VALUES:
            return True
        return rough_schema_cost(body) + self.rough_count > _LARGE_VALUES

    @cached_property
    def rough_count(self) -> int:
        """About how many JSON values the body holds; text counts as if it were JSON, too."""
        return rough_count(self.call.body)

    async def compute(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a pure function gives: of a large request it is called in a thread.

        Of a small one it is called when the event loop has time for it.

        :raises OverloadedError: if too many large requests wait for the thread.
        """
        if not self.is_large:
            await self.wait_turn()
            return function(*arguments)
        background, size = self.services.background, len(self.call.body)
        result: T = await background.run(size, function, *arguments)
        return result

    async def wait_turn(self) -> None:
        """Let others have their turn, if this one of the event loop has taken long already."""
        waiting = self.services.turns.wait()
        if waiting is not None:
            await waiting

    async def prepare(self) -> None:
        """Decode the request, if it is a large one.

        :raises GatewayError: if it cannot be decoded.
        """
        if self.is_large and "request" not in self.__dict__:
            self.__dict__["request"] = await self.compute(self.protocol.decode, self.call)

    @property
    def decoded(self) -> Request | None:
        """The request, if it had to be decoded for something."""
        request: Request | None = self.__dict__.get("request")
        return request

    def take(self, head: Head, request: Request) -> None:
        """Serve ``request``, which was made here, in place of what the call holds."""
        self.__dict__["head"] = head
        self.__dict__["request"] = request

    def for_branch(
        self, protocol: IServerProtocol, request: Request, *, stream: bool
    ) -> RequestContext:
        """Return the context on one of several requests in place of this one.

        ``protocol`` stands in for the client's.  What was fetched for this one is there already.
        """
        call = replace(self.call, memo=dict(self.call.memo))
        part = RequestContext(self.services, self.snapshot, protocol, call, self.recorder.branch())
        part.take(Head(self.head.model, stream), replace(request, stream=stream))
        part.is_branch = True
        part.notes, part.fallback_on = self.notes, self.fallback_on
        part._fetched = self._fetched
        return part

    def session(self) -> str:
        """Return the key of the conversation, for affinity; empty where it would not matter.

        Headers say it for free; a body is decoded for it only if there is a choice to make.
        """
        if not self.traits.is_conversation:
            return ""
        identity = session_from_headers(self.call.headers)
        if identity is None:
            try:
                identity = session_from_request(self.request)
            except GatewayError:
                return ""  # the upstream will say what is wrong with it
        return session_key(self.call.principal, identity)

    @property
    def max_wait(self) -> float:
        """For how many seconds more an account is worth waiting for."""
        most = self.snapshot.settings.proxy.scheduling.max_wait_seconds
        max_wait = max(0.0, most - self.waited)
        return min(max_wait, SHORT_LIMIT) if self.fallback_on else max_wait

    def triggers_fallback(self, error: GatewayError) -> bool:
        """Return whether another model takes over after ``error``."""
        match self.fallback_on:
            case "any":
                return True
            case "capacity":
                return is_model_unavailable(error)
        return False

    async def recall(self, request: Request) -> Callable[[str], Memory | None]:
        """Return what gives the memory of a tool call; for a large request a thread may use it."""
        signatures, principal = self.services.signatures, self.call.principal
        recall = partial(signatures.recall, principal)
        if not self.is_large:
            return recall
        found: dict[str, Memory] = {}
        names = await self.compute(call_ids, request) if len(signatures) else ()
        for place, name in enumerate(names):
            if place % _RECALLED_AT_ONCE == _RECALLED_AT_ONCE - 1:
                await deferLater(self.services.clock, 0)
            memory = recall(name)
            if memory is not None:
                found[name] = memory
        return found.get

    async def repair(self, capabilities: Capabilities) -> None:
        """Go on with a history that has no signatures: the upstream refused them."""
        await self.prepare()
        repairing = partial(without_signatures, demanded=capabilities.requires_signatures)
        self.__dict__["request"] = await self.compute(repairing, self.request)
        self.repaired = True

    def settle_lease(self, error: GatewayError | None) -> None:
        """Tell the pool how the attempt went, once."""
        lease, self.lease = self.lease, None
        if lease is None:
            return
        if error is None:
            lease.succeeded()
        elif isinstance(error, CancelledByClientError) or self._has_no_path(error):
            lease.release()
        else:
            lease.failed(error)

    def _has_no_path(self, error: GatewayError) -> bool:
        """Return whether an upstream lacks a special path, or a model for it.

        Its accounts go on serving the same model in conversations.
        """
        return not self.traits.is_conversation and error.upstream_status in (404, 405)

    def release_lease(self) -> None:
        """Give the account back without any judgement."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release()

    async def fetch_media(self, request: Request, traits: Traits) -> Request:
        """Return the request with the media that its target won't fetch fetched.

        :raises InvalidRequestError: if something cannot or must not be fetched.
        """
        urls = await self.compute(urls_to_fetch, request, traits)
        missing = [url for url in urls if url not in self._fetched]
        if missing:
            limit = self.snapshot.settings.proxy.max_body_bytes
            self._fetched |= await fetched(self.snapshot.media, missing, limit)
        return await self.compute(with_fetched, request, self._fetched) if urls else request
