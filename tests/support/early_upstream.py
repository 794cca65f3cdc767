"""A server that responds, or closes, before the request was sent."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol


class EarlyPeer(Protocol):
    """A connection that responds to the first bytes of a request and ignores the rest."""

    gone = False

    def __init__(self, script: EarlyUpstream) -> None:
        self.script = script
        self.lost: Deferred[None] = Deferred()
        self.received = 0

    def connectionMade(self) -> None:
        self.script.peers.append(self)

    def dataReceived(self, data: bytes) -> None:
        before = self.received
        self.received += len(data)
        if before == 0:
            self.script.act(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.gone = True
        self.lost.callback(None)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def reset(self) -> None:
        """End the connection as a server does that was killed."""
        linger = struct.pack("ii", 1, 0)
        self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abortConnection()


class EarlyUpstream(Factory):
    """Calls ``act`` with each connection that has received something."""

    noisy = False

    def __init__(self, act: Any) -> None:
        self.act = act
        self.peers: list[EarlyPeer] = []

    def buildProtocol(self, addr: Any) -> EarlyPeer:
        return EarlyPeer(self)
