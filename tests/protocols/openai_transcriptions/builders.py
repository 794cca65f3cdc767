"""Forms, recordings and answers for the tests of transcripts."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

from antigravity.ir.audio import AudioRules
from antigravity.ir.call import Call, ReplyContext
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Request
from antigravity.protocols.openai_transcriptions.protocol import (
    OPENAI_TRANSCRIPTIONS_SERVER,
    OPENAI_TRANSLATIONS_SERVER,
)

TRANSCRIBE = OPENAI_TRANSCRIPTIONS_SERVER
TRANSLATE = OPENAI_TRANSLATIONS_SERVER
BOUNDARY = "bnd-7"
RULES = AudioRules("Transcribe, please.", 15 * 1024 * 1024)


def wav(seconds: float = 1.0, rate: int = 8000) -> bytes:
    """Return a silent recording."""
    data = bytes(int(seconds * rate) * 2)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def form(*fields: tuple[str, str], filename: str | None = "a.wav", data: bytes = b"") -> bytes:
    """Return a body with fields and a recording; no file name: no recording."""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    if filename is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"'
        pieces.append(f"{head}\r\n\r\n".encode() + (data or wav()) + b"\r\n")
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])


def call(
    *fields: tuple[str, str],
    filename: str | None = "a.wav",
    data: bytes = b"",
    english: bool = False,
    rules: AudioRules = RULES,
) -> Call:
    """Return a call for a transcript."""
    route = (TRANSLATE if english else TRANSCRIBE).routes[0]
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = form(*fields, filename=filename, data=data)
    return Call(route, {}, {}, headers, body, audio=rules)


def context(asked: Call) -> ReplyContext:
    """Return the context of the reply to a call."""
    server = TRANSLATE if asked.route in TRANSLATE.routes else TRANSCRIBE
    numbers = itertools.count()
    request = server.decode(asked)
    return ReplyContext(asked, request, request.model, 0, lambda prefix: f"{prefix}{next(numbers)}")


def words(request: Request) -> str:
    """Return what the model is told."""
    [message] = request.messages
    return "\n".join(part.text for part in message.parts if isinstance(part, Text))


def recording_of(request: Request) -> tuple[str, str]:
    """Return type and content of the recording that the model is given."""
    [media] = [part for part in request.messages[0].parts if isinstance(part, Media)]
    assert isinstance(media.source, InlineData)
    return media.mime_type, media.source.data


def timed(*segments: tuple[Any, Any, str], **more: Any) -> str:
    """Return a model's answer with times."""
    listed = [{"start": start, "end": end, "text": text} for start, end, text in segments]
    return json.dumps({"language": "English", "segments": listed, **more})


def events(stream: bytes) -> list[Any]:
    """Return the data of each event; comments are left out."""
    blocks = [block for block in stream.decode().split("\n\n") if block]
    lines = [line for block in blocks for line in block.split("\n")]
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
