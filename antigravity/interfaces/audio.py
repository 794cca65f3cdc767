"""Encoders of audio: when their response has started, and conversion in a thread."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from antigravity.ir.errors import GatewayError


class IDeliberateEncoder(Interface):
    """A stream encoder that decides itself when its response has started.

    The first events may not count, such as text where audio was requested.  Until the response
    has started, the attempt may fail and another one is made.
    """

    begun = Attribute("Whether the response has started.  :type: bool")
    failure = Attribute("Why it has not started, if that is known.  :type: GatewayError | None")


class IConverter(Interface):
    """Converts the bytes of one stream in a thread; no two methods run at the same time."""

    def convert(data: bytes) -> bytes:
        """Return the converted bytes, often not all of them yet; called in a thread."""

    def finish() -> bytes:
        """Return the end of the stream; called in a thread."""

    def failed(error: GatewayError) -> bytes:
        """Return the end of a stream that failed; if it is empty, the connection is aborted."""


class IConverted(Interface):
    """A stream encoder whose output may have to be converted in a thread."""

    def converter() -> IConverter | None:
        """Return the converter of the stream, ``None`` if its bytes need no conversion.

        Called before the first event, if at all.
        """
