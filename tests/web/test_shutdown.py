"""Shutdown: idle connections close at once, others after their response."""

from __future__ import annotations

from antigravity.interfaces.exchange import Reply
from tests.web.builders import FakeStream, WebHarness

ASK = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


def test_idle_connection_closes_with_the_last_port() -> None:
    web = WebHarness()
    web.site.doStart()
    web.site.doStart()  # a second port, as when the port is changed
    web.site.doStop()
    assert not web.transport.disconnecting
    assert "connection" not in web.request("GET", "/healthz").headers
    web.site.doStop()
    assert web.transport.disconnecting
    web.close()


def test_current_request_is_completed_and_is_the_last() -> None:
    web = WebHarness()
    web.site.doStart()
    waiting = web.exchange.pending()
    web.send(ASK)
    web.site.doStop()
    assert not web.transport.disconnecting
    waiting.callback(Reply(200, "text/plain", (), b"done"))
    (response,) = web.responses()
    assert (response.body, response.headers["connection"]) == (b"done", "close")
    assert web.transport.disconnecting
    web.close()


def test_idle_connection_that_lingers_gets_one_more_response() -> None:
    web = WebHarness()
    web.site.doStart()
    web.site.lingers = True
    web.site.doStop()
    assert not web.transport.disconnecting
    assert web.request("GET", "/healthz").headers["connection"] == "close"
    assert web.transport.disconnecting
    web.close()


def test_stream_without_notice_lingers_for_another_request() -> None:
    """Its head has promised that the connection stays open."""
    web = WebHarness()
    web.site.doStart()
    stream = FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(ASK)
    stream.write(b"data")
    web.site.lingers = True
    web.site.doStop()
    stream.finish()
    assert not web.transport.disconnecting
    web.site.close_idle()
    assert web.transport.disconnecting
    web.close()


def test_wait_for_connections_ends_with_the_last_or_in_time() -> None:
    web = WebHarness()
    ended: list[None] = []
    web.site.wait_until_empty(5).addCallback(ended.append)
    web.clock.advance(4.9)
    assert not ended
    web.clock.advance(0.2)
    assert ended == [None]
    web.site.wait_until_empty(5).addCallback(ended.append)
    web.lose()
    assert ended == [None, None]
    web.close()


def test_partly_received_request_is_still_served() -> None:
    web = WebHarness()
    web.site.doStart()
    web.send(ASK[:20])
    web.site.doStop()
    web.send(ASK[20:])
    (response,) = web.responses()
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert web.transport.disconnecting


def test_streams_are_aborted_in_the_end() -> None:
    web = WebHarness()
    stream = FakeStream()
    web.exchange.answer = lambda call: stream.reply()
    web.send(ASK)
    gone: list[None] = []
    web.site.close_all().addCallback(gone.append)
    assert web.transport.aborted
    assert not gone
    web.lose()
    assert gone == [None]
    assert stream.happened == ["stop", "cancel"]
    web.close()


def test_client_that_does_not_read_is_aborted_after_a_timeout() -> None:
    web = WebHarness()
    web.request("GET", "/healthz")
    gone: list[None] = []
    web.site.close_all().addCallback(gone.append)
    assert web.transport.disconnecting
    assert not web.transport.aborted
    web.clock.advance(6)
    assert web.transport.aborted
    web.close()
    assert gone == [None]


def test_shutdown_without_connections_ends_at_once() -> None:
    web = WebHarness()
    web.close()
    gone: list[None] = []
    web.site.close_all().addCallback(gone.append)
    assert gone == [None]
