"""Trials of requests: what an upstream would get, and its answer, as the admin API has them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

#: Most bytes of a request to try.
LARGEST: Final = 512 * 1024
#: Most bytes of a response that are shown, and seconds to wait for it.
LARGEST_ANSWER: Final = 512 * 1024
LONGEST_WAIT: Final = 300.0

_Name = Annotated[str, Meta(max_length=512)]


class LabRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's request to try.

    ``protocol`` is the client's, ``request`` the body.  ``model`` replaces the model in the body,
    and ``upstream`` is the only one to use; empty: as the client's request would be routed.
    ``simulate`` sends it to the built-in simulator in the place of the upstream.
    """

    protocol: str
    request: dict[str, Any]
    model: _Name = ""
    upstream: _Name = ""
    stream: bool = False
    simulate: bool = False


class LabTranslation(Struct, frozen=True, kw_only=True):
    """What would be sent to the upstream, with masked credentials.

    ``passed_through`` says that the client's body is sent, with another model at most.
    ``warnings`` are what translation loses.  If nothing would be sent, ``error`` says why, or
    ``answered_by`` the part of the gateway that answers by itself.
    """

    model: str
    served_model: str = ""
    route: list[str] = []
    upstream: str = ""
    protocol: str = ""
    account: str = ""
    passed_through: bool = False
    method: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    warnings: list[str] = []
    error: str = ""
    answered_by: str = ""


class LabAnswer(Struct, frozen=True, kw_only=True):
    """What the client would get; ``is_cut`` says that ``body`` is only the beginning.

    ``simulated`` says that the simulator has answered; there is no record of it then.
    """

    request_id: str
    status: int
    content_type: str
    headers: dict[str, str]
    body: str
    is_cut: bool = False
    seconds: float = 0.0
    simulated: bool = False


class ILab(Interface):
    """Tries requests."""

    protocols = Attribute("Names of the protocols of requests.  :type: tuple[str, ...]")

    def translate(request: LabRequest) -> Deferred[LabTranslation]:
        """Return a Deferred with what an upstream would get; nothing is sent to it.

        An access token may be fetched, and files that the request names by their addresses.  It
        fails with an ``InvalidRequestError`` for a protocol that is none of conversations.
        """

    def send(request: LabRequest) -> Deferred[LabAnswer]:
        """Send the request as if a client had sent it, and return a Deferred with the answer.

        It fails like that of :meth:`translate`, with a ``DeadlineError`` if it takes too long, and
        with an ``OverloadedError`` if too many requests are simulated.
        """
