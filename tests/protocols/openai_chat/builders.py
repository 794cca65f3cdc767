"""What the tests of chat completions share: contexts, and an independent checker of streams."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from antigravity.ir.call import Call, ReplyContext, Route
from antigravity.ir.request import Request, Sampling
from tests.support import sdks

ROUTE = Route("POST", "/v1/chat/completions", "generate")


def call(body: Any) -> Call:
    """A call with a body, given as bytes or as a value."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Call(ROUTE, {}, {}, {}, data)


def context(*, usage: bool = False, n: int = 1, body: Any = b"{}") -> ReplyContext:
    """A context for encoders."""
    ids = itertools.count()
    request = Request(
        "m", (), "openai_chat", stream=True, include_usage=usage, sampling=Sampling(n=n)
    )
    return ReplyContext(call(body), request, "m", 1_700_000_000, lambda p: f"{p}{next(ids)}")


def payloads(wire: bytes) -> list[Any]:
    """Split a stream, by plain string work, to its JSON values and the text ``[DONE]``."""
    assert wire.endswith(b"\n\n")
    found: list[Any] = []
    for block in wire.decode()[:-2].split("\n\n"):
        if block.startswith(":"):
            continue
        assert block.startswith("data: "), block
        assert "\n" not in block
        text = block[6:]
        found.append(text if text == "[DONE]" else json.loads(text))
    return found


class Checked:
    """What a legal stream said."""

    def __init__(self) -> None:
        self.error: dict[str, Any] | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: dict[int, str] = {}
        self.text: dict[int, str] = {}
        self.thoughts: dict[int, str] = {}
        self.calls: dict[int, list[dict[str, Any]]] = {}
        self.chunks: list[dict[str, Any]] = []


def check(wire: bytes, *, usage: bool) -> Checked:
    """Assert that a finished stream is legal, and return what it said."""
    found = payloads(wire)
    assert found.count("[DONE]") == 1
    assert found[-1] == "[DONE]"
    found.pop()
    seen = Checked()
    if found and "error" in found[-1]:
        seen.error = found.pop()["error"]
        assert set(seen.error) == {"message", "type", "param", "code"}
        assert seen.error["message"]
    if seen.error is None and usage:
        last = found.pop()
        assert last["choices"] == []
        seen.usage = last["usage"]
        if sdks.are_installed():
            ChatCompletionChunk.model_validate(last)
        assert seen.usage["total_tokens"] >= 0
    for chunk in found:
        assert chunk.get("usage") is None
        assert ("usage" in chunk) is usage
        _check_chunk(chunk, seen)
        seen.chunks.append(chunk)
    assert len({(c["id"], c["created"], c["model"]) for c in found}) <= 1
    if seen.error is None:
        assert seen.text
        assert set(seen.finish) == set(seen.text)
        for calls in seen.calls.values():
            assert all(entry["arguments"] for entry in calls if entry["type"] == "function")
    if sdks.are_installed():
        _accumulate(found)
    return seen


def _check_chunk(chunk: dict[str, Any], seen: Checked) -> None:
    (choice,) = chunk["choices"]
    index, delta = choice["index"], choice["delta"]
    if sdks.are_installed():
        ChatCompletionChunk.model_validate(_plain(chunk))
    assert index not in seen.finish, "a chunk after the end of its choice"
    assert ("role" in delta) is (index not in seen.text), "a role, once, first"
    seen.text.setdefault(index, "")
    seen.text[index] += delta.get("content") or ""
    seen.thoughts[index] = seen.thoughts.get(index, "") + delta.get("reasoning_content", "")
    calls = seen.calls.setdefault(index, [])
    for item in delta.get("tool_calls", ()):
        if "id" in item:
            assert item["index"] == len(calls)
            kind = item["type"]
            inner = item[kind]
            assert item["id"]
            text = inner["arguments" if kind == "function" else "input"]
            calls.append({"type": kind, "name": inner["name"], "arguments": text})
        else:
            known = calls[item["index"]]
            inner = item[known["type"]]
            known["arguments"] += inner["arguments" if known["type"] == "function" else "input"]
    if choice["finish_reason"] is not None:
        seen.finish[index] = choice["finish_reason"]
        if choice["finish_reason"] == "tool_calls":
            assert calls
        if choice["finish_reason"] == "stop":
            assert not calls


def _plain(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk with functions for custom calls, which the SDK's types of chunks lack."""
    copy: dict[str, Any] = json.loads(json.dumps(chunk))
    for choice in copy["choices"]:
        for item in choice["delta"].get("tool_calls", ()):
            if "custom" in item:
                inner = item.pop("custom")
                inner["arguments"] = inner.pop("input")
                item["function"] = inner
                if "type" in item:
                    item["type"] = "function"
    return copy


def _accumulate(chunks: list[dict[str, Any]]) -> None:
    """The SDK's own accumulator takes the stream."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(_plain(chunk)))
