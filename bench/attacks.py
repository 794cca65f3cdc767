"""Attacks: small or valid requests that are expensive to process."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: The models by protocol whose requests are passed through, and those that need translation.
_NATIVE: Final = {"chat": "openai-1-0", "messages": "anthropic-1-0", "gemini": "gemini-1-0"}
_FOREIGN: Final = {"chat": "gemini-1-0", "messages": "gemini-1-0", "gemini": "openai-1-0"}
_MANY: Final = 100_000


@dataclass(frozen=True)
class Attack:
    """One request; ``body`` returns its body."""

    name: str
    path: str
    body: Callable[[], bytes]
    headers: Mapping[str, str]

    def wire(self, port: int) -> bytes:
        """Return the bytes of the request."""
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.compress(body, 6)
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _many(item: object, count: int = _MANY) -> bytes:
    """Return an array of equal items; ``#`` in an item becomes its number."""
    text = _json(item)
    if b"#" in text:
        return b"[" + b",".join(text.replace(b"#", b"%d" % n) for n in range(count)) + b"]"
    return b"[" + b",".join([text] * count) + b"]"


def _with(base: Mapping[str, object], **arrays: Callable[[], bytes]) -> Callable[[], bytes]:
    def body() -> bytes:
        members = [_json(name) + b":" + _json(value) for name, value in base.items()]
        members += [_json(name) + b":" + make() for name, make in arrays.items()]
        return b"{" + b",".join(members) + b"}"

    return body


_HI: Final = [{"role": "user", "content": "hi"}]
_WORD: Final = {"role": "user", "content": "x"}
_SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "string"}}}
_FUNCTION: Final = {"name": "f#", "description": "d", "parameters": _SCHEMA}
_CLAUDE_TOOL: Final = {"name": "f#", "description": "d", "input_schema": _SCHEMA}
_ARGUMENTS: Final = '{"a":' + "[" * 900 + "]" * 900 + "}"
_CALLED_FUNCTION: Final = {"name": "f", "arguments": _ARGUMENTS}
_BRACKETS: Final = {
    "role": "assistant",
    "tool_calls": [{"id": "c", "type": "function", "function": _CALLED_FUNCTION}],
}
_PART: Final = {"type": "text", "text": "x"}


def _nested(levels: int, width: int) -> object:
    """Return a schema of ``width ** levels`` nodes."""
    if not levels:
        return {"type": "string", "description": "d"}
    inner = _nested(levels - 1, width)
    return {"type": "object", "properties": {f"p{n}": inner for n in range(width)}}


def _branching(levels: int) -> dict[str, object]:
    """Return a schema that has ``2 ** levels`` nodes when its references are expanded."""
    found: dict[str, object] = {f"d{levels}": {"type": "string"}}
    for level in range(levels):
        below = {"$ref": f"#/$defs/d{level + 1}"}
        found[f"d{level}"] = {"type": "object", "properties": {"a": below, "b": below}}
    return {"$ref": "#/$defs/d0", "$defs": found}


def _tool(schema: object) -> object:
    return {"type": "function", "function": {"name": "f", "parameters": schema}}


def _calls(count: int, call_id: str) -> list[object]:
    """Return a history of calls and results whose ids are made from ``call_id``."""
    found: list[object] = [{"role": "user", "content": "go"}]
    for number in range(count):
        one = call_id.replace("#", str(number))
        call = {"type": "tool_use", "id": one, "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": one, "content": "ok"}
        found.append({"role": "assistant", "content": [call]})
        found.append({"role": "user", "content": [result]})
    return found


def _one_turn(count: int, call_id: str) -> list[object]:
    """Return one turn of many calls, and its results in the opposite order."""
    ids = [call_id.replace("#", str(number)) for number in range(count)]
    calls = [{"type": "tool_use", "id": one, "name": "f", "input": {}} for one in ids]
    results = [{"type": "tool_result", "tool_use_id": one, "content": "ok"} for one in ids]
    return [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": results[::-1]},
    ]


def _chat(model: str, /, **more: object) -> dict[str, object]:
    return {"model": model, **more}


def _claude(model: str, /, **more: object) -> dict[str, object]:
    return {"model": model, "max_tokens": 100, **more}


def _attacks(prefix: str, models: Mapping[str, str]) -> list[Attack]:
    def one(name: str, path: str, body: Callable[[], bytes], **headers: str) -> Attack:
        return Attack(
            f"{prefix}-{name}", path, body, {"Content-Type": "application/json"} | headers
        )

    return [
        *_gemini_attacks(one, models["gemini"]),
        *_chat_attacks(one, models["chat"]),
        *_messages_attacks(one, models["messages"]),
    ]


def _gemini_attacks(one: Callable[..., Attack], gemini: str) -> list[Attack]:
    google = f"/v1beta/models/{gemini}:generateContent"
    compressed = {"Content-Encoding": "gzip"}
    return [
        one(
            "gemini-contents",
            google,
            _with({}, contents=lambda: _many({"text": "x"}, 1_000_000)),
            **compressed,
        ),
        one(
            "gemini-parts",
            google,
            _with({}, contents=lambda: b'[{"role":"user","parts":' + _many({"text": "x"}) + b"}]"),
        ),
        one(
            "gemini-tools",
            google,
            _with(
                {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
                tools=lambda: b'[{"functionDeclarations":' + _many(_FUNCTION) + b"}]",
            ),
        ),
        one(
            "gemini-count",
            f"/v1beta/models/{gemini}:countTokens",
            _with({}, contents=lambda: _many({"role": "user", "parts": [{"text": "x"}]})),
        ),
    ]


def _chat_attacks(one: Callable[..., Attack], chat: str) -> list[Attack]:
    return [
        one(
            "chat-messages",
            "/v1/chat/completions",
            _with(_chat(chat), messages=lambda: _many(_WORD)),
        ),
        one(
            "chat-parts",
            "/v1/chat/completions",
            _with(
                _chat(chat), messages=lambda: b'[{"role":"user","content":' + _many(_PART) + b"}]"
            ),
        ),
        one(
            "chat-tools",
            "/v1/chat/completions",
            _with(
                _chat(chat, messages=_HI),
                tools=lambda: _many({"type": "function", "function": _FUNCTION}),
            ),
        ),
        one(
            "chat-schema",
            "/v1/chat/completions",
            _with(
                _chat(
                    chat,
                    messages=_HI,
                    response_format={
                        "type": "json_schema",
                        "json_schema": {"name": "n", "schema": _nested(4, 17)},
                    },
                )
            ),
        ),
        one(
            "chat-stop",
            "/v1/chat/completions",
            _with(_chat(chat, messages=_HI), stop=lambda: _many("s#", 1_000_000)),
        ),
        one(
            "chat-metadata",
            "/v1/chat/completions",
            lambda: _json(_chat(chat, messages=_HI, metadata={f"k{n}": "v" for n in range(_MANY)})),
        ),
        one(
            "chat-references",
            "/v1/chat/completions",
            lambda: _json(_chat(chat, messages=_HI, tools=[_tool(_branching(60))])),
        ),
        one(
            "chat-types",
            "/v1/chat/completions",
            lambda: _json(_chat(chat, messages=_HI, tools=[_tool(_nested(2, 40))])),
        ),
        one(
            "chat-members",
            "/v1/chat/completions",
            lambda: _json(_chat(chat, messages=_HI, **{f"member{n}": 1 for n in range(4000)})),
        ),
        one(
            "chat-brackets",
            "/v1/chat/completions",
            _with(_chat(chat), messages=lambda: _many(_BRACKETS, 300)),
        ),
        one("completions", "/v1/completions", _with(_chat(chat), prompt=lambda: _many("x"))),
        one("responses", "/v1/responses", _with(_chat(chat), input=lambda: _many(_WORD))),
        one(
            "responses-tools",
            "/v1/responses",
            _with(_chat(chat, input="hi"), tools=lambda: _many({"type": "function", **_FUNCTION})),
        ),
    ]


def _messages_attacks(one: Callable[..., Attack], claude: str) -> list[Attack]:
    return [
        one("messages", "/v1/messages", _with(_claude(claude), messages=lambda: _many(_WORD))),
        one(
            "messages-calls",
            "/v1/messages",
            lambda: _json(_claude(claude, messages=_calls(_MANY // 2, "t#"))),
        ),
        one(
            "messages-same-call",
            "/v1/messages",
            lambda: _json(_claude(claude, messages=_calls(5_000, "t"))),
        ),
        one(
            "messages-turn",
            "/v1/messages",
            lambda: _json(_claude(claude, messages=_one_turn(_MANY // 10, "t#"))),
        ),
        one(
            "messages-same-turn",
            "/v1/messages",
            lambda: _json(_claude(claude, messages=_one_turn(5_000, "t"))),
        ),
        one(
            "messages-tools",
            "/v1/messages",
            _with(_claude(claude, messages=_HI), tools=lambda: _many(_CLAUDE_TOOL)),
        ),
        one(
            "messages-count",
            "/v1/messages/count_tokens",
            _with({"model": claude}, messages=lambda: _many(_WORD)),
        ),
        one(
            "messages-text",
            "/v1/messages",
            lambda: _json(
                _claude(claude, messages=[{"role": "user", "content": "word " * 6_000_000}])
            ),
        ),
        one(
            "messages-work",
            "/v1/messages",
            lambda: _json(_claude(claude, messages=_calls(1_000, "t#"))),
        ),
    ]


_PLAIN: Final[Sequence[Attack]] = [
    Attack(
        "none",
        "/v1/messages",
        lambda: _json(_claude("anthropic-1-0", messages=_HI)),
        {"Content-Type": "application/json"},
    ),
    Attack(
        "embeddings",
        "/v1/embeddings",
        _with({"model": "openai-1-0"}, input=lambda: _many("x", 1_000_000)),
        {"Content-Type": "application/json"},
    ),
    Attack(
        "embeddings-gemini",
        "/v1beta/models/gemini-1-0:batchEmbedContents",
        _with({}, requests=lambda: _many({"content": {"parts": [{"text": "x"}]}})),
        {"Content-Type": "application/json"},
    ),
    Attack(
        "images",
        "/v1/images/generations",
        _with({"model": "openai-1-0", "prompt": "x"}, more=lambda: _many({"a": 1}, 1_000_000)),
        {"Content-Type": "application/json"},
    ),
    Attack(
        "detect",
        "/v1/models/detect",
        _with({"model": "openai-1-0"}, more=lambda: _many({"a": [1]}, 1_000_000)),
        {"Content-Type": "application/json"},
    ),
    Attack(
        "bomb-gzip", "/v1/messages", lambda: bytes(100 * 1024 * 1024), {"Content-Encoding": "gzip"}
    ),
    Attack(
        "bomb-zstd",
        "/v1/messages",
        lambda: b"\x50\x2a\x4d\x18\0\0\0\0" * 130_000,
        {"Content-Encoding": "zstd"},
    ),
    Attack(
        "form",
        "/v1/audio/transcriptions",
        lambda: (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
            + b"\r\n--" * 4_000_000
            + b"\r\n--x--\r\n"
        ),
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
]

ATTACKS: Final[Sequence[Attack]] = [
    *_attacks("native", _NATIVE),
    *_attacks("foreign", _FOREIGN),
    *_PLAIN,
]
