"""Decodes the steps of a response, whole or in pieces: each class reads one type of step."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from antigravity.ir.events import (
    CitationEvent,
    MediaOutput,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from antigravity.ir.media import FileReference, InlineData, MediaSource, UrlSource
from antigravity.ir.parts import Citation
from antigravity.ir.signature import Signature
from antigravity.protocols.byte_offsets import ByteOffsets
from antigravity.protocols.gemini_base64 import to_standard
from antigravity.protocols.gemini_interactions.client_hosted_steps import (
    CodeCall,
    CodeResult,
    OpaqueStep,
    Search,
    SearchResults,
)
from antigravity.protocols.gemini_interactions.client_output_state import (
    Emit,
    OutputState,
    ResponseStep,
    objects,
)
from antigravity.protocols.gemini_interactions.schema import JsonObject
from antigravity.protocols.gemini_signatures import FAMILY

#: The members with the address and the name of what an annotation cites.
_CITED: Final = {
    "url_citation": ("url", "title"),
    "place_citation": ("url", "name"),
    "file_citation": ("document_uri", "file_name"),
}
_DEFAULT_TYPES: Final = {
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "document": "application/pdf",
}
_SEARCHES: Final = ("google_search_call", "google_search_result")


class OutputDecoder:
    """Decoder of the steps of one interaction.

    :param own: whether the client speaks the protocol, and gets steps that only it has.
    :ivar open: the steps that have begun and not ended, by their index.
    """

    def __init__(self, emit: Emit, *, own: bool) -> None:
        self.open: dict[int, ResponseStep] = {}
        self._state = OutputState(emit, own=own)

    @property
    def called(self) -> bool:
        """Whether there was a call of a function."""
        return self._state.called

    def start(self, index: int, step: JsonObject) -> None:
        """Begin a step."""
        kind = step.get("type")
        if kind not in _SEARCHES:
            self._state.report_searches()
        build = _STEPS.get(kind) if isinstance(kind, str) else None
        self.open[index] = (build or OpaqueStep)(self._state, step)

    def delta(self, index: int, delta: JsonObject) -> None:
        """Add a piece to a step."""
        step = self.open.get(index)
        if step is not None:
            step.delta(delta)

    def stop(self, index: int) -> None:
        """End a step."""
        step = self.open.pop(index, None)
        if step is not None:
            step.stop()

    def finish(self) -> None:
        """End all steps."""
        for index in list(self.open):
            self.stop(index)
        self._state.report_searches()

    def whole(self, steps: list[Any]) -> None:
        """Decode all steps of a whole interaction."""
        for index, step in enumerate(steps):
            if isinstance(step, dict):
                self.start(index, step)
                self.stop(index)
        self.finish()


class _UserInput(ResponseStep):
    """The client's own input, which some responses repeat."""

    def delta(self, delta: JsonObject) -> None:
        """Ignore a piece."""


class _ModelOutput(ResponseStep):
    """Text and media of the model."""

    def __init__(self, output: OutputState, step: JsonObject) -> None:
        super().__init__(output, step)
        self._pieces: list[str] = []  # of the open text, without those that have offsets
        self._offsets = ByteOffsets()  # in the open text
        for content in objects(step.get("content")):
            self.delta(content)
            self._end_text()

    def delta(self, delta: JsonObject) -> None:
        """Add text, annotations or media."""
        kind = delta.get("type")
        if kind == "text":
            text = delta.get("text")
            if isinstance(text, str) and text:
                self._pieces.append(text)
                self._emit(TextDelta(text))
        elif isinstance(kind, str) and kind in _DEFAULT_TYPES:
            self._end_text()
            self._media(kind, delta)
        for annotation in objects(delta.get("annotations")):
            self._annotation(annotation)

    def stop(self) -> None:
        """End the open text."""
        self._end_text()

    def _end_text(self) -> None:
        self._output.characters += self._offsets.characters + sum(map(len, self._pieces))
        self._pieces = []
        if self._offsets.characters:
            self._offsets = ByteOffsets()

    def _annotation(self, wire: JsonObject) -> None:
        """Report a citation; its offsets count bytes of the open text."""
        names = _CITED.get(str(wire.get("type")))
        url = wire.get(names[0]) if names else None
        if names is None or not isinstance(url, str) or not url:
            return
        for piece in self._pieces:
            self._offsets.add(piece)
        self._pieces = []
        start = self._characters(wire.get("start_index"))
        end = self._characters(wire.get("end_index"))
        title = wire.get(names[1])
        cited = Citation(url, title if isinstance(title, str) else "", start=start, end=end)
        self._emit(CitationEvent(cited))

    def _characters(self, place: Any) -> int | None:
        """Return an offset in bytes of the open text as one in characters of the response."""
        if not isinstance(place, int):
            return None
        return self._output.characters + self._offsets.to_characters(place)

    def _media(self, kind: str, wire: JsonObject) -> None:
        source = _source(wire)
        if source is not None:
            self._emit(MediaOutput(_mime_type(kind, wire), source))


class _Thought(ResponseStep):
    """Thinking: its summary, and its signature at the end."""

    def __init__(self, output: OutputState, step: JsonObject) -> None:
        super().__init__(output, step)
        self._signature = step.get("signature")
        for content in objects(step.get("summary")):
            self._text(content)

    def delta(self, delta: JsonObject) -> None:
        """Add text of the summary, or the signature."""
        if delta.get("type") == "thought_signature":
            self._signature = delta.get("signature") or self._signature
        else:
            content = delta.get("content")
            self._text(content if isinstance(content, dict) else delta)

    def _text(self, content: JsonObject) -> None:
        text = content.get("text")
        if isinstance(text, str) and text:
            self._emit(ThinkingDelta(text))

    def stop(self) -> None:
        """Report the signature."""
        if isinstance(self._signature, str) and self._signature:
            self._emit(ThinkingSignature(Signature(self._signature, FAMILY)))


class _FunctionCall(ResponseStep):
    """A call of a function.

    Its arguments are those that it begins with, or the text that follows in pieces.
    """

    def __init__(self, output: OutputState, step: JsonObject) -> None:
        super().__init__(output, step)
        self._number, identity = output.next_call(step.get("id"))
        self._arguments = step.get("arguments")
        self._in_pieces = False
        value, name = step.get("signature"), step.get("name")
        signature = Signature(value, FAMILY) if isinstance(value, str) and value else None
        start = (self._number, identity, name if isinstance(name, str) else "")
        self._emit(ToolCallStart(*start, signature=signature))

    def delta(self, delta: JsonObject) -> None:
        """Add text of the arguments."""
        text = delta.get("arguments")
        if delta.get("type") != "arguments_delta" or not text:
            return
        self._in_pieces = True
        text = text if isinstance(text, str) else _json(text)
        self._emit(ToolCallDelta(self._number, text))

    def stop(self) -> None:
        """End the call."""
        if not self._in_pieces:
            given = self._arguments
            text = given if isinstance(given, str) else _json({} if given is None else given)
            self._emit(ToolCallDelta(self._number, text))
        self._emit(ToolCallEnd(self._number))


_STEPS: Final[dict[str, type[ResponseStep]]] = {
    "user_input": _UserInput,
    "function_result": _UserInput,
    "model_output": _ModelOutput,
    "thought": _Thought,
    "function_call": _FunctionCall,
    "code_execution_call": CodeCall,
    "code_execution_result": CodeResult,
    "google_search_call": Search,
    "google_search_result": SearchResults,
}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _source(wire: JsonObject) -> MediaSource | None:
    data, uri = wire.get("data"), wire.get("uri")
    if isinstance(data, str) and data:
        found = to_standard(data)
        return InlineData(found) if found else None
    if not isinstance(uri, str) or not uri:
        return None
    is_file = ".googleapis.com/" in uri or not uri.startswith(("http://", "https://"))
    return FileReference(uri, "google") if is_file else UrlSource(uri)


def _mime_type(kind: str, wire: JsonObject) -> str:
    """Return the MIME type; that of bare samples has their rate."""
    mime_type = wire.get("mime_type")
    if not isinstance(mime_type, str) or not mime_type:
        return _DEFAULT_TYPES[kind]
    rate = wire.get("sample_rate") or wire.get("rate")
    if mime_type.lower() == "audio/l16" and isinstance(rate, int):
        return f"audio/L16;codec=pcm;rate={rate}"
    return mime_type
