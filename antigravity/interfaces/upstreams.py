"""Upstreams, kinds of upstream, and credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from antigravity.interfaces.transport import OutgoingRequest
from antigravity.ir.call import Body, Call
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError

UpstreamOperation = Literal[
    "generate", "stream", "compact", "count_tokens", "list_models", "embed", "embed_batch"
]


class Credential(Struct, frozen=True):
    """The secret of one account of an upstream: an API key or a token.

    ``id`` is the id of the account; it may be logged, ``secret`` and ``extra`` never.  ``label``
    is for the operator, such as an e-mail address.  ``extra`` contains what a kind of upstream
    needs in addition.  ``mark`` changes when the account is added again, enabled or unlocked; its
    locks end then.
    """

    id: str
    upstream: str
    secret: str
    label: str = ""
    extra: Mapping[str, str] = {}
    mark: str = ""

    def __repr__(self) -> str:
        return f"<Credential {self.id} of {self.upstream}>"


class IUpstream(Interface):
    """A server that the gateway sends requests to: its protocols, addresses and headers."""

    name = Attribute("The name from the configuration.  :type: str")
    kind = Attribute("The kind of upstream, such as ``anthropic``.  :type: str")
    protocols = Attribute(
        "Names of the client protocols that it speaks, best first.  :type: tuple[str, ...]"
    )
    quirks = Attribute("Quirks, for the protocol's encoder.  :type: frozenset[str]")

    def prepare(
        operation: UpstreamOperation,
        protocol: str,
        model: str,
        body: Body,
        credential: Credential,
        headers: Mapping[str, str],
    ) -> Sequence[OutgoingRequest] | Deferred[Sequence[OutgoingRequest]]:
        """Return the HTTP requests to try, in order, or a Deferred that fires with them.

        The next one is tried only if the previous one failed with an error for which
        :meth:`try_next` returns true.  ``headers`` are the client's protocol headers, such as
        ``anthropic-beta``, which an upstream of the same protocol may forward.  ``body`` consists
        of several pieces only if it is large and passed through.

        :raises GatewayError: if there is no such request; the Deferred fails with it, too.
        """

    def try_next(error: GatewayError) -> bool:
        """Return whether the next of several prepared requests should be tried."""

    def unwrap(payload: bytes) -> bytes:
        """Return the protocol's JSON from one payload, without the upstream's envelope."""

    def wraps() -> bool:
        """Return whether :meth:`unwrap` changes payloads; if not, they can be passed through."""

    def passes(protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether ``body``, of the same protocol, may be passed through unchanged."""

    def refused(error: GatewayError, credential: Credential) -> None:
        """Record that ``credential`` was refused with a 401, so that cached tokens go."""

    def models(credential: Credential) -> Deferred[Sequence[Model]]:
        """Return a Deferred that fires with the models that the credential can use.

        It fails with a ``GatewayError`` if the list cannot be fetched.
        """


class IStoringUpstream(IUpstream):
    """An upstream that stores its responses and serves them again."""

    def stored_requests(call: Call, credential: Credential) -> Sequence[OutgoingRequest]:
        """Return the HTTP requests to try, in order, for a ``stored`` call.

        ``credential`` is the one that the response was requested with.
        """


class ISocketUpstream(IUpstream):
    """An upstream to whose addresses requests can be sent over WebSocket, too."""

    socket_protocols = Attribute(
        "Names of the client protocols for which that is so.  :type: tuple[str, ...]"
    )


class IRenewingUpstream(IUpstream):
    """An upstream that gets access tokens for credentials and sends them with requests."""

    def renews(request: OutgoingRequest, credential: Credential) -> bool:
        """Return whether to prepare and send ``request`` again, which got a 401.

        If the request contained a token, the token is dropped if it is still in use, and the new
        request contains another one.  If the token is new and has replaced a refused one, the
        account itself was refused: return false.
        """

    def accepted(credential: Credential) -> None:
        """Record that a request with the token in use was served."""


class IModelProtocols(Interface):
    """An upstream with models that need another protocol, named by their capabilities."""

    model_protocols = Attribute("Names of these client protocols.  :type: tuple[str, ...]")


class IUpstreamKind(Interface):
    """A kind of upstream that configurations can name; it builds the upstreams."""

    kind = Attribute("The name of the kind, such as ``openai``.  :type: str")
    description = Attribute("One line for users.  :type: str")

    def build(settings: object, services: object) -> IUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table.

        ``settings`` is an ``UpstreamSettings``, ``services`` an ``UpstreamServices``.

        :raises ConfigurationError: if a setting that this kind needs is missing.
        """
