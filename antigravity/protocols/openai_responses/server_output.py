"""Encodes output items: each class writes the events of one type of item.

The constructor begins an item, and ``close`` ends it and returns its final JSON.  The encoder in
``server_stream`` decides on the order of items.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from antigravity.ir.events import ToolCallStart
from antigravity.ir.parts import Citation, WebSearch
from antigravity.protocols.openai_responses.event_writer import EventWriter
from antigravity.protocols.openai_responses.schema import JsonObject

Status = Literal["completed", "incomplete"]


class Item:
    """Base of all items: an id, an index in the output, a beginning and an end."""

    def __init__(self, writer: EventWriter, index: int, item: JsonObject) -> None:
        self._writer = writer
        self._item = item
        self.place: Final = {"item_id": item["id"], "output_index": index}
        self._index = index
        writer.emit("response.output_item.added", output_index=index, item=item)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        if "status" in self._item:
            self._item["status"] = status
        return self._done()

    def _done(self) -> JsonObject:
        self._writer.emit("response.output_item.done", output_index=self._index, item=self._item)
        return self._item

    def abandon(self) -> JsonObject:
        """Return the unfinished item after a failure."""
        return self.close("incomplete")


class _Part:
    """A content part of a message: text, or the text of a refusal."""

    def __init__(
        self, writer: EventWriter, place: JsonObject, index: int, kind: str, before: int
    ) -> None:
        self.kind = kind
        self.before = before  # characters of the response's text before this part
        self.length = 0
        self.annotations: list[JsonObject] = []
        self.logprobs: list[JsonObject] = []
        self._pieces: list[str] = []
        self._writer = writer
        self._place = {**place, "content_index": index}
        writer.emit("response.content_part.added", **self._place, part=self._json(""))
        if kind == "output_text":
            extra: JsonObject = {"logprobs": []}
            self._delta = writer.deltas("response.output_text.delta", **self._place, **extra)
        else:
            self._delta = writer.deltas("response.refusal.delta", **self._place)

    def _json(self, text: str) -> JsonObject:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": self.annotations,
            "logprobs": self.logprobs,
        }

    def write(self, delta: str) -> None:
        self.length += len(delta)
        self._pieces.append(delta)
        self._delta(delta)

    def annotate(self, citation: Citation) -> None:
        annotation = _annotation(citation, self.before, self.length)
        self._writer.emit(
            "response.output_text.annotation.added",
            **self._place,
            annotation_index=len(self.annotations),
            annotation=annotation,
        )
        self.annotations.append(annotation)

    def close(self) -> JsonObject:
        text = "".join(self._pieces)
        part = self._json(text)
        if self.kind == "refusal":
            self._writer.emit("response.refusal.done", **self._place, refusal=text)
        else:
            self._writer.emit(
                "response.output_text.done", **self._place, text=text, logprobs=self.logprobs
            )
        self._writer.emit("response.content_part.done", **self._place, part=part)
        return part


class MessageItem(Item):
    """Visible text and refusals."""

    def __init__(
        self, writer: EventWriter, index: int, item_id: str, before: int, phase: str | None
    ) -> None:
        item = {
            "id": item_id,
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        if phase is not None:
            item["phase"] = phase
        super().__init__(writer, index, item)
        self._open: _Part | None = None
        self._before = before
        self.written = 0

    def _part(self, kind: str) -> _Part:
        if self._open is None or self._open.kind != kind:
            self._close_part()
            index = len(self._item["content"])
            before = self._before + self.written
            self._open = _Part(self._writer, self.place, index, kind, before)
        return self._open

    def _close_part(self) -> None:
        if self._open is not None:
            self._item["content"].append(self._open.close())
            self._open = None

    def text(self, delta: str) -> None:
        """Write text."""
        self._part("output_text").write(delta)
        self.written += len(delta)

    def refusal(self, delta: str) -> None:
        """Write text of a refusal."""
        self._part("refusal").write(delta)

    def annotate(self, citation: Citation) -> None:
        """Write a citation of the text."""
        self._part("output_text").annotate(citation)

    def logprobs(self, content: list[JsonObject]) -> None:
        """Keep log probabilities for the end of the text."""
        self._part("output_text").logprobs += map(_logprob, content)

    def set_phase(self, phase: str) -> None:
        """Set the phase, unless it has been known since the beginning."""
        self._item.setdefault("phase", phase)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        self._close_part()
        return super().close(status)


class ReasoningItem(Item):
    """Reasoning, as a summary of one part; ``sealed`` is its ``encrypted_content``."""

    def __init__(self, writer: EventWriter, index: int, item_id: str) -> None:
        super().__init__(writer, index, {"id": item_id, "type": "reasoning", "summary": []})
        self._pieces: list[str] = []
        self._delta: Callable[[str], None] | None = None
        self.sealed: str | None = None

    def text(self, delta: str) -> None:
        """Write reasoning."""
        if self._delta is None:
            place = {**self.place, "summary_index": 0}
            self._writer.emit(
                "response.reasoning_summary_part.added",
                **place,
                part={"type": "summary_text", "text": ""},
            )
            self._delta = self._writer.deltas("response.reasoning_summary_text.delta", **place)
        self._pieces.append(delta)
        self._delta(delta)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        if self._delta is not None:
            place = {**self.place, "summary_index": 0}
            part = {"type": "summary_text", "text": "".join(self._pieces)}
            self._writer.emit("response.reasoning_summary_text.done", **place, text=part["text"])
            self._writer.emit("response.reasoning_summary_part.done", **place, part=part)
            self._item = {**self._item, "summary": [part]}
        if self.sealed is not None:
            self._item = {**self._item, "encrypted_content": self.sealed}
        return super().close(status)


class CallItem(Item):
    """A call of a function or of a custom tool."""

    def __init__(
        self, writer: EventWriter, index: int, item_id: str, call_id: str, start: ToolCallStart
    ) -> None:
        self.number = start.call
        self._custom = start.kind == "custom"
        self._field = "input" if self._custom else "arguments"
        item = {
            "id": item_id,
            "type": "custom_tool_call" if self._custom else "function_call",
            "status": "in_progress",
            "call_id": call_id,
            "name": start.name,
            self._field: "",
        }
        if start.namespace is not None:
            item["namespace"] = start.namespace
        super().__init__(writer, index, item)
        self._kind = (
            "response.custom_tool_call_input"
            if self._custom
            else "response.function_call_arguments"
        )
        self._delta = writer.deltas(f"{self._kind}.delta", **self.place)
        self._pieces: list[str] = []

    def arguments(self, delta: str) -> None:
        """Write more of the arguments."""
        if delta:
            self._pieces.append(delta)
            self._delta(delta)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        if not self._pieces and not self._custom:
            self.arguments("{}")
        whole = {self._field: "".join(self._pieces)}
        self._item.update(whole)
        #  openai 2.x requires the function's name here, 3.x has no such field.
        name = {} if self._custom else {"name": self._item["name"]}
        self._writer.emit(f"{self._kind}.done", **self.place, **name, **whole)
        return super().close(status)

    def abandon(self) -> JsonObject:
        """Return the unfinished call without an event, because clients run a call that is done."""
        return {**self._item, self._field: "".join(self._pieces), "status": "incomplete"}


class SearchItem(Item):
    """A web search that the provider ran."""

    def __init__(self, writer: EventWriter, index: int, item_id: str, search: WebSearch) -> None:
        self.search = search
        item = {
            "id": item_id,
            "type": "web_search_call",
            "status": "in_progress",
            "action": _action(search),
        }
        super().__init__(writer, index, item)
        writer.emit("response.web_search_call.in_progress", **self.place)
        writer.emit("response.web_search_call.searching", **self.place)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        self._item["action"] = _action(self.search)
        if self.search.error is not None:
            self._item["status"] = "failed"
            return self._done()
        self._writer.emit("response.web_search_call.completed", **self.place)
        return super().close("completed")


class ImageItem(Item):
    """An image that the model generated, in one piece."""

    def __init__(
        self, writer: EventWriter, index: int, item_id: str, data: str, mime_type: str
    ) -> None:
        item = {
            "id": item_id,
            "type": "image_generation_call",
            "status": "in_progress",
            "result": None,
        }
        super().__init__(writer, index, item)
        output_format = mime_type.partition("/")[2]
        self._item = {**item, "result": data, "output_format": output_format}
        writer.emit("response.image_generation_call.in_progress", **self.place)
        writer.emit("response.image_generation_call.generating", **self.place)

    def close(self, status: Status) -> JsonObject:
        """Write the closing events and return the final item."""
        self._writer.emit("response.image_generation_call.completed", **self.place)
        return super().close("completed")


def _annotation(citation: Citation, before: int, length: int) -> JsonObject:
    """Return a citation as an annotation of a part of ``length`` characters.

    A citation without a range points to the end of the text so far.
    """
    start = length if citation.start is None else citation.start - before
    start = min(max(start, 0), length)
    end = start if citation.end is None else citation.end - before
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": start,
        "end_index": min(max(end, start), length),
    }


def _logprob(entry: JsonObject) -> JsonObject:
    """Return an entry of chat completions' ``logprobs.content`` with every field."""
    tops = entry.get("top_logprobs")
    return {
        **_token(entry),
        "top_logprobs": [_token(top) for top in tops if isinstance(top, dict)]
        if isinstance(tops, list)
        else [],
    }


def _token(entry: JsonObject) -> JsonObject:
    token, code, logprob = entry.get("token"), entry.get("bytes"), entry.get("logprob")
    token = token if isinstance(token, str) else ""
    return {
        "token": token,
        "bytes": code if isinstance(code, list) else list(token.encode("utf-8", "replace")),
        "logprob": logprob if isinstance(logprob, int | float) else 0.0,
    }


def _action(search: WebSearch) -> JsonObject:
    action: JsonObject = {
        "type": "search",
        "query": search.queries[0] if search.queries else "",
        "queries": list(search.queries),
    }
    if search.results:
        action["sources"] = [{"type": "url", "url": result.url} for result in search.results]
    return action


#: The prefixes of the ids of items; those of other types begin with the type's first letters.
_PREFIXES: Final = {"compaction": "cmp_", "shell_call": "sh_", "local_shell_call": "lsh_"}


def id_prefix(kind: str) -> str:
    """Return the prefix for the id of a new item of a type that only this protocol has."""
    return _PREFIXES.get(kind) or f"{''.join(word[:1] for word in kind.split('_'))}_"


class OpaqueItem(Item):
    """An item that only this protocol has; a compaction says that it is being made."""

    def __init__(
        self, writer: EventWriter, index: int, item_id: str, kind: str, wire: JsonObject
    ) -> None:
        item = {**wire, "id": item_id, "type": kind}
        if kind == "compaction":
            item["encrypted_content"] = ""
        super().__init__(writer, index, item)
        self.kind: Final = kind
        if kind == "compaction":
            writer.emit("response.compaction.compacting", **self.place)

    def complete(self, wire: JsonObject) -> None:
        """Set the members of the final item; its id and type stay."""
        place = {"id": self._item["id"], "type": self.kind}
        self._item = {**wire, **place}

    def close(self, status: Status) -> JsonObject:
        """Write the end of the item, whose status is its maker's."""
        return self._done()
