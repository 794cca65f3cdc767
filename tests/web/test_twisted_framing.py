"""What the gateway reads from a connection, Twisted reads from the same bytes.

The gateway refuses more than Twisted, but it never takes the same bytes for other messages.  Only
of empty lines before a request it ignores more.
"""

from __future__ import annotations

import itertools
import re
from io import BytesIO
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web import http
from twisted.web.server import NOT_DONE_YET

from antigravity.web.admission import AdmissionPolicy
from antigravity.web.site import GatewaySite
from tests.web import builders

#: Method, target, version, headers and body of a request.
Message = tuple[bytes, bytes, bytes, list[tuple[bytes, list[bytes]]], bytes]


def message(request: Any) -> Message:
    headers = sorted(request.requestHeaders.getAllRawHeaders())
    body = request.content.read()
    return request.method, request.uri, request.clientproto, headers, body


class Recorder:
    """A resource that notes requests and responds at once."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def render(self, request: Any) -> Any:
        self.messages.append(message(request))
        request.setHeader(b"Content-Length", b"0")
        request.finish()
        return NOT_DONE_YET


def read_by_gateway(parts: list[bytes]) -> tuple[list[Message], bytes]:
    """Return the requests in the bytes, and the responses without what varies."""
    clock = Clock()
    site = GatewaySite(clock)
    recorder = Recorder()
    site.serve(recorder, AdmissionPolicy(builders.protocols(), builders.settings()))
    transport = builders.Transport(peerAddress=IPv4Address("TCP", "127.0.0.1", 5555))
    connection = site.buildProtocol(transport.getPeer())
    connection.makeConnection(transport)
    for part in parts:
        connection.dataReceived(part)
        clock.advance(0)
    for _ in range(20):
        clock.advance(0)
    lines = transport.value().split(b"\r\n")
    same = [
        line for line in lines if not line.startswith((b"X-Request-Id", b"Request-Id", b"Date"))
    ]
    return recorder.messages, b"\n".join(same)


def read_by_twisted(wire: bytes) -> tuple[list[Message], bool]:
    """Return the requests in the bytes, and whether the rest was refused."""
    recorder = Recorder()

    class Request(http.Request):
        def gotLength(self, length: int | None) -> None:
            self.content = BytesIO()

        def process(self) -> None:
            recorder.render(self)

    channel: Any = http.HTTPChannel()
    channel.requestFactory = Request
    channel.callLater = Clock().callLater
    channel.totalHeadersSize = 64 * 1024
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(wire)
    return recorder.messages, b" 400 " in transport.value()


HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODIES = [
    b"Content-Length: 2\r\n\r\n{}",
    b"Content-Length:\t2 \r\n\r\n{}",
    b"content-length: 002\r\n\r\n{}",
    CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    CHUNKED + b"\r\n1;x=y\r\n{\r\n01\r\n}\r\n0;z\r\nT: u\r\n\r\n",
    b"transfer-encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n",
    b"\r\n",
]
MESSAGES = st.sampled_from(
    [
        *(HEAD + body for body in BODIES),
        b"GET /v1/models?a=%20 HTTP/1.1\r\nHost: localhost\r\nX-A: \xc3\xbc\r\nx-a: 2\r\n\r\n",
        b"HEAD /healthz HTTP/1.1\r\nHost:localhost\r\nEmpty:\r\n\r\n",
        b"BREW * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
)
#: Bytes that change the meaning of what is around them.
HARM = st.sampled_from(
    [
        *(
            b"\r",
            b"\n",
            b"\0",
            b" ",
            b"\t",
            b":",
            b";",
            b",",
            b"0",
            b"2",
            b"-",
            b"+",
            b"x",
        ),
        *(b"Content-Length: 1\r\n", b"Content-Length: 2\r\n", CHUNKED, b"Transfer-Encoding: x\r\n"),
        *(
            b"Transfer-Encoding: identity\r\n",
            b"\x0b",
            b"\xa0",
            b"\xff",
            b" HTTP/1.1",
            b"0\r\n",
        ),
    ]
)
#: Two empty lines before a request, of which Twisted refuses the second.
EMPTY_LINES = re.compile(rb"(?:^|[}\n])\r\n\r\n")


@settings(max_examples=60, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=4), st.sampled_from([b"", b"\r\n"]))
def test_valid_messages_are_read_as_twisted_reads_them(wires: list[bytes], between: bytes) -> None:
    wire = between + between.join(wires)
    expected, refused = read_by_twisted(wire)
    assert len(expected) == len(wires)
    assert not refused
    assert read_by_gateway([wire])[0] == expected


@settings(max_examples=400, deadline=None)
@given(
    st.lists(MESSAGES, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 3), HARM), min_size=1, max_size=3),
    st.lists(st.integers(0, 1000), max_size=6),
)
def test_altered_messages_are_refused_or_read_as_twisted_reads_them(
    wires: list[bytes], changes: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    wire = b"".join(wires)
    for place, removed, added in changes:
        place %= len(wire) + 1
        wire = wire[:place] + added + wire[place + removed :]
    assume(not EMPTY_LINES.search(wire))
    found, responses = read_by_gateway([wire])
    expected, _ = read_by_twisted(wire)
    assert found == expected[: len(found)]
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    parts = [wire[start:stop] for start, stop in itertools.pairwise(places) if start != stop]
    assert read_by_gateway(parts) == (found, responses)
