"""What is known about one request while it is served."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.task import deferLater

from antigravity.accounts.sessions import session_from_headers, session_key
from antigravity.context.compaction import open_summaries
from antigravity.context.sealed_summary import PREFIX, Summary, SummaryError
from antigravity.exchange.json_path import find_path
from antigravity.exchange.media_fetch import fetch_all
from antigravity.exchange.model_name import check_model_name, default_model
from antigravity.exchange.operations.response_store import ResponseOrigin
from antigravity.exchange.recorder import Recorder
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.protocols import IServerProtocol
from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.audio import AudioRules
from antigravity.ir.call import Body, Call, Head
from antigravity.ir.capabilities import Traits
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.ir.outline import outline_of
from antigravity.ir.outlined_request import restore_media
from antigravity.ir.request import Request
from antigravity.lowering.media import urls_to_fetch, with_fetched
from antigravity.protocols.request_limits import rough_count, rough_schema_cost
from antigravity.signatures.store import StoredThinking
from antigravity.signatures.thinking_recovery import call_ids, lost_call_ids

#: Lookups before other requests have their turn of the event loop.
_LOOKUPS_PER_TURN = 500
#: Requests are large from so many JSON values on: to translate them takes some 25 ms.
_LARGE_VALUES = 4000
#: Or from so many bytes on, besides strings that are only moved.
_LARGE_BYTES = 2 * 1024 * 1024
#: Or from so many bytes on in all: to decode and encode them takes some 5 ms.
_LARGE_STRINGS = 8 * 1024 * 1024

#: In the bodies of requests with summaries that the gateway has sealed.
_SEALED = PREFIX.encode()

T = TypeVar("T")


class Continuation(Struct, frozen=True):
    """A reference to an earlier response that only an upstream can look up.

    ``origin`` is the account that made the response; ``None``: it is not known here, and
    ``is_other_clients`` says that it was given to another client.
    """

    reference: str
    origin: ResponseOrigin | None
    is_other_clients: bool


class AttemptState(Struct):
    """What the attempts at a request have shown so far, those at other models included.

    ``waited`` are the seconds that they waited for accounts.  ``ended_empty`` says that one ended
    without content by what may be the model's mistake: the next response is delivered as it is.
    ``refused_usage`` says that an upstream has refused to be asked for the usage of its stream.
    ``omitted`` are parameters of which it has refused the value: this request goes on without.
    """

    waited: float = 0.0
    ended_empty: bool = False
    refused_usage: bool = False
    omitted: frozenset[str] = frozenset()


class RequestContext:
    """One request with everything that its attempts share.

    It does not change, except that the request is decoded on first use, and that
    :attr:`attempts` and the recorder follow what happens.

    :ivar head: model and streaming switch; :meth:`read_head` reads them once.
    :ivar call: the request as it is served; :ivar original_call: as it was before stored history
        was put into its body.
    :ivar is_conversation: whether requests of the protocol are turns of conversations.
    :ivar is_rewritten: whether :attr:`request` differs from the body that the client sent.
    :ivar is_repaired: whether the history was repaired after an upstream refused its signatures.
    :ivar outline: the call with the outline of its body; what is only scanned is scanned there.
    :ivar shortened: the outline, ``None`` if it is the body itself.
    :ivar is_long: whether to scan the outline would block the event loop for too long.
    :ivar is_large: whether to translate the request would block the event loop for too long.
    :ivar value_count: about how many JSON values the body holds, counting text as JSON, too; of a
        long one, more than that.
    """

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
        self.is_conversation = self.traits.is_conversation
        if not self.is_conversation:
            audio = snapshot.settings.audio
            rules = AudioRules(audio.transcription_prompt, audio.max_inline_bytes)
            call = replace(call, audio=rules)
        self.original_call = call
        self.recorder = recorder
        self.attempts = AttemptState()
        self.continuation: Continuation | None = None
        self.is_repaired = self.is_rewritten = False
        self.head = Head("", False)
        self._fetched: dict[str, tuple[str, str]] = {}
        self._use(call)

    def _use(self, call: Call) -> None:
        self.call = self.outline = call
        self.shortened = outline_of(call.body)
        if self.shortened is not None:
            self.outline = replace(call, body=self.shortened.text, memo={})
        text = self.outline.body
        self.is_long = len(text) > _LARGE_BYTES
        self.value_count = len(text) if self.is_long else rough_count(text)
        self.is_large = (
            self.value_count > _LARGE_VALUES
            or len(call.body) > _LARGE_STRINGS
            or rough_schema_cost(text) + self.value_count > _LARGE_VALUES
        )
        self._request: Request | None = None

    # -- other forms of the request -------------------------------------------------------

    def with_history(self, body: bytes) -> RequestContext:
        """Return the context with stored turns in the body."""
        other = copy(self)
        other._use(replace(self.call, body=body, memo={}))
        other.is_rewritten = True
        return other

    def with_continuation(self, continuation: Continuation) -> RequestContext:
        """Return the context of a request that continues a response stored elsewhere."""
        other = copy(self)
        other.continuation = continuation
        return other

    def with_request(self, request: Request, *, is_repaired: bool = False) -> RequestContext:
        """Return the context with a request that was made from the client's."""
        other = copy(self)
        other._request = request
        other.is_rewritten = True
        other.is_repaired = is_repaired
        return other

    def with_head(self, head: Head) -> RequestContext:
        """Return the context with another model or streaming switch."""
        other = copy(self)
        other.head = head
        return other

    def with_reply(self, protocol: IServerProtocol, request: Request) -> RequestContext:
        """Return the context with another request, whose reply ``protocol`` encodes."""
        other = self.with_request(request)
        other.protocol = protocol
        other.traits = protocol.traits
        return other

    def for_branch(
        self, protocol: IServerProtocol, request: Request, *, stream: bool
    ) -> RequestContext:
        """Return the context of one of several requests that are made in place of this one.

        ``protocol`` replaces the client's.  Media are fetched once for all of them.
        """
        branch = self.with_request(replace(request, stream=stream))
        branch.call = branch.original_call = replace(self.call, memo=dict(self.call.memo))
        branch.protocol = protocol
        hint = self.traits.conversation_hint
        branch.traits = replace(protocol.traits, conversation_hint=hint)
        branch.is_conversation = branch.traits.is_conversation
        branch.recorder = self.recorder.branch()
        branch.attempts = AttemptState()
        branch.head = Head(self.head.model, stream)
        return branch

    # -- what the body holds --------------------------------------------------------------

    def read_head(self) -> None:
        """Read :attr:`head` from the body.

        :raises InvalidRequestError: if there is no model, or its name is not valid.
        """
        variant = self.traits.variant
        if variant is not None and (other := variant(self.outline)) is not None:
            self.protocol, self.traits, self.is_rewritten = other, other.traits, True
        head = self._peek()
        required = self.traits.required_modalities
        if not head.model and required is not None:
            model = default_model(required, self.snapshot.settings)
            head = Head(model, head.stream)
        check_model_name(head.model)
        self.head = head

    def _peek(self) -> Head:
        if self.outline is not self.call:
            try:
                return self.protocol.peek(self.outline)
            except GatewayError:
                pass  # the error of the body itself names the right place
        return self.protocol.peek(self.call)

    def with_model(self, model: str, change: Callable[[Call, bytes], bytes] | None = None) -> Body:
        """Return the body with another model, otherwise unchanged.

        ``change`` returns a JSON body with further changes; its call has the client's body.

        :raises InvalidRequestError: if it is not a JSON object.
        """
        if self.shortened is not None:
            body: Body = self.protocol.with_model(self.outline, model)
            if isinstance(body, bytes):
                body = body if change is None else change(self.outline, body)
                return self.shortened.restore(body)
        body = self.protocol.with_model(self.call, model)
        if change is not None and isinstance(body, bytes):
            body = change(self.call, body)
        return body

    @property
    def request(self) -> Request:
        """The decoded request; a large one is decoded by :meth:`decode` first."""
        if self._request is None:
            self._request = self._decode()
        return self._request

    def _decode(self) -> Request:
        """Return the decoded request, its sealed summaries opened.

        :raises GatewayError: if it cannot be decoded.
        """
        if self.traits.compaction is not None and _SEALED in self.outline.body:
            return open_summaries(self.protocol.decode(self.call), self._open_summary)
        if self.shortened is not None and self.traits.decodes_outlines:
            try:
                request = restore_media(self.protocol.decode(self.outline), self.shortened)
            except GatewayError:
                request = None  # the error of the body itself names the right place
            if request is not None:
                return request
        return self.protocol.decode(self.call)

    @property
    def origin(self) -> ResponseOrigin | None:
        """The account that alone can continue the conversation, if there is one."""
        return self.continuation.origin if self.continuation is not None else None

    @property
    def decoded(self) -> Request | None:
        """The request, if it had to be decoded for something."""
        return self._request

    async def decode(self) -> None:
        """Decode the request in a thread, if it is a large one.

        :raises GatewayError: if it cannot be decoded.
        """
        if self.is_large and self._request is None:
            self._request = await self.compute(self._decode)

    def _open_summary(self, text: str) -> Summary:
        """Return a summary that a client sent back.

        :raises InvalidRequestError: if it is not one of this gateway, naming the item.
        """
        try:
            return self.services.summaries.open(text)
        except SummaryError as error:
            param = find_path(self.original_call.body, text) or "input"
            raise InvalidRequestError(
                f"`{param}` cannot be read: {error}. Leave the compaction item out, and send the "
                "conversation itself.",
                param=param,
                code="invalid_encrypted_content",
            ) from error

    def session_key(self) -> str:
        """Return the key of the conversation, for affinity; empty if nothing tells it.

        Headers tell it for free; the body is read only where there is a choice to make.
        """
        if not self.is_conversation or self.call.route.operation != "generate":
            return ""
        identity = session_from_headers(self.call.headers)
        if identity is None and self.traits.conversation_hint is not None:
            identity = self.traits.conversation_hint(self.call)
        return "" if identity is None else session_key(self.call.principal, identity)

    # -- computing ------------------------------------------------------------------------

    async def compute(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a pure function, called in a thread if the request is large.

        :raises OverloadedError: if too many large requests wait for the thread.
        """
        if not self.is_large:
            return function(*arguments)
        background, size = self.services.background, len(self.call.body)
        result: T = await background.run(size, function, *arguments)
        return result

    async def compute_with(self, size: int, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a pure function of the request and of ``size`` stored bytes.

        It is called in a thread if one of them is large.

        :raises OverloadedError: if too many large requests wait for the thread.
        """
        if size <= _LARGE_BYTES:
            return await self.compute(function, *arguments)
        result: T = await self.services.background.run(size, function, *arguments)
        return result

    async def thinking_lookup(self, request: Request) -> Callable[[str], StoredThinking | None]:
        """Return what finds the stored thinking of a tool call; a thread can use the result."""
        signatures, principal = self.services.signatures, self.call.principal
        shared = signatures.shared
        if shared is not None and shared.is_used:
            await signatures.fetch(principal, await self.compute(lost_call_ids, request))
        find = partial(signatures.recall, principal)
        if not self.is_large:
            return find
        found: dict[str, StoredThinking] = {}
        names = await self.compute(call_ids, request) if len(signatures) else ()
        for place, name in enumerate(names):
            if place % _LOOKUPS_PER_TURN == _LOOKUPS_PER_TURN - 1:
                await deferLater(self.services.clock, 0)
            thinking = find(name)
            if thinking is not None:
                found[name] = thinking
        return found.get

    async def fetch_media(self, request: Request, traits: Traits) -> Request:
        """Return the request with the media that its target does not fetch itself.

        :raises InvalidRequestError: if something cannot or must not be fetched.
        """
        urls = await self.compute(urls_to_fetch, request, traits)
        if not urls:
            return request
        missing = [url for url in urls if url not in self._fetched]
        if missing:
            limit = self.snapshot.settings.proxy.max_body_bytes
            with self.recorder.waiting("upstream"):
                self._fetched |= await fetch_all(self.snapshot.media, missing, limit)
        return await self.compute(with_fetched, request, self._fetched)
