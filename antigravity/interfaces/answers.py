"""Requests that not every upstream can serve in one go, or at all, and answers that are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from zope.interface import Interface

from antigravity.interfaces.protocols import IStoredConversations, ITap
from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.ir.request import Request


class Wanted(Struct, frozen=True):
    """How many answers are wanted: ``each`` of them to each of the ``prompts``."""

    each: int = 1
    prompts: int = 1


ONE = Wanted()


class ISeveralAnswers(Interface):
    """A server protocol whose requests may want several answers."""

    def wanted(call: Call) -> Wanted:
        """Return how many answers a request wants, as far as a glance tells.

        It is not decoded for that; what makes no sense is for :meth:`IServerProtocol.decode`.
        """

    def prompts(call: Call, request: Request) -> Sequence[Request]:
        """Return a request for each prompt of a call that was decoded to ``request``.

        The answers to one prompt come before those to the next.
        """


class IPassingClient(Interface):
    """A client protocol that nothing is translated to: its requests go up as they came."""


class IPassedOnly(Interface):
    """A server protocol some of whose requests mean something to upstreams of it alone."""

    def untranslatable(call: Call) -> InvalidRequestError | None:
        """Return why a request can be passed on only, for a client whom nobody can serve.

        ``None``: it can be translated, or a glance does not tell.
        """


class IStoredAnswers(IStoredConversations):
    """A server protocol whose answers can be asked for again.

    Its routes for that have the operation ``stored`` and the argument ``id``.
    """

    def encode_stored(call: Call, kept: bytes) -> HttpReply:
        """Return the reply to a ``stored`` call about what :meth:`snapshot` has made.

        :raises InvalidRequestError: if that cannot be done with it.
        """

    def not_stored(call: Call) -> NotFoundError:
        """Return the error for a ``stored`` call about something that is not known."""


class INamingTap(ITap):
    """A tap that finds the id under which an upstream keeps its answer."""

    def name(tell: Callable[[str], None]) -> None:
        """Tell the id, as soon as it is known, from now on."""

    def whole(body: bytes) -> None:
        """Look at a whole answer, instead of events."""
