"""The turns of a conversation in the body of a request or a response, of any protocol.  Pure.

Bodies come from clients and upstreams, and may be cut: what has another form than expected is left
out, or shown as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from antigravity.dashboard.indented_json import indent_json

#: The most characters of JSON with indentation.
_LONGEST: Final = 16_000

Kind = Literal["text", "thinking", "call", "result", "media", "other"]

#: The names of types of parts in protocols.
_THINKING: Final = ("thinking", "redacted_thinking", "reasoning", "summary_text", "thought")
_CALLS: Final = ("tool_use", "function_call", "custom_tool_call", "server_tool_use", "mcp_call")
_RESULTS: Final = ("tool_result", "function_call_output", "custom_tool_call_output")
_MEDIA: Final = ("image", "image_url", "input_image", "input_audio", "audio", "document", "file")
#: Members in which envelopes have the body of another protocol.
_ENVELOPES: Final = ("request", "response")


class Part(Struct, frozen=True):
    """A piece of a turn; ``title`` is the name of a tool, or of another type."""

    kind: Kind
    text: str
    title: str = ""


class Turn(Struct, frozen=True):
    """What one side has said."""

    role: str
    parts: list[Part]


def read_turns(body: str) -> list[Turn]:
    """Return the turns in a body, JSON or events; none if it is no conversation."""
    value = _decode(body)
    if isinstance(value, list) and value and "candidates" in _members(value[0]):
        return _joined(value)
    if value is not None:
        return list(_turns(_members(value)))
    return _joined(list(_events(body)))


def _turns(body: Mapping[str, Any]) -> Iterator[Turn]:
    for name in _ENVELOPES:
        inner = body.get(name)
        if isinstance(inner, dict) and not ({"messages", "input", "contents"} & body.keys()):
            yield from _turns(inner)
            return
    for name in ("system", "instructions", "systemInstruction", "system_instruction"):
        if body.get(name):
            yield Turn("system", list(_parts(body[name])))
    for name in ("messages", "input", "contents", "output"):
        value = body.get(name)
        if isinstance(value, str):
            yield Turn("user", [Part("text", value)])
        for item in _items(value):
            yield _turn(_members(item))
    for choice in _items(body.get("choices")):
        yield _turn(_members(_members(choice).get("message")), "assistant")
    for candidate in _items(body.get("candidates")):
        yield _turn(_members(_members(candidate).get("content")), "assistant")
    if body.get("type") == "message" and body.get("role"):
        yield _turn(body)


def _turn(message: Mapping[str, Any], role: str = "") -> Turn:
    role = role or _text(message.get("role"))
    role = {"model": "assistant", "function": "tool", "developer": "system"}.get(role, role)
    kind = _text(message.get("type"))
    if kind in (*_CALLS, *_RESULTS, *_THINKING):
        return Turn("tool" if kind in _RESULTS else "assistant", [_part(message)])
    parts: list[Part] = []
    for name in ("reasoning_content", "reasoning"):
        if isinstance(message.get(name), str) and message[name]:
            parts.append(Part("thinking", message[name]))
    content = [*_parts(message.get("content")), *_parts(message.get("parts"))]
    if role == "tool":
        content = [Part("result", each.text, each.title) for each in content]
    parts += content
    for call in _items(message.get("tool_calls")):
        function = _members(_members(call).get("function"))
        parts.append(Part("call", _pretty(function.get("arguments")), _text(function.get("name"))))
    return Turn(role or "assistant", parts)


def _parts(value: Any) -> Iterator[Part]:
    if isinstance(value, str):
        if value:
            yield Part("text", value)
    elif isinstance(value, dict) and isinstance(value.get("parts"), list):
        yield from _parts(value["parts"])
    else:
        for each in _items(value):
            yield Part("text", each) if isinstance(each, str) else _part(_members(each))


def _part(part: Mapping[str, Any]) -> Part:
    kind = _text(part.get("type"))
    call, result = _members(part.get("functionCall")), _members(part.get("functionResponse"))
    if call or kind in _CALLS:
        given = next((part[name] for name in ("input", "arguments") if name in part), None)
        return Part(
            "call", _pretty(call.get("args", given)), _text(call.get("name") or part.get("name"))
        )
    if result or kind in _RESULTS:
        given = part.get("content", part.get("output"))
        text = _pretty(result["response"]) if "response" in result else _flat(given)
        return Part("result", text, _text(result.get("name")))
    text = next((part[n] for n in ("text", "thinking", "refusal") if _text(part.get(n))), "")
    if kind in _THINKING or part.get("thought") is True:
        return Part("thinking", text or _flat(part.get("summary")))
    if text or kind.endswith("text"):
        return Part("text", text)
    if kind in _MEDIA or "inlineData" in part or "inline_data" in part or "fileData" in part:
        return Part("media", _short_json(part), kind)
    return Part("other", _short_json(part), kind)


# -- streams --


class _Growing:
    """Joins the deltas of a stream, each to the part with its key."""

    def __init__(self) -> None:
        self._parts: dict[object, tuple[Kind, str, list[str]]] = {}

    def add(self, key: object, kind: Kind, text: Any, title: Any = "") -> None:
        """Add a piece of text; the first one of a part has its title."""
        known = self._parts.setdefault(key, (kind, _text(title), []))
        if isinstance(text, str):
            known[2].append(text)

    def turns(self) -> list[Turn]:
        """Return the turn of the assistant."""
        parts = [
            Part(kind, _pretty("".join(texts)) if kind == "call" else "".join(texts), title)
            for kind, title, texts in self._parts.values()
        ]
        return [Turn("assistant", parts)] if parts else []


def _joined(events: Iterable[Any]) -> list[Turn]:
    """Return the turns of a stream's events."""
    growing = _Growing()
    for each in events:
        event = _members(each)
        event = _members(event["response"]) if "candidates" in _inner(event) else event
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            return list(_turns(_members(event.get("response"))))
        _add_event(growing, event)
    return growing.turns()


def _inner(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return _members(event.get("response"))


def _add_event(growing: _Growing, event: Mapping[str, Any]) -> None:
    kind, delta = _text(event.get("type")), event.get("delta")
    index = event.get("index", event.get("output_index"))
    if not isinstance(index, int | None):
        index = None
    if kind == "content_block_start":
        block = _members(event.get("content_block"))
        part = _part({**block, "input": ""})
        growing.add(
            index,
            part.kind,
            part.text if part.kind in ("text", "thinking") else "",
            block.get("name"),
        )
    elif kind == "content_block_delta":
        members = _members(delta)
        text = next(
            (members[name] for name in ("text", "thinking", "partial_json") if name in members), ""
        )
        growing.add(index, "thinking" if "thinking" in members else "text", text)
    elif kind.endswith("text.delta") and isinstance(delta, str):
        growing.add(("out", index), "thinking" if "reasoning" in kind else "text", delta)
    for place, choice in enumerate(_items(event.get("choices"))):
        members = _members(_members(choice).get("delta"))
        for name, kind_of in (("reasoning_content", "thinking"), ("content", "text")):
            if _text(members.get(name)):
                growing.add((place, name), kind_of, members[name])  # type: ignore[arg-type]
        for number, call in enumerate(_items(members.get("tool_calls"))):
            function = _members(_members(call).get("function"))
            at = _members(call).get("index")
            key = (place, "call", at if isinstance(at, int) else number)
            growing.add(key, "call", function.get("arguments"), function.get("name"))
    for place, candidate in enumerate(_items(event.get("candidates"))):
        for part in _parts(_members(candidate).get("content")):
            growing.add((place, part.kind, part.title), part.kind, part.text, part.title)


def _events(body: str) -> Iterator[Any]:
    for line in body.splitlines():
        if line.startswith("data:"):
            value = _decode(line[5:].strip())
            if value is not None:
                yield value


# -- values --


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _flat(value: Any) -> str:
    """Return the text of a list of parts, or JSON."""
    if isinstance(value, str):
        return value
    texts = [_text(_members(each).get("text")) for each in _items(value)]
    return "\n".join(texts) if texts and all(texts) else _pretty(value)


def _pretty(value: Any) -> str:
    """Return JSON, also of text that is JSON, with indentation, or the beginning of it."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return indent_json(text, _LONGEST)


def _short_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)[:1000]
