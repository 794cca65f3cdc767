"""The responses of the fake provider, in the protocols of OpenAI, Anthropic and Gemini.

Each piece of text carries a mark ``~number@nanoseconds~``: its number in the stream, and the time
of the monotonic clock at which it was sent, or 0.  Clients on the same machine check with the marks
that no piece is missing, and measure how long each took.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

#: A mark in a response: the number of the piece, and the time at which it was sent.
MARK: Final = re.compile(rb"~(\d+)@(\d+)~")

_PLACE = "~PLACE~"
_TEXT = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt "
_WHOLE_SIZE = 1024
_WHOLE = (_TEXT * (_WHOLE_SIZE // len(_TEXT) + 1))[: _WHOLE_SIZE - 6] + " ~0@0~"
_TOKENS_OF_PIECE = 20


@dataclass(frozen=True)
class Pieces:
    """A streamed response: the events before the text, around one piece of it, and after it."""

    first: bytes
    before: bytes
    after: bytes
    last: bytes

    def text(self, number: int, sent_at: int) -> bytes:
        """Return the event with one piece of text."""
        return b"%s~%d@%d~%s" % (self.before, number, sent_at, self.after)


@dataclass(frozen=True)
class Format:
    """One wire format: builders of whole and of streamed responses.

    ``stream`` takes the number of pieces, for the usage at the end.
    """

    whole: Callable[[], bytes]
    stream: Callable[[int], Pieces]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _data(value: object, name: str = "", line_end: bytes = b"\n") -> bytes:
    head = b"event: %b%b" % (name.encode(), line_end) if name else b""
    return head + b"data: " + _json(value) + line_end + line_end


def _pieces(first: bytes, text: bytes, last: bytes) -> Pieces:
    before, after = text.split(_PLACE.encode())
    return Pieces(first, before, after, last)


_PIECE = _TEXT + _PLACE + " "


def _chat_object(kind: str, choice: object, **more: object) -> dict[str, object]:
    head = {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "bench"}
    return head | {"choices": [choice]} | more


def _chat_usage(pieces: int) -> dict[str, int]:
    tokens = _TOKENS_OF_PIECE * pieces
    return {"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens}


def _chat_whole() -> bytes:
    message = {"role": "assistant", "content": _WHOLE}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _json(_chat_object("chat.completion", choice, usage=_chat_usage(13)))


def _chat_stream(pieces: int) -> Pieces:
    def chunk(delta: object, finish: str | None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data(_chat_object("chat.completion.chunk", choice, **more))

    last = chunk({}, "stop", usage=_chat_usage(pieces)) + b"data: [DONE]\n\n"
    first = chunk({"role": "assistant", "content": ""}, None)
    return _pieces(first, chunk({"content": _PIECE}, None), last)


def _response(status: str, output: list[object], pieces: int = 0) -> dict[str, object]:
    tokens = _TOKENS_OF_PIECE * pieces
    usage = {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12 + tokens,
    }
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": status}
    more = {"model": "bench", "output": output, "usage": usage if pieces else None}
    fixed: dict[str, object] = {
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tools": [],
    }
    return head | more | fixed


def _response_item(status: str, text: str | None) -> dict[str, object]:
    part: dict[str, object] = {"type": "output_text", "text": text, "annotations": []}
    content = [] if text is None else [part]
    return {
        "id": "msg_1",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _responses_whole() -> bytes:
    return _json(_response("completed", [_response_item("completed", _WHOLE)], 13))


def _responses_stream(pieces: int) -> Pieces:
    def event(number: int, kind: str, **fields: object) -> bytes:
        return _data({"type": kind, "sequence_number": number} | fields, kind)

    place: dict[str, object] = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    item_place: dict[str, object] = {"output_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    # The text at the end has no marks, so that a passed-through stream has each of them once.
    text = _TEXT * pieces
    done = {"type": "output_text", "text": text, "annotations": []}
    item = _response_item("completed", text)
    first = (
        event(0, "response.created", response=_response("in_progress", []))
        + event(1, "response.in_progress", response=_response("in_progress", []))
        + event(
            2, "response.output_item.added", item=_response_item("in_progress", None), **item_place
        )
        + event(3, "response.content_part.added", part=empty, **place)
    )
    last = (
        event(5, "response.output_text.done", text=text, logprobs=[], **place)
        + event(6, "response.content_part.done", part=done, **place)
        + event(7, "response.output_item.done", item=item, **item_place)
        + event(8, "response.completed", response=_response("completed", [item], pieces))
    )
    delta = event(4, "response.output_text.delta", delta=_PIECE, logprobs=[], **place)
    return _pieces(first, delta, last)


def _message(content: object, reason: str | None, tokens: int) -> dict[str, object]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "bench"}
    end = {"stop_reason": reason, "stop_sequence": None}
    usage = {"input_tokens": 12, "output_tokens": tokens}
    return head | {"content": content} | end | {"usage": usage}


def _anthropic_whole() -> bytes:
    return _json(_message([{"type": "text", "text": _WHOLE}], "end_turn", 260))


def _anthropic_stream(pieces: int) -> Pieces:
    def event(kind: str, **fields: object) -> bytes:
        return _data({"type": kind} | fields, kind)

    block = {"type": "text", "text": ""}
    first = event("message_start", message=_message([], None, 1))
    first += event("content_block_start", index=0, content_block=block)
    text = event("content_block_delta", index=0, delta={"type": "text_delta", "text": _PIECE})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    last = event("content_block_stop", index=0)
    last += event("message_delta", delta=end, usage={"output_tokens": _TOKENS_OF_PIECE * pieces})
    return _pieces(first, text, last + event("message_stop"))


def _gemini_response(text: str, pieces: int) -> dict[str, object]:
    """Return a response, the last one if it has the number of all ``pieces``."""
    candidate: dict[str, object] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "index": 0,
    }
    head: dict[str, object] = {"modelVersion": "bench", "responseId": "1"}
    if pieces:
        candidate["finishReason"] = "STOP"
        tokens = _TOKENS_OF_PIECE * pieces
        head["usageMetadata"] = {
            "promptTokenCount": 12,
            "candidatesTokenCount": tokens,
            "totalTokenCount": 12 + tokens,
        }
    return head | {"candidates": [candidate]}


def _wrapped(response: object) -> object:
    """Return a response as Code Assist wraps it."""
    return {"response": response, "traceId": "1"}


def _gemini_events(text: object, end: object) -> Pieces:
    """Return a stream whose lines end as those of Google do."""
    return _pieces(b"", _data(text, line_end=b"\r\n"), _data(end, line_end=b"\r\n"))


def _gemini_stream(pieces: int) -> Pieces:
    return _gemini_events(_gemini_response(_PIECE, 0), _gemini_response("", pieces))


def _internal_stream(pieces: int) -> Pieces:
    text, end = _gemini_response(_PIECE, 0), _gemini_response("", pieces)
    return _gemini_events(_wrapped(text), _wrapped(end))


#: The wire formats by name; ``internal`` is that of Code Assist.
FORMATS: Final[Mapping[str, Format]] = {
    "openai": Format(_chat_whole, _chat_stream),
    "responses": Format(_responses_whole, _responses_stream),
    "anthropic": Format(_anthropic_whole, _anthropic_stream),
    "gemini": Format(lambda: _json(_gemini_response(_WHOLE, 13)), _gemini_stream),
    "internal": Format(lambda: _json(_wrapped(_gemini_response(_WHOLE, 13))), _internal_stream),
}


def format_of_path(path: str) -> str:
    """Return the name of the wire format of the responses at ``path``."""
    if "/v1internal" in path:
        return "internal"
    if "enerateContent" in path:
        return "gemini"
    if "/messages" in path:
        return "anthropic"
    return "responses" if "/responses" in path else "openai"
