"""Events of other MCP servers: their data, their ids, and how long to wait before reconnecting."""

from __future__ import annotations

import pytest
from twisted.internet.testing import StringTransport

from antigravity.mcp.client.event_reader import EventReader


def read(*chunks: bytes) -> tuple[EventReader, list[bytes]]:
    """Return a reader that has received chunks, and the data that it passed on."""
    data: list[bytes] = []
    reader = EventReader(data.append)
    reader.makeConnection(StringTransport())
    for chunk in chunks:
        reader.dataReceived(chunk)
    return reader, data


BODY = b'id: a-7\r\nretry: 1500\r\nevent: message\r\ndata: {"x":1}\r\n\r\ndata: {"x":2}\r\n\r\n'


@pytest.mark.parametrize("size", [1, 2, 7, len(BODY)])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_ids_and_retry_intervals_are_read(size: int, end: bytes) -> None:
    body = BODY.replace(b"\r\n", end)
    chunks = [body[place : place + size] for place in range(0, len(body), size)]
    reader, data = read(*chunks)
    assert data == [b'{"x":1}', b'{"x":2}']
    assert (reader.last_id, reader.retry) == ("a-7", 1.5)


def test_id_after_the_data_and_an_invalid_interval() -> None:
    reader, data = read(b"data: 1\n\n", b"data: 2\nid:b\nretry: soon\n\n")
    assert data == [b"1", b"2"]
    assert (reader.last_id, reader.retry) == ("b", None)
