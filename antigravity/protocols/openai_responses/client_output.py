"""Decodes the output items of a stream.

Servers of this protocol differ in which events of an item they send.  If the final form of a text,
of arguments or of an item has more than the deltas so far, the rest is added from there, so that
the result is the same for all of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from antigravity.ir.events import (
    CitationEvent,
    Event,
    LogprobsDelta,
    MediaOutput,
    OpaqueOutput,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    TextPhase,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    WebSearchEvent,
)
from antigravity.ir.media import InlineData
from antigravity.protocols import lenient
from antigravity.protocols.openai_responses.encrypted import read_encrypted
from antigravity.protocols.openai_responses.schema import (
    MALFORMED,
    NAME,
    Annotation,
    JsonObject,
    SearchItem,
)
from antigravity.protocols.openai_responses.server_content import citation
from antigravity.protocols.openai_responses.server_items import decode_search
from antigravity.protocols.openai_responses.wire_event import WireEvent

_Field = Literal["text", "refusal", "summary", "content"]

#: The field of a content part and the member with its text, by type.
_PARTS: Final[dict[str, tuple[_Field, str]]] = {
    "output_text": ("text", "text"),
    "text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("content", "text"),
}


#: Types of items that a response can end with; others are always followed by one of them.
ENDING: Final = frozenset(
    (
        "message",
        "function_call",
        "custom_tool_call",
        "image_generation_call",
        "apply_patch_call",
        "compaction",
        "computer_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
        "tool_search_call",
    )
)


class _Piece:
    """State of one text, refusal or piece of reasoning."""

    __slots__ = ("annotations", "before", "logprobs", "seen")

    def __init__(self, before: int) -> None:
        self.before = before  # characters of the response's text before it
        self.seen = 0
        self.annotations = 0
        self.logprobs = False


class _Item:
    """State of one output item."""

    __slots__ = ("call", "done", "id", "phase", "pieces", "seen", "source", "unplaced")

    def __init__(self, item_id: object) -> None:
        self.id = item_id
        self.done = False
        self.phase = False  # whether it is known
        self.pieces: dict[tuple[_Field, int], _Piece] = {}
        self.source: _Field | None = None  # of reasoning: the first of two forms counts
        self.call: ToolCallStart | None = None
        self.seen = 0  # characters of arguments
        self.unplaced: list[str] = []  # arguments before the call's name


def _index(value: object) -> int:
    return value if isinstance(value, int) else 0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


class OutputDecoder:
    """Decoder of all items of one response; it calls ``add`` with each event."""

    def __init__(self, add: Callable[[Event], None]) -> None:
        self._add = add
        self._items: dict[object, _Item] = {}
        self._last: object = None
        self._characters = 0
        self._thinking = False  # whether the last event was thinking
        self._can_end = False  # whether a response can end with the last item
        self.calls = 0
        self.refused = False

    def event(self, kind: str, wire: WireEvent) -> None:
        """Decode one event; unknown events are ignored."""
        match kind:
            case "response.output_text.delta":
                self._logprobs(self._piece(wire, "text"), wire, text=wire.delta)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                self._arguments(self._item(wire), wire.delta)
            case "response.reasoning_summary_text.delta":
                self._thought(self._item(wire), "summary", _index(wire.summary_index), wire.delta)
            case "response.reasoning_text.delta":
                self._thought(self._item(wire), "content", _index(wire.content_index), wire.delta)
            case "response.refusal.delta":
                self._write(self._piece(wire, "refusal"), "refusal", wire.delta)
            case "response.output_item.added":
                self._begin(wire)
            case "response.output_item.done":
                self._end(wire)
            case "response.output_text.done":
                piece = self._piece(wire, "text")
                self._complete(piece, "text", wire.text)
                self._logprobs(piece, wire)
            case "response.content_part.done":
                self._part(self._item(wire), _index(wire.content_index), wire.part)
            case "response.refusal.done":
                self._complete(self._piece(wire, "refusal"), "refusal", wire.refusal)
            case "response.output_text.annotation.added":
                self._annotations(self._piece(wire, "text"), [wire.annotation])
            case "response.reasoning_summary_text.done":
                self._thoughts(self._item(wire), "summary", _index(wire.summary_index), wire.text)
            case "response.reasoning_text.done":
                self._thoughts(self._item(wire), "content", _index(wire.content_index), wire.text)
            case "response.function_call_arguments.done":
                self._rest_of_arguments(self._item(wire), wire.arguments)
            case "response.custom_tool_call_input.done":
                self._rest_of_arguments(self._item(wire), wire.input)
            case _:
                return

    def finish(self, output: object) -> None:
        """Decode the part of the final list of items that the stream did not contain."""
        items = [item for item in _list(output) if isinstance(item, dict)]
        if not self._items:
            for place, item in enumerate(items):
                self._end(WireEvent(output_index=place, item=item))
        for known in self._items.values():
            if known.call is not None and not known.done:
                call_id = known.call.id
                item = next((item for item in items if item.get("call_id") == call_id), {})
                self._rest_of_arguments(known, item.get("arguments") or item.get("input"))
                self._end_call(known)

    @property
    def complete(self) -> bool:
        """Whether all items are done, and a response can end with the last one."""
        items = self._items.values()
        return self._can_end and bool(items) and all(item.done for item in items)

    def _emit(self, event: Event) -> None:
        self._thinking = isinstance(event, ThinkingDelta)
        self._add(event)

    def _item(self, wire: WireEvent) -> _Item:
        """Return the item of an event: by its index, else by its id, else the last one."""
        key: object = wire.output_index
        item_id = wire.item.get("id") if isinstance(wire.item, dict) else wire.item_id
        if not isinstance(key, int) or key not in self._items:
            known = (place for place, item in self._items.items() if item_id and item.id == item_id)
            otherwise = item_id if isinstance(item_id, str) else self._last
            key = next(known, key if isinstance(key, int) else otherwise)
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(item_id)
        self._last = key
        return item

    def _piece(self, wire: WireEvent, field: _Field) -> _Piece:
        return self._piece_of(self._item(wire), field, _index(wire.content_index))

    def _piece_of(self, item: _Item, field: _Field, index: int) -> _Piece:
        piece = item.pieces.get((field, index))
        if piece is None:
            piece = item.pieces[field, index] = _Piece(self._characters)
        return piece

    def _write(self, piece: _Piece, field: _Field, delta: object) -> None:
        if not isinstance(delta, str) or not delta:
            return
        piece.seen += len(delta)
        if field == "refusal":
            self.refused = True
            self._emit(RefusalDelta(delta))
        elif field == "text":
            self._characters += len(delta)
            self._emit(TextDelta(delta))
        else:
            self._emit(ThinkingDelta(delta))

    def _complete(self, piece: _Piece, field: _Field, whole: object) -> None:
        if isinstance(whole, str):
            self._write(piece, field, whole[piece.seen :])

    def _logprobs(self, piece: _Piece, wire: WireEvent, *, text: object = None) -> None:
        """Emit a delta with its log probabilities; those at the end count only if it had none."""
        self._write(piece, "text", text)
        content = [entry for entry in _list(wire.logprobs) if isinstance(entry, dict)]
        if content and (text is not None or not piece.logprobs):
            piece.logprobs = True
            self._emit(LogprobsDelta(content))

    def _annotations(self, piece: _Piece, wires: list[Any]) -> None:
        for wire in wires:
            piece.annotations += 1
            try:
                annotation = lenient.convert(wire, Annotation)
            except MALFORMED:
                continue
            if annotation.type == "url_citation":
                self._emit(CitationEvent(citation(annotation, piece.before)))

    def _thought(self, item: _Item, field: _Field, index: int, delta: object) -> None:
        if item.source is None:
            item.source = field
        if item.source != field or not delta:
            return
        piece = self._piece_of(item, field, index)
        if not piece.seen and self._thinking:
            self._emit(ThinkingDelta("\n\n"))
        self._write(piece, field, delta)

    def _thoughts(self, item: _Item, field: _Field, index: int, whole: object) -> None:
        if isinstance(whole, str):
            seen = self._piece_of(item, field, index).seen
            self._thought(item, field, index, whole[seen:])

    def _part(self, item: _Item, index: int, part: object) -> None:
        """Decode a content part in its final form."""
        if not isinstance(part, dict):
            return
        kind = part.get("type")
        form = _PARTS.get(kind) if isinstance(kind, str) else None
        if form is None:
            return
        field, name = form
        if field == "content":
            self._thoughts(item, field, index, part.get(name))
            return
        piece = self._piece_of(item, field, index)
        self._complete(piece, field, part.get(name))
        if field == "text":
            self._logprobs(piece, WireEvent(logprobs=part.get("logprobs")))
            self._annotations(piece, _list(part.get("annotations"))[piece.annotations :])

    def _begin(self, wire: WireEvent) -> None:
        if isinstance(wire.item, dict):
            if isinstance(wire.output_index, int):
                self._items[wire.output_index] = _Item(wire.item.get("id"))
            item = self._item(wire)
            self._start_call(item, wire.item)
            self._phase(item, wire.item)

    def _phase(self, item: _Item, wire: JsonObject) -> None:
        """Emit the phase of a message before its text; after it, it is too late."""
        phase = wire.get("phase")
        if wire.get("type") == "message" and isinstance(phase, str) and not item.phase:
            item.phase = True
            if not item.pieces:
                self._emit(TextPhase(phase))

    def _end(self, wire: WireEvent) -> None:
        """Decode an item in its final form."""
        final = wire.item
        if not isinstance(final, dict):
            return
        item = self._item(wire)
        if item.done:
            if item.id == final.get("id"):
                return
            item = self._items[self._last] = _Item(final.get("id"))  # the server repeated an index
        item.done = True
        self._can_end = str(final.get("type")) in ENDING
        match final.get("type"):
            case "message":
                self._phase(item, final)
                for index, part in enumerate(_list(final.get("content"))):
                    self._part(item, index, part)
            case "reasoning":
                self._end_reasoning(item, final)
            case "function_call" | "custom_tool_call":
                self._start_call(item, final)
                self._rest_of_arguments(item, final.get("arguments") or final.get("input"))
                self._end_call(item)
            case "web_search_call":
                try:
                    search = decode_search(lenient.convert(final, SearchItem))
                except MALFORMED:
                    return
                self._emit(WebSearchEvent(search))
            case "image_generation_call":
                result = final.get("result")
                if isinstance(result, str) and result:
                    form = final.get("output_format")
                    mime_type = f"image/{form}" if form and isinstance(form, str) else "image/png"
                    self._emit(MediaOutput(mime_type, InlineData(result)))
            case str(kind):
                self._emit(OpaqueOutput(NAME, kind, final))

    def _end_reasoning(self, item: _Item, final: JsonObject) -> None:
        forms: tuple[_Field, ...] = ("summary", "content")
        for field in forms:
            for index, part in enumerate(_list(final.get(field))):
                if isinstance(part, dict):
                    self._thoughts(item, field, index, part.get("text"))
        encrypted = final.get("encrypted_content")
        if not isinstance(encrypted, str) or not encrypted:
            return
        kind, signature = read_encrypted(encrypted)
        if kind == "redacted":
            self._emit(RedactedThinking(signature.value, family=signature.family))
        elif kind == "trailing":
            self._emit(TextSignature(signature))
        else:
            self._emit(ThinkingSignature(signature))

    def _start_call(self, item: _Item, wire: JsonObject) -> None:
        kind, name = wire.get("type"), wire.get("name")
        if item.call is not None or kind not in ("function_call", "custom_tool_call"):
            return
        if not isinstance(name, str) or not name:
            return  # the final form can have it
        namespace = wire.get("namespace")
        item.call = start = ToolCallStart(
            call=self.calls,
            id=str(wire.get("call_id") or wire.get("id") or f"call_{secrets.token_hex(12)}"),
            name=name,
            kind="custom" if kind == "custom_tool_call" else "function",
            namespace=namespace if isinstance(namespace, str) and namespace else None,
        )
        self.calls += 1
        self._emit(start)
        for piece in item.unplaced:
            self._emit(ToolCallDelta(start.call, piece))

    def _arguments(self, item: _Item, delta: object) -> None:
        if not isinstance(delta, str) or not delta:
            return
        item.seen += len(delta)
        if item.call is None:
            item.unplaced.append(delta)
        elif not item.done:
            self._emit(ToolCallDelta(item.call.call, delta))

    def _rest_of_arguments(self, item: _Item, whole: object) -> None:
        if isinstance(whole, dict):
            whole = msgspec.json.encode(whole).decode()
        if isinstance(whole, str) and item.call is not None and len(whole) > item.seen:
            self._emit(ToolCallDelta(item.call.call, whole[item.seen :]))
            item.seen = len(whole)
        elif isinstance(whole, str) and item.call is None:
            self._arguments(item, whole[item.seen :])

    def _end_call(self, item: _Item) -> None:
        item.done = True
        if item.call is not None:
            self._emit(ToolCallEnd(item.call.call))
