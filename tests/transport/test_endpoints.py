"""The endpoints of upstreams, over a reactor in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import URI, BrowserLikePolicyForHTTPS

from antigravity.transport.endpoints import DirectEndpoints


def test_address_connects_without_a_thread_to_resolve_it() -> None:
    reactor: Any = MemoryReactorClock()
    endpoints = DirectEndpoints(reactor, BrowserLikePolicyForHTTPS())
    for url in (b"http://192.0.2.1/", b"https://192.0.2.1/"):
        endpoints.endpointForURI(URI.fromBytes(url)).connect(Factory.forProtocol(Protocol))
    assert [client[:2] for client in reactor.tcpClients] == [("192.0.2.1", 80), ("192.0.2.1", 443)]
