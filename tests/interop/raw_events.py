"""Reads server-sent events as a client does, with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterator


def read_events(stream: bytes) -> Iterator[bytes]:
    """Yield the data of a stream's events, but for pings, comments and the mark of the end."""
    for block in stream.replace(b"\r\n", b"\n").split(b"\n\n"):
        lines = block.split(b"\n")
        data = b"\n".join(line[5:].lstrip() for line in lines if line.startswith(b"data:"))
        if data and data != b"[DONE]" and b"event: ping" not in lines:
            yield data
