"""Requests of clients that do not read the responses to earlier ones."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address

from tests.web.builders import Transport, WebHarness, parse

ASK = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


class FullTransport(Transport):
    """A transport that has more than it should hold after each write."""

    reading = True

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


LIST = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"


def to_a_full_transport() -> tuple[WebHarness, Any]:
    web = WebHarness()
    web.lose()
    web.transport = full = FullTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 5555))
    web.channel = web.site.buildProtocol(full.getPeer())
    web.channel.makeConnection(full)
    return web, full


@pytest.mark.parametrize("at_once", [True, False])
def test_requests_of_a_client_that_reads_nothing_wait(at_once: bool) -> None:
    web, full = to_a_full_transport()
    if at_once:
        web.send(LIST * 3)
    else:
        for _ in range(3):  # TLS may still deliver what it had received
            web.send(LIST)
    for expected in (1, 2, 3):
        web.clock.advance(0)
        assert (len(parse(web.wire())), full.reading) == (expected, False)
        full.producer.resumeProducing()
    web.clock.advance(0)
    assert (len(parse(web.wire())), full.reading) == (3, True)
    web.close()


def test_body_that_waits_for_the_client_to_read_is_received() -> None:
    web, full = to_a_full_transport()
    head, body = ASK.split(b"\r\n\r\n")
    web.send(LIST)
    full.producer.resumeProducing()
    web.send(head + b"\r\n\r\n" + body[:1])
    full.producer.pauseProducing()
    web.send(body[1:])
    full.producer.resumeProducing()
    assert len(parse(web.wire())) == 1
    web.clock.advance(0)
    assert len(parse(web.wire())) == 2
    web.close()


def test_client_that_leaves_while_its_requests_wait_is_forgotten() -> None:
    web, full = to_a_full_transport()
    web.send(LIST * 2)
    web.clock.advance(0)
    full.producer.resumeProducing()  # the second is about to be processed
    web.close()
    assert len(parse(web.wire())) == 1


@pytest.mark.parametrize("reads", [True, False])
def test_client_that_reads_nothing_is_cut_off(reads: bool) -> None:
    web, full = to_a_full_transport()
    web.send(LIST)
    for _ in range(3):
        web.clock.advance(600)
        if reads:
            full.producer.resumeProducing()
            full.producer.pauseProducing()
    assert full.aborted is not reads
    web.close()


@pytest.mark.parametrize("is_pipelined", [False, True])
def test_fault_while_a_request_is_received_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, is_pipelined: bool
) -> None:
    web, full = to_a_full_transport()
    if is_pipelined:
        web.send(LIST)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("antigravity.web.connection.connection.body_length", fail)
    if is_pipelined:
        web.send(LIST)
        full.producer.resumeProducing()
    with pytest.raises(ZeroDivisionError):
        web.clock.advance(0) if is_pipelined else web.send(LIST)
    assert full.aborted
    web.close()
