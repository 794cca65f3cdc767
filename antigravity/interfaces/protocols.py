"""What a wire protocol must know: to be a server of it, and to be a client of it.

Everything here is sans-IO and synchronous.  One object per protocol serves all requests;
what belongs to one request lives in the encoder or decoder made for it.

What works on requests (``decode``, ``encode``, ``encode_count``, ``with_model``, ``peek``) must be
pure: it is called in a thread for large requests.
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
    """A request in a protocol's words: JSON ``body``, and what could not be said in it."""

    body: bytes
    warnings: tuple[Loss, ...] = ()


class IStreamEncoder(Interface):
    """Turns events into the bytes of one streamed reply, in a legal order whatever comes in.

    After the end (:meth:`end`, a ``Finish`` of all choices followed by :meth:`end`, or a
    ``StreamFailure``) nothing more is ever written: later calls return ``b""``.
    """

    content_type = Attribute("The ``Content-Type`` of the stream.  :type: str")

    def encode(event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream, often none.

        A ``StreamFailure`` closes what is open and ends with the protocol's error event.
        """

    def keepalive() -> bytes:
        """Return bytes that are legal now and mean nothing, or ``b""`` where there are none."""

    def end() -> bytes:
        """Return the terminal events.

        Called once all events are in.  If no choice has finished, the stream ends with the
        protocol's error event: an answer that stops without a reason is never passed off
        as complete.
        """


class IPartialFailures(Interface):
    """A stream encoder that can name what failed of several answers, and go on."""

    def failed(error: GatewayError) -> bytes:
        """Return the bytes that name one failure."""


class IServerSide(Interface):
    """What all servers of protocols have, whatever they serve."""

    name = Attribute("The protocol's name, such as ``anthropic``.  :type: str")
    routes = Attribute("What it serves.  :type: tuple[Route, ...]")
    traits = Attribute("What is special about it; often nothing.  :type: ServerTraits")

    def peek(call: Call) -> Head:
        """Return model and streaming switch of a ``generate`` or ``count_tokens`` call.

        :raises InvalidRequestError: if the body is no JSON object or names no model.
        """

    def with_model(call: Call, model: str) -> Body:
        """Return the call's body for another model, otherwise byte for byte as it came."""

    def encode_error(error: GatewayError, request_id: str) -> HttpReply:
        """Return the error in the protocol's shape, with ``Retry-After`` where it is known."""


class IServerProtocol(IServerSide):
    """How to be a server of one protocol."""

    keepalive = Attribute(
        "Bytes that mean nothing between two whole events of a begun stream, or none.  :type: bytes"
    )

    def decode(call: Call) -> Request:
        """Return the request in a ``generate`` or ``count_tokens`` call.

        :raises InvalidRequestError: naming the field at fault in ``param``.
        """

    def encoder(context: ReplyContext) -> IStreamEncoder:
        """Return an encoder for one streamed reply."""

    def encode_response(response: Response, context: ReplyContext) -> HttpReply:
        """Return the reply to a call that does not stream."""

    def encode_count(count: TokenCount, call: Call) -> HttpReply:
        """Return the reply to a ``count_tokens`` call."""

    def encode_models(models: Sequence[Model], call: Call) -> HttpReply:
        """Return the list of models.  Query parameters may page it."""

    def encode_model(model: Model, call: Call) -> HttpReply:
        """Return one model."""


class IStreamDecoder(Interface):
    """Turns an upstream's server-sent events into events of the representation.

    Sequences that it returns are legal: a ``ResponseStart`` first, deltas of a tool call
    between its start and its end, a ``Finish`` for each choice, never anything after a
    ``StreamFailure``.
    """

    def decode(event: ServerSentEvent) -> Sequence[Event]:
        """Return what ``event`` means.  Malformed data gives a ``StreamFailure``.

        It raises nothing: that would be a fault of the protocol, which ends the answer.
        """

    def close() -> Sequence[Event]:
        """Return what the end of the body means.

        Nothing after a proper end, else a ``StreamFailure`` saying that the upstream broke off.
        """


class ITap(Interface):
    """Watches a stream that is passed through as it is, at the lowest cost.

    It decodes only the events that can hold usage or an end.
    """

    usage = Attribute("The last usage seen.  :type: Usage | None")
    finished = Attribute("Whether the stream has ended as the protocol demands.  :type: bool")
    meaningful = Attribute("Whether any real content was seen.  :type: bool")
    failure = Attribute("The error event that was seen, if any.  :type: GatewayError | None")

    def watch(event: ServerSentEvent) -> None:
        """Look at one event.

        :raises msgspec.DecodeError: if no client can read it; behind the end it is left out.
        """


class IClosingTap(ITap):
    """A tap that knows what a stream lacks that ended in order, but without its last events."""

    def close() -> bytes | None:
        """Return the bytes that make the stream complete, often none.

        ``None``: the answer is not complete.  Called once, at an end that is no cut.
        """


class IRepairingTap(ITap):
    """A tap that knows what clients cannot read in the events of compatible servers."""

    def repair(event: ServerSentEvent) -> ServerSentEvent:
        """Return an event that clients can read, mostly ``event`` itself."""


class IBodyRepairingTap(ITap):
    """A tap that knows what clients cannot read in whole responses of compatible servers."""

    def repair_body(body: bytes) -> bytes:
        """Return a body that clients can read, mostly ``body`` itself."""


class IReasoningTap(ITap):
    """A tap that also finds what a client may drop although later turns need it."""

    def collect(tell: Callable[[Event], None], family: str, *, unsigned: bool = False) -> None:
        """Tell of tool calls, and of the signed thinking before them, from now on.

        Of other events nobody is told.  What costs something is done when a tool is called.

        :param family: whose signatures the model makes.
        :param unsigned: whether thinking without a signature is wanted, too.
        """

    def watch_body(body: bytes) -> None:
        """Look at a whole answer, instead of events."""


class IResponseIdTap(ITap):
    """A tap that finds the id under which an upstream keeps its answer."""

    def on_response_id(tell: Callable[[str], None]) -> None:
        """Tell the id, as soon as it is known, from now on."""

    def watch_body(body: bytes) -> None:
        """Look at a whole answer, instead of events."""


class IClientSide(Interface):
    """What all clients of upstreams have, whatever they ask for."""

    name = Attribute("The protocol's name; the same as its server side's.  :type: str")
    traits = Attribute("What requests in this protocol can say.  :type: Traits")

    def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Return the error in an answer with a status of 400 or more.

        ``headers`` have lower-case names.  The delay until a retry makes sense is taken from
        wherever the protocol puts it.  401 and 403 become an ``UpstreamCredentialError``.
        """


class IClientProtocol(IClientSide):
    """How to be a client of one protocol."""

    def encode(request: Request, target: Target) -> EncodedRequest:
        """Return the request, already lowered to :attr:`traits`, as a streaming one.

        What the protocol has no words for is left out, and named in the warnings.

        :raises InvalidRequestError: for what the target can't do and nobody should guess.
        """

    def encode_count(request: Request, target: Target) -> EncodedRequest | None:
        """Return a request to count tokens, or ``None`` if the protocol has none."""

    def decoder(request: Request, target: Target) -> IStreamDecoder:
        """Return a decoder for the streamed answer to ``request``."""

    def tap() -> ITap:
        """Return a tap for one stream that is passed through."""

    def decode_usage(body: bytes) -> Usage | None:
        """Return the usage in a whole JSON answer that is passed through, if it has one."""

    def decode_count(body: bytes) -> int:
        """Return the tokens in the answer to :meth:`encode_count`.

        :raises UpstreamError: if it holds none.
        """

    def decode_models(body: bytes) -> Sequence[Model]:
        """Return the models in the upstream's list.

        :raises UpstreamError: if it is no list.
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
