"""What is recognised among requests before they are routed.

Both kinds of object are asked :meth:`may_match` first, for every request, so that only the bodies
of clients that somebody knows are decoded.  What they raise is logged and means no.
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import Attribute, Interface

from antigravity.ir.request import Request


class IWarmupFilter(Interface):
    """Recognises requests that a client sends only to warm a cache; the gateway says "OK"."""

    name = Attribute("The name, for records and logs.  :type: str")
    marks = Attribute(
        "Byte strings of which a body that matches holds one, looked for before it is decoded; "
        "empty if there are none.  :type: tuple[bytes, ...]"
    )

    def may_match(headers: Mapping[str, str]) -> bool:
        """Return whether a request with these headers (names in lower case) may match."""

    def matches(request: Request, headers: Mapping[str, str]) -> bool:
        """Return whether ``request`` is a warm-up that no model has to answer."""


class IBackgroundDetector(Interface):
    """Recognises small tasks that a client sets on its own, such as titles."""

    name = Attribute("The name, for logs.  :type: str")

    def may_match(headers: Mapping[str, str]) -> bool:
        """Return whether a request with these headers (names in lower case) may be one."""

    def detect(request: Request, headers: Mapping[str, str]) -> str | None:
        """Return the kind of task that ``request`` is (``title``, say), ``None`` if it is none."""
