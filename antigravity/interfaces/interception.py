"""Rules that recognise special requests before they are routed.

:meth:`may_match` is called first, for every request, so that only bodies of known clients are
decoded.  Exceptions are logged, and the rule does not match.
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import Attribute, Interface

from antigravity.ir.request import Request


class IWarmupFilter(Interface):
    """Recognises requests that only warm a cache; the gateway responds "OK" itself."""

    name = Attribute("The name, for records and logs.  :type: str")
    marks = Attribute(
        "Byte strings, one of which every matching body contains; empty: bodies are not searched.  "
        ":type: tuple[bytes, ...]"
    )

    def may_match(headers: Mapping[str, str]) -> bool:
        """Return whether a request with these headers (names in lower case) may match."""

    def matches(request: Request, headers: Mapping[str, str]) -> bool:
        """Return whether ``request`` is a warm-up that needs no model."""


class IBackgroundDetector(Interface):
    """Recognises small tasks that clients send in the background, such as titles."""

    name = Attribute("The name, for logs.  :type: str")

    def may_match(headers: Mapping[str, str]) -> bool:
        """Return whether a request with these headers (names in lower case) may be one."""

    def detect(request: Request, headers: Mapping[str, str]) -> str | None:
        """Return the kind of the task (``title``, say), ``None`` if it is not a background task."""
