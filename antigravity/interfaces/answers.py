"""Requests that not every upstream can serve in one go, or at all."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from zope.interface import Interface

from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
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
