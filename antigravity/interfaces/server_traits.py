"""The special features of a server protocol as data: values, and optional functions.

The exchange reads these once per request.  A function is ``None`` if the protocol does not have
the feature.  All functions are pure, and none of them decodes a whole request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.interfaces.sockets import SessionFactory
from antigravity.ir.aspects import Aspects
from antigravity.ir.call import Call, HttpReply, ReplyContext
from antigravity.ir.capabilities import Capabilities, Loss
from antigravity.ir.errors import GatewayError, NotFoundError
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage


class RequiredModalities(Struct, frozen=True):
    """What a model must accept (``input``) and produce (``output``); empty: anything."""

    input: Literal["", "image", "document", "audio", "video"] = ""
    output: str = ""


class RequestedChoices(Struct, frozen=True):
    """How many responses a request asks for: ``each`` of them to each of the ``prompts``."""

    each: int = 1
    prompts: int = 1


class IFramer(Interface):
    """Frames the JSON payloads of a protocol's stream as one call requests."""

    content_type = Attribute("The ``Content-Type`` of the stream.  :type: str")

    def frame(data: bytes) -> bytes:
        """Return one payload with its framing."""

    def end() -> bytes:
        """Return the bytes at the end of the stream."""


class StreamFraming(Struct, frozen=True):
    """The framings of a protocol whose streams are not always server-sent events.

    ``framer`` returns the framer that a call requests, ``None`` for plain server-sent events.
    ``encode_failure`` returns the JSON payload that ends a stream with an error.
    """

    framer: Callable[[Call], IFramer | None]
    encode_failure: Callable[[GatewayError], bytes]


class RequestedUsage(Struct, frozen=True):
    """How the gateway asks for the usage of streams that report it only on request.

    ``field`` is the field that asks, which some upstreams refuse.  ``can_request`` returns whether
    a call does not ask by itself, and can be made to; ``request`` returns its body, in which the
    model may be another one, with the field.  The taps of the protocol are an ``IUsageHidingTap``.
    """

    field: str
    can_request: Callable[[Call], bool]
    request: Callable[[Call, bytes], bytes]


class Retrieval(Struct, frozen=True):
    """How a protocol replies to a call about one stored response.

    ``encode`` returns the reply about stored items, or raises ``InvalidRequestError``;
    ``not_found`` returns the error if there are none.
    """

    encode: Callable[[Call, bytes], HttpReply]
    not_found: Callable[[Call], NotFoundError]


class StoredResponses(Struct, frozen=True):
    """How a protocol's requests refer to earlier responses and read them.

    Bodies, histories and stored items are JSON texts.  Stream encoders of such a protocol have the
    attribute ``final_response``: the whole response's JSON object, ``None`` before the end, and if
    it is not to be stored.  Routes about one stored response have the operation ``stored`` and the
    argument ``id``.

    ``previous_id`` returns the id of the response that a call continues, if there is one.
    ``wants_store`` returns whether the response to a call must be stored.
    ``expand`` returns a body with the items of a history before its own, and without the id.
    ``items_to_store`` returns the items of the (expanded) body and of its response.
    ``retrieval`` serves ``stored`` calls, ``None`` if the protocol has none.
    ``reference`` is the name of the field with the id of the response that a body continues, and
    ``missing_code`` the code of the error if that response is not found.
    ``only_known`` says that an id which is not known here is refused, although an upstream of the
    protocol might know it: it may be another client's.
    ``restarts`` says that clients send the whole conversation if the response is not found: so it
    is not found, either, if the only account that can continue it is not available.
    ``quirk`` is the quirk of upstreams that store responses themselves; empty: all that speak the
    protocol do.
    ``referenced`` returns the ids of the responses of which a body names single items, and
    ``resolve`` returns the body with these items, given stored items by response id.  Bodies that
    name single items contain ``item_mark``.
    """

    previous_id: Callable[[Call], str | None]
    wants_store: Callable[[Call], bool]
    expand: Callable[[bytes, Sequence[bytes]], bytes]
    items_to_store: Callable[[bytes, bytes], bytes]
    retrieval: Retrieval | None = None
    reference: str = "previous_response_id"
    only_known: bool = False
    restarts: bool = False
    quirk: str = ""
    missing_code: str = "previous_response_not_found"
    referenced: Callable[[bytes], Iterable[str]] | None = None
    resolve: Callable[[bytes, Mapping[str, bytes]], bytes] | None = None
    item_mark: bytes = b""


class CompactionRequest(Struct, frozen=True):
    """A request to replace the beginning of a conversation by a summary.

    ``endpoint``: the reply is the compacted conversation.  ``trigger``: the response is the
    summary.  ``threshold``: the summary comes before the response, if the input has more than
    ``threshold`` tokens (``None``: if it is about to exceed the context window).
    """

    kind: Literal["endpoint", "trigger", "threshold"]
    threshold: int | None = None


class Compaction(Struct, frozen=True):
    """How a protocol's requests ask for compaction.

    ``find`` returns what a call asks for.  ``check`` checks the place of the trigger, and raises
    ``InvalidRequestError``.  ``encode`` returns the reply of the endpoint, given the item with the
    summary and the usage.
    """

    find: Callable[[Call], CompactionRequest | None]
    check: Callable[[Call], None]
    encode: Callable[[dict[str, Any], Usage, ReplyContext], HttpReply]


class FunctionForms(Struct, frozen=True):
    """A request whose tools that the client runs are functions.

    ``restorer`` is the event pass that replaces calls of these functions by what the client
    expects (``None``: the client expects calls); it is for one response.
    """

    request: Request
    losses: tuple[Loss, ...] = ()
    restorer: Any = None


class ServerTraits(Struct, frozen=True, kw_only=True):
    """The special features of a server protocol, beyond decoding and encoding.

    ``required_modalities`` is for a protocol with one purpose, such as generating images: what a
    model of another protocol must accept and produce.  Its requests belong to no conversation.  A
    404 does not lock the account, because not every upstream has a path for it.

    ``can_respond_with_files`` says that a response may be text or a file: a response that is
    neither JSON nor a stream of events is passed on byte for byte.

    ``conversation_hint`` returns a key of the conversation that a call belongs to: the id that
    the client gave it, otherwise a hash of the user's first text.  It is the same for every
    request of the conversation, and ``None`` if the body contains neither.

    ``needs_translation`` returns whether a body uses one of the aspects in which a model with such
    capabilities differs from the model that the request was written for.  A false positive only
    costs time.  For a body that cannot be translated it returns false.

    ``is_complete`` returns whether a call's body has everything that a model with such capabilities
    requires, in the protocol's own form; one that is not complete is decoded, completed and encoded
    again.

    ``variant`` returns the protocol that serves a call whose body is written for another protocol,
    ``None`` for all other calls.  Its body never passes through.

    ``calls_without_reasoning`` returns the ids of the tool calls in a body's history that have no
    reasoning.  ``drops_reasoning`` says that clients drop reasoning unintentionally, because the
    protocol has no common field for it.

    ``errors_state_delays`` says that clients read from the body of an error, not from its headers,
    how long to wait.

    ``decodes_outlines`` says that a request decoded from the outline of its body is the same, but
    for media, whose base64 text is shortened: it is moved as it is, or only its ends, its alphabet
    and its padding are changed.

    ``requested_choices`` returns how many responses a call asks for; ``split_prompts`` returns a
    request for each prompt of a decoded call, in the order of the responses (``None``: a call has
    one prompt).

    ``thinks_with_tools`` returns whether a call has functions and does not switch thinking off.

    ``native_only_error`` returns the error for a request that cannot be translated, ``None`` if
    it can, or if that is known only after decoding.

    ``as_functions`` returns a request with functions in the place of tools that the client runs
    and that only this protocol has; ``None`` if it has no such tools.  It raises
    ``InvalidRequestError``.

    ``requested_usage`` asks upstreams for the usage of streams.

    ``socket_session`` makes the state of a WebSocket connection, for protocols that can be spoken
    over one: to the path of the ``POST`` route that generates responses.  ``encode_prewarm``
    returns the stream of an empty response, for a request over one that generates none.
    """

    required_modalities: RequiredModalities | None = None
    can_respond_with_files: bool = False
    drops_reasoning: bool = False
    decodes_outlines: bool = False
    errors_state_delays: bool = False
    conversation_hint: Callable[[Call], str | None] | None = None
    needs_translation: Callable[[bytes, Aspects, Capabilities], bool] | None = None
    is_complete: Callable[[Call, Capabilities], bool] | None = None
    variant: Callable[[Call], Any] | None = None
    calls_without_reasoning: Callable[[bytes], tuple[str, ...]] | None = None
    requested_choices: Callable[[Call], RequestedChoices] | None = None
    split_prompts: Callable[[Call, Request], Sequence[Request]] | None = None
    thinks_with_tools: Callable[[Call], bool] | None = None
    native_only_error: Callable[[Call], GatewayError | None] | None = None
    as_functions: Callable[[Request], FunctionForms | None] | None = None
    socket_session: SessionFactory | None = None
    encode_prewarm: Callable[[ReplyContext], bytes] | None = None
    framing: StreamFraming | None = None
    requested_usage: RequestedUsage | None = None
    stored_responses: StoredResponses | None = None
    compaction: Compaction | None = None

    @property
    def is_conversation(self) -> bool:
        """Whether requests are turns of conversations, not of one purpose."""
        return self.required_modalities is None
