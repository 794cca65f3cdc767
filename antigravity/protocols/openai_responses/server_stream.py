"""Events of the representation become a legal stream of Responses events, whatever comes in.

One output item is open at a time.  Events that belong to another item wait until an open
tool call is complete: the next call's deltas may already come in, they are written in turn.
"""

from __future__ import annotations

from msgspec import Raw
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    LogprobsDelta,
    MediaOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import WebSearch
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.encrypted import (
    seal_redacted,
    seal_thinking,
    seal_trailing,
)
from antigravity.protocols.openai_responses.event_writer import EventWriter
from antigravity.protocols.openai_responses.schema import JsonObject
from antigravity.protocols.openai_responses.server_output import (
    CallItem,
    ImageItem,
    Item,
    MessageItem,
    ReasoningItem,
    SearchItem,
    Status,
)
from antigravity.protocols.openai_responses.server_reply import (
    INCOMPLETE,
    ResponseObject,
    failure,
)
from antigravity.protocols.openai_shapes import media_as_text
from antigravity.sse import KEEPALIVE_COMMENT


@implementer(IStreamEncoder)
class ResponsesEncoder:
    """Encodes one streamed reply.

    ``final_response`` is the JSON of the response object that ended the stream as complete
    or incomplete; ``None`` before the end and after a failure.  A ``quiet`` encoder writes
    no events: it is there for that object alone.
    """

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext, *, quiet: bool = False) -> None:
        self.final_response: bytes | None = None
        self._new_id = context.new_id
        self._response = ResponseObject(context)
        self._writer = EventWriter(quiet=quiet)
        self._started = False
        self._ended = False
        self._finish: Finish | None = None
        self._usage = Usage()
        self._output: list[JsonObject] = []
        self._item: Item | None = None
        self._waiting: list[Event] = []
        self._searches: list[WebSearch] = []  # that came while a message was open
        self._trailing: Signature | None = None  # of the open message
        self._call_ids: set[str] = set()
        self._search_ids: set[str] = set()
        self._characters = 0  # of text in closed messages
        self._refused = False

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream; there is only one choice."""
        if self._ended:
            return b""
        match event:
            case UsageUpdate():
                self._usage = event.usage
            case StreamFailure():
                self._fail(event.error)
            case ResponseStart():
                self._start()
            case _ if event.choice:
                return b""
            case Finish():
                self._start()
                self._finish = event
                self._settle("incomplete" if event.reason in INCOMPLETE else "completed")
            case _:
                self._start()
                self._take(event)
        return self._writer.take()

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b"" if self._ended else KEEPALIVE_COMMENT

    def end(self) -> bytes:
        """Return the terminal event; see :class:`IStreamEncoder`."""
        if self._ended:
            return b""
        finish = self._finish
        if finish is None:
            self._fail(UpstreamError("The upstream ended its answer without a reason."))
            return self._writer.take()
        self._settle("completed")  # what came after the finish
        self._ended = True
        reason = finish.reason
        if reason == "refusal" and not self._refused:
            reason = "content_filter"  # declined without a word
        status = "incomplete" if reason in INCOMPLETE else "completed"
        self.final_response = self._response.encode(
            status, self._output, self._usage, incomplete=INCOMPLETE.get(reason)
        )
        self._emit_response(f"response.{status}", self.final_response)
        return self._writer.take()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            response = self._response.encode("in_progress")
            self._emit_response("response.created", response)
            self._emit_response("response.in_progress", response)

    def _emit_response(self, kind: str, response: bytes) -> None:
        self._writer.emit(kind, response=Raw(response))

    def _fail(self, error: GatewayError) -> None:
        self._ended = True
        fields = failure(error)
        if not self._started:
            self._writer.emit("error", **fields, param=error.param)
            return
        self._waiting.clear()
        self._searches.clear()
        if self._item is not None:
            self._output.append(self._item.abandon())
        response = self._response.encode("failed", self._output, self._usage, error=fields)
        self._emit_response("response.failed", response)

    def _settle(self, status: Status) -> None:
        """Close what is open, and all that waits, in order."""
        self._close(status)
        while self._waiting:
            self._replay()
            self._close(status)

    def _replay(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._take(event)

    def _close(self, status: Status = "completed") -> None:
        """Close the open item, then write what waited for it to close."""
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

    def _take(self, event: Event) -> None:
        """Write one event of the answer, or keep it until it is its turn."""
        item = self._item
        if isinstance(item, CallItem):
            if not (isinstance(event, ToolCallDelta | ToolCallEnd) and event.call == item.number):
                self._waiting.append(event)
            elif isinstance(event, ToolCallDelta):
                item.arguments(event.arguments)
            else:
                self._close()
                self._replay()
            return
        match event:
            case TextDelta():
                if event.text:
                    self._message(leave_searches=False).text(event.text)
            case RefusalDelta():
                if event.text:
                    self._refused = True
                    self._message(leave_searches=False).refusal(event.text)
            case CitationEvent():
                self._message().annotate(event.citation)
            case LogprobsDelta():
                if isinstance(item, MessageItem):
                    item.logprobs(event.content)
            case ThinkingDelta():
                if event.text:
                    self._reasoning().text(event.text)
            case ThinkingSignature():
                self._reasoning().sealed = seal_thinking(event.signature)
                self._close()
            case RedactedThinking():
                self._close()
                self._sealed(seal_redacted(event.data, event.family))
            case TextSignature() | MediaOutput() | WebSearchEvent():
                self._take_whole(event)
            case ToolCallStart():
                self._start_call(event)

    def _take_whole(self, event: TextSignature | MediaOutput | WebSearchEvent) -> None:
        match event:
            case TextSignature():
                if not isinstance(self._item, MessageItem):
                    self._close()
                self._trailing = event.signature
                if self._item is None:
                    self._close()
            case MediaOutput():
                self._media(event)
            case WebSearchEvent():
                self._take_search(event.search)

    def _message(self, *, leave_searches: bool = True) -> MessageItem:
        """Return the open message.

        Sources and probabilities still belong to it after a search was reported, text doesn't.
        """
        item = self._item
        if isinstance(item, MessageItem) and (leave_searches or not self._searches):
            return item
        self._close()
        self._item = opened = MessageItem(
            self._writer, len(self._output), self._new_id("msg_"), self._characters
        )
        return opened

    def _reasoning(self) -> ReasoningItem:
        if not isinstance(self._item, ReasoningItem):
            self._close()
            self._item = ReasoningItem(self._writer, len(self._output), self._new_id("rs_"))
        return self._item

    def _sealed(self, encrypted: str) -> None:
        """Write a reasoning item that has nothing to read; no other item may be open."""
        item = ReasoningItem(self._writer, len(self._output), self._new_id("rs_"))
        item.sealed = encrypted
        self._output.append(item.close("completed"))

    def _start_call(self, start: ToolCallStart) -> None:
        """Begin a call; its signature goes into the reasoning item before it."""
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
        self._item = CallItem(self._writer, len(self._output), self._new_id(prefix), call_id, start)

    def _take_search(self, search: WebSearch) -> None:
        item = self._item
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
        item_id = search.id if search.id.startswith("ws_") else self._new_id("ws_")
        return SearchItem(self._writer, len(self._output), item_id, search)

    def _media(self, event: MediaOutput) -> None:
        """Write an image as an item of its own; of anything else what can be read of it."""
        source = event.source
        if kind_of(event.mime_type) == "image" and isinstance(source, InlineData):
            self._close()
            item_id = self._new_id("ig_")
            item = ImageItem(self._writer, len(self._output), item_id, source.data, event.mime_type)
            self._output.append(item.close("completed"))
            if event.signature is not None:
                self._sealed(seal_trailing(event.signature))
        elif event.transcript:
            self._message(leave_searches=False).text(event.transcript)
        else:
            text = media_as_text(event.mime_type, source)
            self._message(leave_searches=False).text(text)
