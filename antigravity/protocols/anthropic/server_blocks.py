"""Encodes events as content blocks.

Blocks follow each other and never overlap.  They go to a :class:`BlockSink`: one writes a stream,
another collects a message, so that both kinds of response have the same content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from antigravity.ir.call import ReplyContext
from antigravity.ir.events import (
    CitationEvent,
    Finish,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    WebSearchEvent,
)
from antigravity.ir.media import FileReference, InlineData, data_url
from antigravity.ir.parts import Citation, WebSearch
from antigravity.ir.request import Request
from antigravity.ir.signature import UNSIGNED, Signature, seal
from antigravity.protocols.anthropic.server_content import NATIVE_FAMILY
from antigravity.protocols.anthropic.tool_input import as_object, wrap_text
from antigravity.protocols.anthropic.web_search import (
    search_content,
    search_id,
    search_input,
    wire_citation,
)
from antigravity.protocols.event_sequencer import OrderedEvent
from antigravity.protocols.tool_arguments import ControlEscaper, begins_object


class BlockSink(Protocol):
    """Receiver of content blocks; a delta belongs to the block opened last."""

    def open(self, block: dict[str, Any]) -> None:
        """Begin a block."""

    def text(self, text: str) -> None:
        """Add text."""

    def thinking(self, text: str) -> None:
        """Add thinking."""

    def signature(self, signature: str) -> None:
        """Sign the thinking."""

    def input_json(self, fragment: str) -> None:
        """Add JSON text to a tool's input."""

    def citation(self, citation: dict[str, Any]) -> None:
        """Add a citation."""

    def close(self) -> None:
        """End the block."""


def shows_thinking(request: Request) -> bool:
    """Return whether the client requested thinking; other clients may not know such blocks."""
    thinking = request.thinking
    if thinking.mode == "default":
        return thinking.include is True or thinking.effort not in (None, "none")
    return thinking.mode != "off"


class BlockWriter:
    """Writer of the blocks of one message; it needs events in the order of ``EventSequencer``."""

    def __init__(self, sink: BlockSink, context: ReplyContext) -> None:
        self._sink = sink
        self._new_id = context.new_id
        self._shown = shows_thinking(context.request)
        self._omit = context.request.thinking.include is False
        self._open = ""  # the type of the open block, if any
        self._signed = False  # whether the open thinking is signed
        self._custom = False  # whether the open call is of a custom tool
        self._arguments: list[str] = []  # of the open call, not written yet
        self._streams = False  # whether arguments of the open call are written at once
        self._holds = False  # whether they are held until the call ends, and checked
        self._escaper = ControlEscaper()
        self._hidden: list[ThinkingSignature | RedactedThinking] = []
        self._carried: Signature | None = None  # signature of the block before
        self._late: dict[str, WebSearch] = {}  # searches that wait for the open text to end
        self._pending: dict[str, str] = {}  # searches written, without results so far
        self._complete: set[str] = set()  # searches written with their results
        self._citations: list[Citation] = []  # that wait for the next text
        self.calls = 0
        self.searches = 0

    def write(self, event: OrderedEvent) -> None:
        """Write one event; events without a place in a message are dropped."""
        write = _WRITERS.get(type(event))
        if write is not None:
            write(self, event)

    @property
    def continues_text(self) -> bool:
        """Whether a text is open, and nothing is to be written before or after more of it."""
        return self._open == "text" and not self._late and not self._citations

    def abandon(self) -> None:
        """Close the open block and nothing more, after a failure."""
        if self._open:
            self._sink.close()
        self._open = ""

    def _finish(self, finish: Finish) -> None:
        """Close the open block, and complete the searches that have no results."""
        self._show_late()
        self._close()
        if finish.reason != "pause":
            for wire_id in self._pending.values():
                self._search_result(wire_id, [])

    def _enter(self, kind: str, fields: dict[str, Any]) -> None:
        """Open a block of this type, unless one is open."""
        if self._late:
            self._show_late()
        if self._open == kind:
            return
        self._close()
        self._begin(kind, fields)

    def _begin(self, kind: str, fields: dict[str, Any]) -> None:
        self._sink.open({"type": kind, **fields})
        self._open = kind
        self._signed = False
        self._carried = None

    def _close(self) -> None:
        if not self._open:
            return
        if self._open == "thinking" and not self._signed:
            self._sink.signature(UNSIGNED)  # clients drop thinking without a signature
        self._sink.close()
        self._open = ""

    def _text_delta(self, event: TextDelta | RefusalDelta) -> None:
        self._text(event.text)

    def _text(self, text: str) -> None:
        if not text:
            return
        self._enter("text", {"text": ""})
        self._sink.text(text)
        if self._citations:
            waiting, self._citations = self._citations, []
            for citation in waiting:
                self._sink.citation(wire_citation(citation))

    def _thinking_delta(self, event: ThinkingDelta) -> None:
        if not event.text or not self._shown or self._omit:
            return
        if self._open != "thinking" or self._late:
            self._enter("thinking", {"thinking": "", "signature": ""})
        self._sink.thinking(event.text)

    def _cite(self, event: CitationEvent) -> None:
        if self._open == "text":
            self._sink.citation(wire_citation(event.citation))
        else:
            self._citations.append(event.citation)

    def _thinking_signature(self, event: ThinkingSignature) -> None:
        if not event.signature.value:
            return
        if self._shown:
            self._sign(event.signature)
        else:
            self._hidden.append(event)

    def _sign(self, signature: Signature) -> None:
        """Write a signature to the open thinking block, or to a new empty one."""
        self._enter("thinking", {"thinking": "", "signature": ""})
        self._sink.signature(seal(signature, NATIVE_FAMILY))
        self._signed = True
        self._close()
        self._carried = signature

    def _redacted(self, event: RedactedThinking) -> None:
        if not self._shown:
            self._hidden.append(event)
            return
        self._show_late()
        self._close()
        sealed = seal(Signature(event.data, event.family), NATIVE_FAMILY)
        self._begin("redacted_thinking", {"data": sealed})
        self._close()

    def _start_call(self, event: ToolCallStart) -> None:
        self._show_hidden()
        if event.signature and event.signature.value and event.signature != self._carried:
            self._sign(event.signature)
        self._show_late()
        self._close()
        self._begin("tool_use", {"id": event.id, "name": event.name, "input": {}})
        self._custom = event.kind == "custom"
        self._arguments = []
        self._streams = self._holds = False
        self._escaper = ControlEscaper()
        self.calls += 1

    def _show_hidden(self) -> None:
        """Write signed thinking that the client did not request, because the call needs it."""
        hidden, self._hidden = self._hidden, []
        shown, self._shown = self._shown, True
        for event in hidden:
            self.write(event)
        self._shown = shown

    def _add_arguments(self, event: ToolCallDelta) -> None:
        text = event.arguments
        if not text:
            return
        if self._streams:
            self._sink.input_json(self._escaper.feed(text))
            return
        self._arguments.append(text)
        if self._custom or self._holds:
            return
        # The arguments of an object are written at once; anything else is held and checked.
        joined = "".join(self._arguments)
        self._arguments = [joined]
        begins = begins_object(joined)
        if begins:
            self._streams = True
            self._arguments = []
            self._sink.input_json(self._escaper.feed(joined))
        self._holds = begins is False

    def _end_call(self, event: ToolCallEnd) -> None:
        text = "".join(self._arguments)
        if self._custom:
            self._sink.input_json(wrap_text(text))
        elif not self._streams:
            self._sink.input_json(as_object(text))
        self._close()

    def _media(self, event: MediaOutput) -> None:
        """Write media as Markdown, because messages have no block for it."""
        if event.transcript:
            self._text(event.transcript)
            return
        source = event.source
        if isinstance(source, InlineData):
            address = data_url(event.mime_type, source.data)
        else:
            address = source.id if isinstance(source, FileReference) else source.url
        kind = event.mime_type.partition("/")[0] or "file"
        mark = "!" if kind == "image" else ""
        self._text(f"{mark}[{kind}]({address})")

    def _search(self, event: WebSearchEvent) -> None:
        """Write a search; after an open text wait, because citations of that text can follow."""
        if self._open == "text":
            self._late[event.search.id] = event.search
        else:
            self._show_search(event.search)

    def _show_late(self) -> None:
        late, self._late = self._late, {}
        for search in late.values():
            self._show_search(search)

    def _show_search(self, search: WebSearch) -> None:
        if search.id in self._complete:
            return
        wire_id = self._pending.get(search.id)
        if wire_id is None:
            wire_id = search_id(search.id) if search.id else self._new_id("srvtoolu_")
            self._pending[search.id] = wire_id
            self.searches += 1
            self._close()
            use = {"id": wire_id, "name": "web_search", "input": {}}
            self._begin("server_tool_use", use)
            self._sink.input_json(search_input(search.queries))
            self._close()
        if search.results or search.error is not None:
            del self._pending[search.id]
            self._complete.add(search.id)
            self._close()
            self._search_result(wire_id, search_content(search))

    def _search_result(self, wire_id: str, content: Any) -> None:
        self._begin("web_search_tool_result", {"tool_use_id": wire_id, "content": content})
        self._close()


_WRITERS: Final[dict[type, Callable[[BlockWriter, Any], None]]] = {
    TextDelta: BlockWriter._text_delta,
    RefusalDelta: BlockWriter._text_delta,
    ThinkingDelta: BlockWriter._thinking_delta,
    ThinkingSignature: BlockWriter._thinking_signature,
    RedactedThinking: BlockWriter._redacted,
    ToolCallStart: BlockWriter._start_call,
    ToolCallDelta: BlockWriter._add_arguments,
    ToolCallEnd: BlockWriter._end_call,
    MediaOutput: BlockWriter._media,
    WebSearchEvent: BlockWriter._search,
    CitationEvent: BlockWriter._cite,
    Finish: BlockWriter._finish,
}
