"""A test case with a transport, and a reader that keeps what it reads."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from antigravity.config.settings import HttpClientName
from antigravity.interfaces.transport import (
    OutgoingRequest,
    Timeouts,
)
from antigravity.transport.client import HttpTransport
from tests.support.fake_upstream import FakeUpstream, listen, reactor

Case = TypeVar("Case", bound="type[HttpClientCase]")


def with_both_clients(case: Case) -> Case:
    """Run the tests of ``case`` also with the agent of Twisted, in a second class."""
    name = f"{case.__name__}OverTwisted"
    second = type(name, (case,), {"http_client": "twisted", "__module__": case.__module__})
    setattr(sys.modules[case.__module__], name, second)
    return case


class HttpClientCase(TestCase):
    """A test case that may run with both HTTP clients."""

    timeout = 120
    http_client: HttpClientName = "httptools"

    def make_transport(self, **options: Any) -> HttpTransport:
        """Return a transport that is closed after the test."""
        transport = HttpTransport(reactor, http_client=self.http_client, **options)
        self.addCleanup(lambda: transport.close())
        return transport


class Reader(Protocol):
    """Keeps what it reads; ``done`` fires with why it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.done: Deferred[BaseException] = Deferred()
        self.some: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.some.called:
            self.some.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        self.done.callback(reason.value)


class TransportTestCase(HttpClientCase):
    url = "http://127.0.0.1:9"

    def setUp(self) -> None:
        self.transport = self.make_transport()

    def serve(self, answer: Any) -> FakeUpstream:
        script = FakeUpstream(answer)
        self.port = listen(self, script)
        self.url = f"http://127.0.0.1:{self.port}"
        return script

    def request(self, body: bytes = b"{}", **options: Any) -> OutgoingRequest:
        limits = options.pop("timeouts", Timeouts(5, 5, 5, 0))
        path = options.pop("path", "/v1/x?key=secret")
        url = options.pop("url", self.url + path)
        headers = (("x-one", "1"), ("content-type", "application/json"))
        return OutgoingRequest("POST", url, headers, body, limits, **options)

    async def failing(self, awaitable: Any, kind: type[Exception]) -> Any:
        try:
            await awaitable
        except kind as error:
            self.assertNotIn("secret", str(error))
            return error
        raise AssertionError("nothing was raised")
