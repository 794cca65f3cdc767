"""A cheap fake provider, which speaks the protocols of OpenAI, Anthropic and Gemini.

The name of the model determines the response: ``openai-64-0`` has 64 events at once,
``openai-20-100`` has 20 events that are 100 ms apart.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from functools import cache

#: A word that occurs once in each text event, so that clients can count events.
MARK = "tick"
_TEXT = f"{MARK} and some more words, as many as models send at a time"
_WHOLE = " ".join([_TEXT] * 16)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb"(?:openai|anthropic|gemini)-(\d+)-(\d+)")
_STREAM = re.compile(rb'"stream": ?true|:streamGenerateContent')
_USAGE = {"prompt_tokens": 12, "completion_tokens": 300, "total_tokens": 312}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _data(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + _json(value) + b"\n\n"


class _OpenAI:
    """Chat completions."""

    @staticmethod
    def whole() -> bytes:
        message = {"role": "assistant", "content": _WHOLE}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return _json(_OpenAI._object("chat.completion", choice, usage=_USAGE))

    @staticmethod
    def events() -> tuple[bytes, bytes, bytes]:
        first = _OpenAI._chunk({"role": "assistant", "content": ""}, None)
        last = _OpenAI._chunk({}, "stop", usage=_USAGE) + b"data: [DONE]\n\n"
        return first, _OpenAI._chunk({"content": _TEXT}, None), last

    @staticmethod
    def _chunk(delta: object, finish: str | None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data(_OpenAI._object("chat.completion.chunk", choice, **more))

    @staticmethod
    def _object(kind: str, choice: object, **more: object) -> dict[str, object]:
        head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "bench"}
        return head | {"choices": [choice]} | more


class _Anthropic:
    """Messages."""

    @staticmethod
    def whole() -> bytes:
        return _json(_Anthropic._message([{"type": "text", "text": _WHOLE}], "end_turn", 300))

    @staticmethod
    def events() -> tuple[bytes, bytes, bytes]:
        event = _Anthropic._event
        first = event("message_start", message=_Anthropic._message([], None, 1))
        block = {"type": "text", "text": ""}
        first += event("content_block_start", index=0, content_block=block)
        text = {"type": "text_delta", "text": _TEXT}
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        last = event("content_block_stop", index=0)
        last += event("message_delta", delta=end, usage={"output_tokens": 300})
        return (
            first,
            event("content_block_delta", index=0, delta=text),
            last + event("message_stop"),
        )

    @staticmethod
    def _event(kind: str, **fields: object) -> bytes:
        return _data({"type": kind} | fields, kind)

    @staticmethod
    def _message(content: object, reason: str | None, tokens: int) -> dict[str, object]:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench"}
        end = {"stop_reason": reason, "stop_sequence": None}
        usage = {"input_tokens": 12, "output_tokens": tokens}
        return head | {"content": content} | end | {"usage": usage}


class _Gemini:
    """generateContent and streamGenerateContent."""

    @staticmethod
    def whole() -> bytes:
        return _json(_Gemini._response(_WHOLE, True))

    @staticmethod
    def events() -> tuple[bytes, bytes, bytes]:
        text, end = _data(_Gemini._response(_TEXT, False)), _data(_Gemini._response("", True))
        return b"", text, end

    @staticmethod
    def _response(text: str, last: bool) -> dict[str, object]:
        content = {"role": "model", "parts": [{"text": text}]}
        candidate: dict[str, object] = {"content": content, "index": 0}
        if last:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 12, "candidatesTokenCount": 300, "totalTokenCount": 312}
        head = {"modelVersion": "bench", "responseId": "1", "usageMetadata": usage}
        return head | {"candidates": [candidate]}


@cache
def _whole(make: Callable[[], bytes]) -> bytes:
    body = make()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@cache
def _stream(make: Callable[[], tuple[bytes, bytes, bytes]]) -> tuple[bytes, bytes, bytes]:
    """Return the head with the first event, one event of text, and the end."""
    first, text, last = (b"%x\r\n%s\r\n" % (len(part), part) if part else b"" for part in make())
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + first, text, last + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection; requests have a ``Content-Length``."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Prepare to receive requests."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._missing: int | None = None

    def data_received(self, data: bytes) -> None:
        """Receive a piece of a request."""
        self._parts.append(data)
        if self._missing is None:
            data = b"".join(self._parts)
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(head)
            self._parts = [data]
            self._missing = (int(length[1]) if length else 0) - len(body)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            request = b"".join(self._parts)
            self._parts, self._missing = [], None
            self._respond(request)

    def _respond(self, request: bytes) -> None:
        path = request[: request.index(b"\r\n")]
        protocol: type[_OpenAI | _Anthropic | _Gemini] = _OpenAI
        if b"/messages" in path:
            protocol = _Anthropic
        elif b":" in path.split()[1]:
            protocol = _Gemini
        beginning = request[:2000] if len(request) > 4000 else request
        shape = _MODEL.search(beginning)
        if shape is None or not _STREAM.search(beginning):
            self._transport.write(_whole(protocol.whole))
            return
        first, text, last = _stream(protocol.events)
        self._transport.write(first)
        self._next(text, last, int(shape[1]), int(shape[2]) / 1000, self._loop.time())

    def _next(self, text: bytes, last: bytes, remaining: int, pause: float, due: float) -> None:
        """Send one event per turn of the loop, as a network would deliver them."""
        if self._transport.is_closing():
            return
        if not remaining:
            self._transport.write(last)
            return
        self._transport.write(text)
        self._loop.call_at(due + pause, self._next, text, last, remaining - 1, pause, due + pause)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
