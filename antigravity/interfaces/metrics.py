"""The page with numbers for monitoring systems."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Interface


class IMetrics(Interface):
    """Renders the numbers."""

    def render() -> Deferred[tuple[str, bytes]]:
        """Return a Deferred with the media type and the page, in the text format of Prometheus."""
