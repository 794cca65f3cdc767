"""First bytes of a connection, and what clients can write into the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from tests.web.builders import WebHarness

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
CLIENT_HELLO = bytes.fromhex("16030100b8010000b40303")


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (CLIENT_HELLO, "http:// instead of https://"),
        (CLIENT_HELLO[:1], "http:// instead of https://"),
        (bytes.fromhex("802e0100020015"), "http:// instead of https://"),
        (b"\x05\x01\x00", "not an HTTP request"),
        (b"\x00\x00\x00\x08", "not an HTTP request"),
        (b" GET / HTTP/1.1\r\n", "not an HTTP request"),
        (b"\nGET / HTTP/1.1\r\n", "not an HTTP request"),
        ("é".encode(), "not an HTTP request"),
    ],
)
def test_other_protocol_is_refused_at_once_and_the_connection_closed(
    wire: bytes, words: str
) -> None:
    web = WebHarness()
    web.send(wire)
    (response,) = web.responses()
    assert response.status == 400
    assert words in response.json["message"]
    assert response.headers["connection"] == "close"
    web.send(wire * 100)  # what still comes is not looked at
    assert len(web.responses()) == 1


@pytest.mark.parametrize("wire", [GET.replace(b"\r\n", b"\n"), b"GET / HTTP/1.1\n"])
def test_request_with_bare_line_feeds_is_refused_at_once(wire: bytes) -> None:
    web = WebHarness()
    web.send(wire)
    (response,) = web.responses()
    assert response.status == 400
    assert "carriage return" in response.json["message"]


@pytest.mark.parametrize("place", range(1, len(GET)))
def test_request_may_arrive_in_two_parts(place: int) -> None:
    web = WebHarness()
    web.send(GET[:place])
    web.send(GET[place:])
    assert [each.status for each in web.responses()] == [200]


def test_tls_after_a_request_is_refused_at_once() -> None:
    web = WebHarness()
    web.send(GET)
    web.send(CLIENT_HELLO)
    assert [each.status for each in web.responses()] == [200, 400]


@pytest.mark.parametrize(
    "parts",
    [
        [b"\r\n" + GET],
        [b"\r\n", GET],
        [b"\r", b"\n", GET],
        [b"\r\n\r\n" + GET],
        [b"\r\n", b"\r\n", b"\r\n" + GET],
    ],
)
def test_empty_lines_before_a_request_are_ignored(parts: list[bytes]) -> None:
    web = WebHarness()
    for part in [*parts, *parts]:
        web.send(part)
    assert [each.status for each in web.responses()] == [200, 200]


def test_too_many_empty_lines_are_refused() -> None:
    web = WebHarness()
    for _ in range(40):
        web.send(b"\r\n")
    assert [each.status for each in web.responses()] == [400]


@pytest.mark.parametrize(
    "trailer", [b"no colon", b": no name", b"a b: c", b"\0\xff", b"a: b\r\nc", b" folded"]
)
def test_malformed_trailer_is_ignored(trailer: bytes) -> None:
    web = WebHarness()
    body = b"2\r\n{}\r\n0\r\n" + trailer + b"\r\n\r\n"
    web.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + GET)
    assert [each.status for each in web.responses()] == [200, 200]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    def observe(event: dict[str, object]) -> None:
        lines.append(str(formatEvent(event)))
        lines.extend(str(value) for key, value in event.items() if key in ("method", "path"))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.mark.parametrize(
    "line",
    [
        "A" * 60_000 + " / HTTP/1.1",
        "GET /" + "a" * 60_000 + " HTTP/1.1",
        "GET /v1/models/" + "%1b" * 10_000 + " HTTP/1.1",
    ],
)
def test_log_has_only_the_beginning_of_method_and_path(logged: list[str], line: str) -> None:
    web = WebHarness(log=True)
    web.send(f"{line}\r\nHost: localhost\r\n\r\n".encode())
    assert len(web.responses()) == 1
    assert logged
    assert max(map(len, logged)) < 1500
    assert "[+" in "".join(logged)
    assert "".join(logged).isprintable()


def test_error_has_only_the_beginning_of_a_method() -> None:
    response = WebHarness().request("B" * 30_000, "/healthz")
    assert response.status == 405
    assert len(response.body) < 1000
