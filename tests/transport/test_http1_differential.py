"""Both HTTP clients read the same from every response that is certain, and neither is fooled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from antigravity.config.settings import HttpClientName
from antigravity.transport.http1.headers import HeaderPairs
from tests.transport.memory_server import CollectingReader, MemoryServer
from tests.transport.raw_responses import MALFORMED, MALFORMED_BODIES, splits

NAMES = st.sampled_from(["X-A", "x-b", "Content-Type", "ETag", "Set-Cookie", "WWW-Authenticate"])
VALUES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f\x85\xa0"),
    min_size=1,
    max_size=20,
)


def outcome(http_client: HttpClientName, pieces: list[bytes], *, lost: bool) -> tuple[Any, ...]:
    """Return status, headers, body and kind of end, and whether the connection is reused."""
    server = MemoryServer(http_client)
    sending = server.send()
    connection, _ = server.connections[0]
    results: list[Any] = []
    sending.addBoth(results.append)
    for piece in pieces:
        connection.dataReceived(piece)
    reader = CollectingReader()
    response = results[0] if results else None
    if hasattr(response, "deliver"):
        response.deliver(reader)
    reused = False
    if lost:
        server.lose(0)
    else:
        server.send().addErrback(lambda _: None)
        reused = len(server.connections) == 1
    if not hasattr(response, "deliver"):
        return None, {}, b"", bool(results), reused
    ended = None if reader.reason is None else isinstance(reader.reason, ResponseDone)
    return response.status(), dict(response.headers()), reader.data, ended, reused


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Return a response, and whether the connection's end is its end."""
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 429, 500, 503]))
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))
    lines = [f"HTTP/1.1 {status} Whatever".encode()]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    body = draw(st.binary(max_size=200))
    framing = "length" if status in (204, 304) else draw(st.sampled_from(["length", "chunked", ""]))
    if framing == "length":
        lines.append(b"Content-Length: %d" % (0 if status in (204, 304) else len(body)))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
    if draw(st.booleans()):
        lines.append(b"Connection: " + draw(st.sampled_from([b"close", b"keep-alive"])))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * draw(st.integers(0, 2))
    head = interim + b"\r\n".join(lines) + b"\r\n\r\n"
    if status in (204, 304):
        return head, False
    if framing != "chunked":
        return head + body, framing == ""
    size = draw(st.integers(1, 50))
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        head += b"%x%b\r\n%b\r\n" % (len(piece), draw(st.sampled_from([b"", b";a=b"])), piece)
    return head + b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n", False


@settings(max_examples=150)
@given(response=responses(), data=st.data())
def test_clients_agree(response: tuple[bytes, bool], data: st.DataObject) -> None:
    wire, until_close = response
    pieces = data.draw(splits(wire))
    ours = outcome("httptools", pieces, lost=until_close)
    assert ours == outcome("twisted", pieces, lost=until_close)
    assert ours[3] is True


@settings(max_examples=100)
@given(response=responses(), data=st.data())
def test_clients_agree_about_truncated_responses(
    response: tuple[bytes, bool], data: st.DataObject
) -> None:
    wire, until_close = response
    if until_close:
        return
    pieces = [wire[: data.draw(st.integers(1, len(wire) - 1))]]
    status, headers, body, ended, _ = outcome("httptools", pieces, lost=True)
    assert (status, headers, body, ended) == outcome("twisted", pieces, lost=True)[:4]
    assert not ended or status is None


@pytest.mark.parametrize("http_client", ["httptools", "twisted"])
@pytest.mark.parametrize(
    "smuggled",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
)
@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n",
    ],
)
def test_no_request_gets_the_response_of_another(
    http_client: HttpClientName, response: bytes, smuggled: bytes
) -> None:
    server = MemoryServer(http_client)
    first = server.send()
    server.receive(response + smuggled)
    reader = CollectingReader()
    first.addCallback(lambda incoming: incoming.deliver(reader))
    assert b"evil" not in reader.data
    results: list[Any] = []
    server.send().addBoth(results.append)
    assert results == []


@settings(max_examples=15)
@given(data=st.data())
@pytest.mark.parametrize("name", [*MALFORMED, *MALFORMED_BODIES])
def test_malformed_response_never_completes(name: str, data: st.DataObject) -> None:
    wire = MALFORMED.get(name) or (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + MALFORMED_BODIES[name]
    )
    *_, ended, reused = outcome("httptools", data.draw(splits(wire)), lost=False)
    assert (ended, reused) == (name in MALFORMED, False)


OPERATIONS = st.one_of(
    st.tuples(st.just("add"), NAMES, VALUES),
    st.tuples(st.just("set"), NAMES, st.lists(VALUES, max_size=3)),
    st.tuples(st.just("remove"), NAMES, st.none()),
)


@given(operations=st.lists(OPERATIONS, max_size=12))
def test_header_pairs_are_headers(operations: list[tuple[str, str, Any]]) -> None:
    ours: Any = HeaderPairs()
    twisteds: Any = Headers()
    for headers in (ours, twisteds):
        for kind, name, value in operations:
            if kind == "add":
                headers.addRawHeader(name, value)
            elif kind == "set":
                headers.setRawHeaders(name.encode(), [each.encode() for each in value])
            else:
                headers.removeHeader(name)
    for _, name, _ in operations:
        for each in (name, name.lower(), name.encode()):
            assert ours.getRawHeaders(each) == twisteds.getRawHeaders(each)
            if twisteds.getRawHeaders(each):
                assert ours.hasHeader(each)
    copy = ours.copy()
    copy.addRawHeader(b"x-new", b"1")
    assert not ours.hasHeader("X-New")
    assert ours == HeaderPairs(dict(ours.getAllRawHeaders()))
    assert copy != ours


def test_values_of_headers_are_not_shown() -> None:
    assert "secret" not in repr(HeaderPairs(pairs=[(b"authorization", b"secret")]))
