"""What can serve a request."""

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
    "generate", "stream", "count_tokens", "list_models", "embed", "embed_batch"
]


class Credential(Struct, frozen=True):
    """One account or key of an upstream.

    ``id`` may be logged, ``secret`` and ``extra`` never.  ``label`` is for the operator
    (an e-mail address, say).  ``extra`` holds what a kind of upstream needs besides.  ``mark``
    changes when the account is added anew, enabled or unlocked: then its locks are forgotten.
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
    """A provider: protocols that it speaks, where, and with which credentials."""

    name = Attribute("The name from the configuration.  :type: str")
    kind = Attribute("The kind that made it, such as ``anthropic``.  :type: str")
    protocols = Attribute(
        "Names of the client protocols that it speaks, best first.  :type: tuple[str, ...]"
    )
    quirks = Attribute("Switches for the protocol's encoder.  :type: frozenset[str]")

    def prepare(
        operation: UpstreamOperation,
        protocol: str,
        model: str,
        body: Body,
        credential: Credential,
        headers: Mapping[str, str],
    ) -> Deferred[Sequence[OutgoingRequest]]:
        """Return a Deferred that fires with the HTTP requests to try, in order.

        Each next one is tried only where the one before failed in a way that
        :meth:`try_next` says is worth it.  ``headers`` are the client's protocol headers
        (``anthropic-beta`` and so on), which an upstream of the same protocol may forward.
        ``body`` is in several pieces only where it is passed on and large: a form.
        """

    def try_next(error: GatewayError) -> bool:
        """Return whether the next of several prepared requests should be tried."""

    def unwrap(payload: bytes) -> bytes:
        """Return the protocol's own JSON out of one payload, where it comes wrapped."""

    def wraps() -> bool:
        """Return whether :meth:`unwrap` changes anything; if not, bytes may pass as they are."""

    def passes(protocol: str, operation: UpstreamOperation, body: bytes = b"") -> bool:
        """Return whether ``body``, of the same protocol, may be passed through unchanged."""

    def refused(error: GatewayError, credential: Credential) -> None:
        """Record that ``credential`` was refused with a 401, so that cached tokens go."""

    def models(credential: Credential) -> Deferred[Sequence[Model]]:
        """Return a Deferred that fires with the models that the credential can use.

        It fails with a ``GatewayError`` where the upstream can't be asked.
        """


class IStoringUpstream(IUpstream):
    """An upstream that stores its responses and serves them again."""

    def stored_requests(call: Call, credential: Credential) -> Sequence[OutgoingRequest]:
        """Return the HTTP requests to try, in order, for a ``stored`` call.

        ``credential`` is the one that the response was made with.
        """


class IRenewingUpstream(IUpstream):
    """An upstream whose requests carry tokens that it makes from credentials."""

    def renews(request: OutgoingRequest, credential: Credential) -> bool:
        """Return whether ``request``, which got a 401, is worth sending again.

        So it is if it carried a token: that is dropped, if it is still in use, and the same
        request prepared anew carries another one.  It is not if the token itself is new and took
        the place of a refused one: then the account is at fault.
        """

    def accepted(credential: Credential) -> None:
        """Record that a request with the token in use was served."""


class IModelProtocols(Interface):
    """An upstream some of whose models are asked in protocols of their own.

    Which ones those are, their capabilities say (``protocol``).
    """

    model_protocols = Attribute("Names of those client protocols.  :type: tuple[str, ...]")


class IUpstreamKind(Interface):
    """A kind of upstream that configurations can name; makes the upstreams."""

    kind = Attribute("The name of the kind, such as ``openai``.  :type: str")
    description = Attribute("One line for people.  :type: str")

    def build(settings: object, services: object) -> IUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table.

        ``settings`` is an ``UpstreamSettings``, ``services`` an ``UpstreamServices``.

        :raises ConfigurationError: if the settings lack something that this kind needs.
        """
