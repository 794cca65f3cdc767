"""The two sides of a wire protocol: the server that clients call, and the client of upstreams.

Everything here is sans-IO and synchronous.  One object per protocol serves all requests; the state
of one request is in the encoder or decoder made for it.

Functions of requests (``decode``, ``encode``, ``encode_count``, ``with_model``, ``peek``) must be
pure: for large requests they are called in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from zope.interface import Attribute, Interface

from antigravity.ir.call import Body, Call, Head, HttpReply, ReplyContext, Route, TokenCount
from antigravity.ir.capabilities import Loss, Model, Target, Traits
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.sse import ServerSentEvent


class EncodedRequest(Struct, frozen=True):
    """The JSON ``body`` of a request to an upstream, its losses, and the betas that it needs."""

    body: bytes
    warnings: tuple[Loss, ...] = ()
    betas: tuple[str, ...] = ()


class IStreamEncoder(Interface):
    """Encodes events as the bytes of one streamed reply, in a legal order for any input.

    After the end (:meth:`end`, a ``Finish`` of all choices followed by :meth:`end`, or a
    ``StreamFailure``) nothing more is ever written: later calls return ``b""``.
    """

    content_type = Attribute("The ``Content-Type`` of the stream.  :type: str")

    def encode(event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none.

        A ``StreamFailure`` closes what is open and ends with the protocol's error event.
        """

    def keepalive() -> bytes:
        """Return bytes that are legal now and have no meaning, ``b""`` if there are none."""

    def end() -> bytes:
        """Return the terminal events.

        Called once, after the last event.  If no choice has finished, the stream ends with the
        protocol's error event: a response without a finish reason never looks complete.
        """


class INumberingEncoder(IStreamEncoder):
    """A stream encoder whose events have numbers that grow."""

    def continue_after(number: int) -> None:
        """Let the next event have the number behind ``number``."""


class IPartialFailures(Interface):
    """A stream encoder that can report that one of several responses failed, and continue."""

    def failed(error: GatewayError) -> bytes:
        """Return the bytes that report one failure."""


class IServerSide(Interface):
    """What all server protocols have in common."""

    name = Attribute("The protocol's name, such as ``anthropic``.  :type: str")
    routes = Attribute("Its routes.  :type: tuple[Route, ...]")
    traits = Attribute("Its special features, often none.  :type: ServerTraits")

    def peek(call: Call) -> Head:
        """Return model and streaming switch of a ``generate`` or ``count_tokens`` call.

        :raises InvalidRequestError: if the body is not a JSON object or names no model.
        """

    def with_model(call: Call, model: str) -> Body:
        """Return the call's body with another model name, otherwise unchanged."""

    def encode_error(error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in the protocol's format, with ``Retry-After`` if it is known."""


class IServerProtocol(IServerSide):
    """The server side of one protocol."""

    keepalive = Attribute(
        "Bytes without meaning that can stand between two events, often empty.  :type: bytes"
    )

    def decode(call: Call) -> Request:
        """Return the request in a ``generate`` or ``count_tokens`` call.

        :raises InvalidRequestError: with the invalid field as ``param``.
        """

    def encoder(context: ReplyContext) -> IStreamEncoder:
        """Return an encoder for one streamed reply."""

    def encode_response(response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""

    def encode_count(count: TokenCount, call: Call) -> HttpReply:
        """Return the reply to a ``count_tokens`` call."""

    def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models.  Query parameters can page it."""

    def encode_model(model: Model, call: Call) -> HttpReply:
        """Return one model."""


class IStreamDecoder(Interface):
    """Decodes an upstream's server-sent events to events of the representation.

    It returns legal sequences: a ``ResponseStart`` first, deltas of a tool call
    between its start and its end, a ``Finish`` for each choice, never anything after a
    ``StreamFailure``.
    """

    def decode(event: ServerSentEvent) -> Sequence[Event]:
        """Return the decoded events.  Malformed data becomes a ``StreamFailure``.

        It raises nothing; an exception is a bug of the protocol and ends the response.
        """

    def close() -> Sequence[Event]:
        """Return the events for the end of the body.

        There are none after a proper end, else a ``StreamFailure``: the response is incomplete.
        """


class ITap(Interface):
    """Observes a stream that is passed through unchanged, at the lowest cost.

    It decodes only events that can hold usage or the end.
    """

    usage = Attribute("The last usage seen.  :type: Usage | None")
    finished = Attribute("Whether the stream has ended as the protocol requires.  :type: bool")
    meaningful = Attribute("Whether any real content was seen.  :type: bool")
    failure = Attribute("The error event that was seen, if any.  :type: GatewayError | None")

    def watch(event: ServerSentEvent) -> None:
        """Observe one event.

        :raises msgspec.DecodeError: if no client can read it.  After the end of the response, the
            event is then left out.
        """


class IDeltaTap(ITap):
    """A tap that recognises events which only add content, many at a time.

    Most events of a stream are such deltas, and need no look one by one.
    """

    def watch_deltas(name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Observe events that only add content; else return false, and do nothing.

        ``events`` are whole events with the name ``name``, and ``payloads`` their data, out of any
        envelope.  Each is one JSON object by its first and last byte, and no member describes an
        error.  If this returns true, each has the member that holds its content (``choices``,
        ``candidates`` or ``delta``), and the tap is as if it had watched each.  False is always
        right.
        """


class ITextIgnoringTap(IDeltaTap):
    """A tap that need not see further deltas which differ from the last ones only in their text."""

    def ignores_text() -> bool:
        """Return whether such deltas would leave the tap as it is.

        It is asked after ``watch_deltas`` has returned true.  From then on deltas that have the
        same members pass unseen, until the next event of another kind.
        """


class IClosingTap(ITap):
    """A tap that can complete a stream that ended in order, but without its last events."""

    def close() -> bytes | None:
        """Return the bytes that make the stream complete, often none.

        ``None``: the response is incomplete.  Called once, if the body ended in order.
        """


class IRepairingTap(ITap):
    """A tap that repairs events of compatible servers that clients cannot read."""

    def repair(event: ServerSentEvent) -> ServerSentEvent:
        """Return an event that clients can read, usually ``event`` itself."""


class IBodyRepairingTap(ITap):
    """A tap that repairs whole responses of compatible servers that clients cannot read."""

    def repair_body(body: bytes) -> bytes:
        """Return a body that clients can read, usually ``body`` itself."""


class IUsageHidingTap(ITap):
    """A tap on a stream whose usage the gateway may have asked for, and not the client."""

    def without_usage(event: ServerSentEvent) -> ServerSentEvent | None:
        """Return what such a client sees of the event that was watched last, usually ``event``.

        ``None``: nothing.
        """


class INumberedTap(ITap):
    """A tap on streams whose events have numbers that grow."""

    last_number = Attribute(
        "The number of the last event, ``None`` if there was none.  :type: int | None"
    )


class IReasoningTap(ITap):
    """A tap that finds reasoning that clients may drop although later requests need it."""

    def collect(on_event: Callable[[Event], None], family: str, *, unsigned: bool = False) -> None:
        """Call ``on_event`` for each tool call, and for the signed thinking before it.

        Nothing is decoded before a tool is called.

        :param family: the model family that makes the signatures.
        :param unsigned: whether thinking without a signature is also reported.
        """

    def watch_body(body: bytes) -> None:
        """Observe a whole response, instead of events."""


class IResponseIdTap(ITap):
    """A tap that finds the id under which an upstream stores its response."""

    def on_response_id(callback: Callable[[str], None]) -> None:
        """Call ``callback`` with the id as soon as it is known."""

    def watch_body(body: bytes) -> None:
        """Observe a whole response, instead of events."""


class IClientSide(Interface):
    """What all client protocols have in common."""

    name = Attribute("The protocol's name; the same as its server side's.  :type: str")
    traits = Attribute("What the protocol can express.  :type: Traits")

    def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in a response with a status of 400 or more.

        ``headers`` have lower-case names.  ``retry_after`` is read from headers or body.
        401 and 403 become an ``UpstreamCredentialError``.
        """


class IClientProtocol(IClientSide):
    """The client side of one protocol."""

    socket_session = Attribute(
        "Makes the state of a WebSocket connection to an upstream, an ``IUpstreamSession``; "
        "``None`` if the protocol is not spoken over one.  :type: Callable[[], Any] | None"
    )

    def encode(request: Request, target: Target) -> EncodedRequest:
        """Return the request, already lowered to :attr:`traits`, as a streaming one.

        What the protocol cannot express is left out and named in the warnings.

        :raises InvalidRequestError: if the target does not support an essential part.
        """

    def encode_count(request: Request, target: Target) -> EncodedRequest | None:
        """Return a request to count tokens, or ``None`` if the protocol has none."""

    def decoder(request: Request, target: Target) -> IStreamDecoder:
        """Return a decoder for the streamed response to ``request``."""

    def tap() -> ITap:
        """Return a tap for one stream that is passed through."""

    def decode_usage(body: bytes) -> Usage | None:
        """Return the usage in a whole JSON response that is passed through, if it has one."""

    def decode_count(body: bytes) -> int:
        """Return the tokens in the response to :meth:`encode_count`.

        :raises UpstreamError: if it has none.
        """

    def decode_models(body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list.

        :raises UpstreamError: if it is not a list.
        """


__all__ = [
    "EncodedRequest",
    "IClientProtocol",
    "IClientSide",
    "IServerProtocol",
    "IServerSide",
    "IStreamDecoder",
    "IStreamEncoder",
    "ITap",
    "Model",
    "Route",
    "Traits",
]
