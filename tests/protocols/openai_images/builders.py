"""Calls, answers and pictures for the tests of the images endpoints."""

from __future__ import annotations

import base64
import itertools
import json
import struct
import zlib
from typing import Any

from antigravity.ir.call import Call, ReplyContext
from antigravity.protocols.openai_images.protocol import (
    OPENAI_IMAGE_EDITS_SERVER,
    OPENAI_IMAGES_SERVER,
)

DRAW = OPENAI_IMAGES_SERVER
EDIT = OPENAI_IMAGE_EDITS_SERVER
BOUNDARY = "bnd-42"


def png(width: int, height: int) -> bytes:
    """Return a black PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def text(data: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(data).decode()


def draw(**fields: Any) -> Call:
    """Return a call that wants a picture drawn."""
    return Call(DRAW.routes[0], {}, {}, {}, json.dumps(fields).encode())


def edit(**fields: Any) -> Call:
    """Return a call that wants pictures edited, in JSON."""
    return Call(EDIT.routes[0], {}, {}, {}, json.dumps(fields).encode())


def form(*parts: tuple[str, str | None, bytes, str]) -> Call:
    """Return a call with a form: name, file name, content and type of each part."""
    pieces = []
    for name, filename, content, kind in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        typed = f"Content-Type: {kind}\r\n" if kind else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{typed}\r\n'
        pieces.append(head.encode() + content + b"\r\n")
    body = b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return Call(EDIT.routes[0], {}, {}, headers, body)


def field(name: str, value: str) -> tuple[str, None, bytes, str]:
    return name, None, value.encode(), ""


def file(name: str, data: bytes, kind: str = "image/png") -> tuple[str, str, bytes, str]:
    return name, "picture", data, kind


def context(call: Call, published: list[tuple[str, str]] | None = None) -> ReplyContext:
    """Return the context of the reply to a call; ``published`` collects files."""
    protocol = EDIT if call.route in EDIT.routes else DRAW
    numbers = itertools.count()

    def publish(mime_type: str, data: str) -> str:
        assert published is not None
        published.append((mime_type, data))
        return f"http://here/files/{len(published)}"

    return ReplyContext(
        call,
        protocol.decode(call),
        protocol.peek(call).model,
        1_800_000_000,
        lambda prefix: f"{prefix}{next(numbers)}",
        None if published is None else publish,
    )


def events(stream: bytes) -> list[tuple[str, Any]]:
    """Return name and data of each event; comments are left out."""
    found = []
    for block in stream.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found
