"""Answers that are sound: when they have begun, and work on them that a thread does."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from antigravity.ir.errors import GatewayError


class IDeliberateEncoder(Interface):
    """A stream encoder that knows itself when its answer has begun.

    What comes first may be no answer in its eyes, such as words where sound is wanted; until it
    says that the answer has begun, an attempt may fail.
    """

    begun = Attribute("Whether there is an answer that a client can be given.  :type: bool")
    failure = Attribute("Why there is none, if that is known.  :type: GatewayError | None")


class IConverter(Interface):
    """Works on the bytes of one stream, for so long that a thread does it.

    No two of its methods run at a time.
    """

    def convert(data: bytes) -> bytes:
        """Return what ``data`` becomes, often less than all of it; called in a thread."""

    def finish() -> bytes:
        """Return the end of the stream; called in a thread."""

    def failed(error: GatewayError) -> bytes:
        """Return what ends a stream that broke off; nothing: the connection has to break, too."""


class IConverted(Interface):
    """A stream encoder that may leave a part of its work to a thread."""

    def converter() -> IConverter | None:
        """Return what works on all further bytes of the stream, or ``None``: they are done.

        Called before the first event, if at all.
        """
