"""Encodes the steps of a response: each class writes the events of one type of step.

The constructor begins a step, and ``close`` ends it and returns its final JSON.  The encoder in
``server_stream`` decides on the order of steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import msgspec
from msgspec import Raw

from antigravity.ir.events import MediaOutput, ToolCallStart
from antigravity.ir.media import FileReference, InlineData, UrlSource, kind_of
from antigravity.ir.parts import Citation, WebSearch
from antigravity.ir.surrogates import repair_surrogates_in_text
from antigravity.protocols.gemini_interactions.event_writer import EventWriter
from antigravity.protocols.gemini_interactions.schema import MALFORMED, JsonObject
from antigravity.protocols.tool_arguments import object_text, wrap_broken


class Step(ABC):
    """Base of all steps: an index, a beginning and an end."""

    def __init__(self, writer: EventWriter, index: int, begun: JsonObject) -> None:
        self._writer = writer
        self._index = index
        writer.emit("step.start", index=index, step=begun)

    def close(self) -> JsonObject:
        """Write the closing event and return the final step."""
        self._writer.emit("step.stop", index=self._index)
        return self.final()

    @abstractmethod
    def final(self) -> JsonObject:
        """Return the step as a whole."""


class ModelOutput(Step):
    """Text and media of the model.

    :ivar written: the number of characters of text in it.
    """

    def __init__(self, writer: EventWriter, index: int, before: int) -> None:
        super().__init__(writer, index, {"type": "model_output"})
        self.written = 0
        self._before = before  # characters of text in the steps before
        self._content: list[JsonObject] = []
        self._pieces: list[str] = []  # of the open text
        self._start = before  # of the open text
        self._annotations: list[JsonObject] = []

    def text(self, delta: str) -> None:
        """Write text."""
        self._pieces.append(delta)
        self.written += len(delta)
        self._writer.delta(self._index, {"type": "text", "text": delta})

    def annotate(self, citation: Citation) -> None:
        """Write a citation of the text."""
        text = "".join(self._pieces)
        self._pieces = [text]
        found = _annotation(citation, text, self._start)
        self._annotations.append(found)
        self._writer.delta(self._index, {"type": "text_annotation_delta", "annotations": [found]})

    def media(self, event: MediaOutput) -> None:
        """Write an image, audio, a video or a document."""
        self._end_text()
        content = media_content(event)
        self._content.append(content)
        self._writer.delta(self._index, content)

    def _end_text(self) -> None:
        text = "".join(self._pieces)
        if text or self._annotations:
            content: JsonObject = {"type": "text", "text": text}
            if self._annotations:
                content["annotations"] = self._annotations
            self._content.append(content)
        self._start += len(text)
        self._pieces, self._annotations = [], []

    def final(self) -> JsonObject:
        """Return the step as a whole."""
        self._end_text()
        return {"type": "model_output", "content": self._content}


class Thought(Step):
    """Thinking: a summary of one text, and a signature."""

    def __init__(self, writer: EventWriter, index: int) -> None:
        super().__init__(writer, index, {"type": "thought"})
        self._pieces: list[str] = []
        self._signature: str | None = None

    @property
    def signed(self) -> bool:
        """Whether the step has its signature."""
        return self._signature is not None

    def text(self, delta: str) -> None:
        """Write more of the summary."""
        self._pieces.append(delta)
        content = {"type": "text", "text": delta}
        self._writer.delta(self._index, {"type": "thought_summary", "content": content})

    def sign(self, signature: str) -> None:
        """Write the signature."""
        self._signature = signature
        delta = {"type": "thought_signature", "signature": signature}
        self._writer.delta(self._index, delta)

    def final(self) -> JsonObject:
        """Return the step as a whole."""
        step: JsonObject = {"type": "thought"}
        if self._signature is not None:
            step["signature"] = self._signature
        if self._pieces:
            step["summary"] = [{"type": "text", "text": "".join(self._pieces)}]
        return step


class FunctionCall(Step):
    """A call of a function, whose arguments follow as text."""

    def __init__(self, writer: EventWriter, index: int, call_id: str, start: ToolCallStart) -> None:
        self._head = {"type": "function_call", "id": call_id, "name": start.name}
        super().__init__(writer, index, {**self._head, "arguments": {}})
        self._custom = start.kind == "custom"
        self._pieces: list[str] = []

    def arguments(self, delta: str) -> None:
        """Write more of the arguments; those of a custom tool are written at the end."""
        if delta:
            self._pieces.append(delta)
            if not self._custom:
                self._arguments(delta)

    def _arguments(self, text: str) -> None:
        self._writer.delta(self._index, {"type": "arguments_delta", "arguments": text})

    @property
    def broken(self) -> bool:
        """Whether the arguments are not complete."""
        return not self._custom and object_text("".join(self._pieces)) is None

    def close(self) -> JsonObject:
        """Write the closing event and return the final step."""
        if self._custom:
            self._arguments(bytes(self._whole()).decode())
        return super().close()

    def final(self) -> JsonObject:
        """Return the step as a whole."""
        return {**self._head, "arguments": self._whole()}

    def _whole(self) -> Raw:
        """Return the arguments as an object; the numbers in it stay as they are written."""
        text = "".join(self._pieces)
        if self._custom:
            return Raw(msgspec.json.encode({"input": repair_surrogates_in_text(text)}))
        whole = object_text(text)
        try:
            return Raw(msgspec.json.format(whole or wrap_broken(text), indent=-1).encode())
        except MALFORMED:
            return Raw(wrap_broken(text).encode())


def search_steps(search: WebSearch) -> tuple[JsonObject, JsonObject]:
    """Return the two steps of a web search that the provider ran."""
    call = {
        "type": "google_search_call",
        "id": search.id,
        "arguments": {"queries": list(search.queries)},
    }
    result: JsonObject = {
        "type": "google_search_result",
        "call_id": search.id,
        "result": [{"url": page.url, "title": page.title} for page in search.results],
    }
    if search.error is not None:
        result["is_error"] = True
    return call, result


def media_content(event: MediaOutput) -> JsonObject:
    """Return the content for an image, audio, a video or a document."""
    content: dict[str, Any] = {"type": kind_of(event.mime_type), "mime_type": event.mime_type}
    match event.source:
        case InlineData(data=data):
            content["data"] = data
        case UrlSource(url=uri) | FileReference(id=uri):
            content["uri"] = uri
    return content


def _annotation(citation: Citation, text: str, before: int) -> JsonObject:
    """Return a citation as an annotation of a text; its offsets count bytes.

    A citation without a range points to the end of the text so far.
    """
    start = len(text) if citation.start is None else citation.start - before
    start = min(max(start, 0), len(text))
    end = start if citation.end is None else citation.end - before
    end = min(max(end, start), len(text))
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": _bytes(text[:start]),
        "end_index": _bytes(text[:end]),
    }


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
