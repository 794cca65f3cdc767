"""A tunnel through an HTTP proxy (RFC 9110, section 9.3.6), as an endpoint."""

# ruff: noqa: N802, N803 - names that Twisted calls

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.ir.errors import UpstreamError

#: Most bytes of the head of a proxy's response.
_MAX_HEAD: Final = 16 * 1024


class _Tunnel(Protocol):
    """A connection that sends CONNECT to the proxy, then passes all data to ``inner``."""

    def __init__(
        self, inner: IProtocolFactory, address: IAddress, connect: bytes, what: str
    ) -> None:
        self._factory = inner
        self._address = address
        self._connect_request = connect
        self._what = what
        self._head = b""
        self._inner: IProtocol | None = None
        self._closed = False
        self.ready: Deferred[IProtocol] = Deferred(lambda _: self._abort())

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._connect_request)

    def dataReceived(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.dataReceived(data)
        elif not self._closed:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end:
                self._response_received(head, rest)
            elif len(self._head) > _MAX_HEAD:
                self._fail("it sent a malformed response")

    def _response_received(self, head: bytes, rest: bytes) -> None:
        version, _, status = head.partition(b"\r\n")[0].partition(b" ")
        if not version.startswith(b"HTTP/1."):
            self._fail("it sent a malformed response")
        elif not status.startswith(b"2"):
            self._fail("it responded with " + status[:80].decode("latin-1"))
        else:
            self._head = b""
            inner = self._factory.buildProtocol(self._address)
            if inner is None:
                self._fail("the client has no protocol for it")
                return
            self._inner = inner
            inner.makeConnection(self.transport)  # type: ignore[arg-type]
            self.ready.callback(inner)
            if rest:
                inner.dataReceived(rest)

    def _fail(self, reason: str) -> None:
        self._abort()
        self.ready.errback(UpstreamError(f"{self._what}: {reason}"))

    def _abort(self) -> None:
        self._closed = True
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self._closed:
            self._closed = True
            self.ready.errback(UpstreamError(f"{self._what}: it closed the connection"))


class _TunnelFactory(Factory):
    """The factory of the tunnel for one connection attempt."""

    noisy = False

    def __init__(self, inner: IProtocolFactory, connect: bytes, what: str) -> None:
        self._inner = inner
        self._connect_request = connect
        self._what = what

    def doStart(self) -> None:
        self._inner.doStart()

    def doStop(self) -> None:
        self._inner.doStop()

    def buildProtocol(self, addr: IAddress | None) -> _Tunnel:
        assert addr is not None
        return _Tunnel(self._inner, addr, self._connect_request, self._what)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """An endpoint for ``host`` and ``port`` that goes through an HTTP proxy.

    ``authorization`` is the value of ``Proxy-Authorization``, empty for none.
    """

    def __init__(
        self,
        proxy: IStreamClientEndpoint,
        proxy_name: str,
        host: str,
        port: int,
        authorization: str = "",
    ) -> None:
        self._proxy = proxy
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if authorization:
            lines.append(f"Proxy-Authorization: {authorization}")
        self._connect_request = "\r\n".join([*lines, "", ""]).encode("ascii")
        self._what = f"the proxy {proxy_name} did not connect to {target}"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect to the proxy, and through it to the host."""
        factory = _TunnelFactory(protocolFactory, self._connect_request, self._what)
        connecting: Deferred[_Tunnel] = self._proxy.connect(factory)  # type: ignore[assignment]
        return connecting.addCallback(lambda tunnel: tunnel.ready)
