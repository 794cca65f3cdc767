"""The door closes in order: idle connections at once, busy ones after their answer."""

from __future__ import annotations

from antigravity.interfaces.exchange import Reply
from tests.web.door_kit import FakeStream, House

ASK = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


def test_an_idle_connection_goes_when_the_last_port_does() -> None:
    house = House()
    house.site.doStart()
    house.site.doStart()  # a second port, as when the port is changed
    house.site.doStop()
    assert not house.transport.disconnecting
    assert "connection" not in house.ask("GET", "/healthz").headers
    house.site.doStop()
    assert house.transport.disconnecting
    house.close()


def test_a_running_request_is_answered_and_is_the_last() -> None:
    house = House()
    house.site.doStart()
    waiting = house.exchange.pending()
    house.send(ASK)
    house.site.doStop()
    assert not house.transport.disconnecting
    waiting.callback(Reply(200, "text/plain", (), b"done"))
    assert house.responses()[0].body == b"done"
    assert house.transport.disconnecting
    house.close()


def test_a_request_that_is_half_in_is_still_served() -> None:
    house = House()
    house.site.doStart()
    house.send(ASK[:20])
    house.site.doStop()
    house.send(ASK[20:])
    (answer,) = house.responses()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert house.transport.disconnecting


def test_in_the_end_streams_are_cut() -> None:
    house = House()
    stream = FakeStream()
    house.exchange.answer = lambda call: stream.reply()
    house.send(ASK)
    gone: list[None] = []
    house.site.close_all().addCallback(gone.append)
    assert house.transport.aborted
    assert not gone
    house.lose()
    assert gone == [None]
    assert stream.happened == ["stop", "cancel"]
    house.close()


def test_who_does_not_read_the_last_answer_is_cut_after_a_while() -> None:
    house = House()
    house.ask("GET", "/healthz")
    gone: list[None] = []
    house.site.close_all().addCallback(gone.append)
    assert house.transport.disconnecting
    assert not house.transport.aborted
    house.clock.advance(6)
    assert house.transport.aborted
    house.close()
    assert gone == [None]


def test_nothing_to_close() -> None:
    house = House()
    house.close()
    gone: list[None] = []
    house.site.close_all().addCallback(gone.append)
    assert gone == [None]
