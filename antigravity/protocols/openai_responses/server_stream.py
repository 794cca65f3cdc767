"""Encodes events as output items, streamed or in a whole response."""

from __future__ import annotations

from typing import Final

from msgspec import Raw
from zope.interface import implementer

from antigravity.interfaces.protocols import INumberingEncoder
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    CitationEvent,
    Finish,
    LogprobsDelta,
    MediaOutput,
    OpaqueOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
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
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import WebSearch
from antigravity.ir.response import Response
from antigravity.ir.signature import Signature
from antigravity.protocols.openai_responses.encrypted import (
    seal_redacted,
    seal_thinking,
    seal_trailing,
)
from antigravity.protocols.openai_responses.event_writer import EventWriter
from antigravity.protocols.openai_responses.item_ids import item_id
from antigravity.protocols.openai_responses.schema import NAME, JsonObject
from antigravity.protocols.openai_responses.server_output import (
    CallItem,
    ImageItem,
    Item,
    MessageItem,
    OpaqueItem,
    ReasoningItem,
    SearchItem,
    Status,
    id_prefix,
)
from antigravity.protocols.openai_responses.server_reply import (
    INCOMPLETE,
    ResponseObject,
    failure,
)
from antigravity.protocols.openai_shapes import media_as_text
from antigravity.protocols.response_encoder import ResponseEncoder, Writers

#: The phase of text before a call, and the reasons of a choice whose last text is its answer.
_COMMENTARY: Final = "commentary"
_FINAL: Final = frozenset(("stop", "stop_sequence"))


@implementer(INumberingEncoder)
class ResponsesStreamEncoder(ResponseEncoder):
    """Encoder of one response.  One output item is open at a time."""

    def __init__(self, context: ReplyContext, *, quiet: bool = False) -> None:
        self._writer = EventWriter(quiet=quiet)
        super().__init__(self._writer, _WRITERS)
        self.continue_after = self._writer.continue_after
        self._new_id = context.new_id
        self._response = ResponseObject(context)
        self._output: list[JsonObject] = []
        self._item: Item | None = None
        self._searches: list[WebSearch] = []  # that wait for the open message to end
        self._trailing: Signature | None = None  # of the open message
        self._phase: str | None = None  # of the next message
        self._call_ids: set[str] = set()
        self._search_ids: set[str] = set()
        self._characters = 0  # of text in closed messages
        self._refused = False

    def start(self, event: ResponseStart) -> bytes:
        """Return ``response.created`` and ``response.in_progress``."""
        response = self._response.encode("in_progress")
        self._emit_response("response.created", response)
        self._emit_response("response.in_progress", response)
        return self._writer.flush()

    def complete(self) -> bytes:
        """Return ``response.completed`` or ``response.incomplete``."""
        reason = (self.sequencer.finish_of() or Finish("stop")).reason
        if reason == "refusal" and not self._refused:
            reason = "content_filter"  # declined without text
        status = "incomplete" if reason in INCOMPLETE else "completed"
        self.final_response = self._response.encode(
            status, self._output, self.usage, incomplete=INCOMPLETE.get(reason)
        )
        self._emit_response(f"response.{status}", self.final_response)
        return self._writer.flush()

    def fail(self, error: GatewayError) -> bytes:
        """Return ``response.failed``, or ``error`` before the start."""
        fields = failure(error)
        if not self.sequencer.started:
            self._writer.emit("error", **fields, param=error.param)
            return self._writer.flush()
        if self._item is not None:
            self._output.append(self._item.abandon())
        response = self._response.encode("failed", self._output, self.usage, error=fields)
        self._emit_response("response.failed", response)
        return self._writer.flush()

    def _item_id(self, prefix: str) -> str:
        """Return the id of the item that comes next."""
        return item_id(prefix, self._response.id, len(self._output))

    def _emit_response(self, kind: str, response: bytes) -> None:
        self._writer.emit(kind, response=Raw(response))

    def _close(self, status: Status = "completed") -> None:
        """Close the open item, then write what waited for its end."""
        item, self._item = self._item, None
        if item is not None:
            self._output.append(item.close(status))
            if isinstance(item, MessageItem):
                self._characters += item.written
        signature, self._trailing = self._trailing, None
        if signature is not None:
            self._sealed(seal_trailing(signature))
        searches, self._searches = self._searches, []
        for search in searches:
            self._output.append(self._search(search).close("completed"))

    def _end(self, event: ToolCallEnd | Finish) -> None:
        """Close the open item, as incomplete if the response is."""
        finish = self.sequencer.finish_of()
        incomplete = finish is not None and finish.reason in INCOMPLETE
        if finish is not None and finish.reason in _FINAL:
            self._set_phase("final_answer")
        self._close("incomplete" if incomplete else "completed")

    def _set_phase(self, phase: str) -> None:
        """Set the phase of the open message, which is known by what follows it."""
        if isinstance(self._item, MessageItem):
            self._item.set_phase(phase)

    def _text_phase(self, event: TextPhase) -> None:
        self._close()
        self._phase = event.phase

    def _text(self, event: TextDelta) -> None:
        if event.text:
            self._message(leave_searches=False).text(event.text)

    def _refusal(self, event: RefusalDelta) -> None:
        if event.text:
            self._refused = True
            self._message(leave_searches=False).refusal(event.text)

    def _citation(self, event: CitationEvent) -> None:
        self._message().annotate(event.citation)

    def _logprobs(self, event: LogprobsDelta) -> None:
        if isinstance(self._item, MessageItem):
            self._item.logprobs(event.content)

    def _thinking(self, event: ThinkingDelta) -> None:
        if event.text:
            self._reasoning().text(event.text)

    def _thinking_signature(self, event: ThinkingSignature) -> None:
        self._reasoning().sealed = seal_thinking(event.signature)
        self._close()

    def _redacted(self, event: RedactedThinking) -> None:
        self._close()
        self._sealed(seal_redacted(event.data, event.family))

    def _text_signature(self, event: TextSignature) -> None:
        if not isinstance(self._item, MessageItem):
            self._close()
        self._trailing = event.signature
        if self._item is None:
            self._close()

    def _call_delta(self, event: ToolCallDelta) -> None:
        if isinstance(self._item, CallItem):
            self._item.arguments(event.arguments)

    def _message(self, *, leave_searches: bool = True) -> MessageItem:
        """Return the open message, or a new one.

        After a web search, citations and log probabilities still belong to the open message, but
        text begins a new one.
        """
        item = self._item
        if isinstance(item, MessageItem) and (leave_searches or not self._searches):
            return item
        if self._searches:
            self._set_phase(_COMMENTARY)
        self._close()
        phase, self._phase = self._phase, None
        self._item = opened = MessageItem(
            self._writer, len(self._output), self._item_id("msg_"), self._characters, phase
        )
        return opened

    def _reasoning(self) -> ReasoningItem:
        if not isinstance(self._item, ReasoningItem):
            self._close()
            self._item = ReasoningItem(self._writer, len(self._output), self._item_id("rs_"))
        return self._item

    def _sealed(self, encrypted: str) -> None:
        """Write a reasoning item without text; no other item can be open."""
        item = ReasoningItem(self._writer, len(self._output), self._item_id("rs_"))
        item.sealed = encrypted
        self._output.append(item.close("completed"))

    def _start_call(self, start: ToolCallStart) -> None:
        """Begin a call; its signature goes into the reasoning item before it."""
        self._set_phase(_COMMENTARY)
        if start.signature is not None:
            sealed = seal_thinking(start.signature)
            if isinstance(self._item, ReasoningItem):
                self._item.sealed = sealed
                self._close()
            else:
                self._close()
                self._sealed(sealed)
        self._close()
        call_id = start.id
        if not call_id or call_id in self._call_ids:
            call_id = self._new_id("call_")
        self._call_ids.add(call_id)
        prefix = "ctc_" if start.kind == "custom" else "fc_"
        self._item = CallItem(
            self._writer, len(self._output), self._item_id(prefix), call_id, start
        )

    def _web_search(self, event: WebSearchEvent) -> None:
        search, item = event.search, self._item
        if isinstance(item, SearchItem) and item.search.id == search.id:
            item.search = search
        elif search.id in self._search_ids:
            return  # it is complete already
        elif isinstance(item, MessageItem):
            self._searches = [known for known in self._searches if known.id != search.id]
            self._searches.append(search)
        else:
            self._close()
            self._item = self._search(search)

    def _search(self, search: WebSearch) -> SearchItem:
        self._search_ids.add(search.id)
        name = search.id if search.id.startswith("ws_") else self._item_id("ws_")
        return SearchItem(self._writer, len(self._output), name, search)

    def _opaque(self, event: OpaqueOutput) -> None:
        """Write an item of this protocol's own; those of others have no form here."""
        if event.protocol != NAME:
            return
        item = self._item
        if not isinstance(item, OpaqueItem) or item.kind != event.kind:
            if event.kind.endswith("_call"):
                self._set_phase(_COMMENTARY)
            self._close()
            name = str(event.wire.get("id") or self._item_id(id_prefix(event.kind)))
            item = OpaqueItem(self._writer, len(self._output), name, event.kind, event.wire)
            self._item = item
        if event.complete:
            item.complete(event.wire)
            self._close()

    def _media(self, event: MediaOutput) -> None:
        """Write an image as an item, and other media as text."""
        source = event.source
        if kind_of(event.mime_type) == "image" and isinstance(source, InlineData):
            self._close()
            image_id = self._item_id("ig_")
            item = ImageItem(
                self._writer, len(self._output), image_id, source.data, event.mime_type
            )
            self._output.append(item.close("completed"))
            if event.signature is not None:
                self._sealed(seal_trailing(event.signature))
        elif event.transcript:
            self._message(leave_searches=False).text(event.transcript)
        else:
            text = media_as_text(event.mime_type, source)
            self._message(leave_searches=False).text(text)


_WRITERS: Final[Writers] = {
    TextDelta: ResponsesStreamEncoder._text,
    TextPhase: ResponsesStreamEncoder._text_phase,
    RefusalDelta: ResponsesStreamEncoder._refusal,
    CitationEvent: ResponsesStreamEncoder._citation,
    LogprobsDelta: ResponsesStreamEncoder._logprobs,
    ThinkingDelta: ResponsesStreamEncoder._thinking,
    ThinkingSignature: ResponsesStreamEncoder._thinking_signature,
    RedactedThinking: ResponsesStreamEncoder._redacted,
    TextSignature: ResponsesStreamEncoder._text_signature,
    ToolCallStart: ResponsesStreamEncoder._start_call,
    ToolCallDelta: ResponsesStreamEncoder._call_delta,
    ToolCallEnd: ResponsesStreamEncoder._end,
    MediaOutput: ResponsesStreamEncoder._media,
    OpaqueOutput: ResponsesStreamEncoder._opaque,
    WebSearchEvent: ResponsesStreamEncoder._web_search,
    Finish: ResponsesStreamEncoder._end,
}


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a whole response: the object at the end of a stream of the same events."""
    return ResponsesStreamEncoder(context, quiet=True).whole_reply(response)
