"""The TLS handshake of a client connection, as a Deferred."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.transport.endpoints import HandshakePendingError


@implementer(IHandshakeListener)
class Handshake:
    """A base of client protocols that can wait for TLS.

    :ivar is_secure: whether the handshake is done.
    :ivar is_lost: whether the connection is lost.
    """

    transport: Any
    _securing: Deferred[Any] | None = None
    is_secure = False
    is_lost = False

    def secured(self) -> Deferred[Any]:
        """Return a Deferred that fires with this connection when its TLS handshake is done.

        It fails with the reason if the connection is lost before that.  Cancelling it closes
        the connection, and makes it fail with a ``HandshakePendingError``.
        """
        transport: Any = self.transport

        def cancel(securing: Deferred[Any]) -> None:
            self._securing = None
            transport.abortConnection()
            securing.errback(HandshakePendingError())

        securing: Deferred[Any] = Deferred(cancel)
        if self.is_secure:
            securing.callback(self)
        elif self.is_lost:
            securing.errback(ConnectionLost())
        else:
            self._securing = securing
        return securing

    def handshakeCompleted(self) -> None:  # noqa: N802 - the name that Twisted calls
        """Complete the handshake: TLS is established and the certificate is valid."""
        self.is_secure = True
        securing, self._securing = self._securing, None
        if securing is not None:
            securing.callback(self)

    def handshake_lost(self, reason: Failure) -> None:
        """Fail the handshake, if it is not done, because the connection is lost."""
        self.is_lost = True
        securing, self._securing = self._securing, None
        if securing is not None and not securing.called:
            securing.errback(reason)
