"""The interface of what takes over a connection and takes part in the shutdown."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol


class ISuccessor(IProtocol):
    """A protocol to which a connection was handed over.

    It says whether it is busy by the connection's ``is_busy``.
    """

    def close_if_idle() -> None:
        """Begin nothing new, and close the connection once nothing is running."""

    def cancel_unstarted() -> None:
        """Fail the requests whose response has not begun."""

    def close_now() -> None:
        """Close the connection within some seconds, whatever is running."""
