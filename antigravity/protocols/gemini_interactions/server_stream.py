"""Encodes events as steps, streamed or in a whole interaction."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    CitationEvent,
    Finish,
    MediaOutput,
    OpaqueOutput,
    RedactedThinking,
    RefusalDelta,
    ResponseStart,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    WebSearchEvent,
)
from antigravity.ir.parts import WebSearch
from antigravity.ir.response import Response
from antigravity.ir.signature import Signature
from antigravity.protocols.gemini_interactions.errors import error_object
from antigravity.protocols.gemini_interactions.event_writer import EventWriter
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject
from antigravity.protocols.gemini_interactions.server_output import (
    FunctionCall,
    ModelOutput,
    Step,
    Thought,
    search_steps,
)
from antigravity.protocols.gemini_interactions.server_reply import InteractionObject
from antigravity.protocols.gemini_interactions.signatures import seal_trailing
from antigravity.protocols.gemini_signatures import is_useful_alone, of_redacted, to_wire
from antigravity.protocols.response_encoder import ResponseEncoder, Writers
from antigravity.sse import encode_event

#: The last event of every stream.
DONE: Final = encode_event(b"done", b"[DONE]")


class InteractionStreamEncoder(ResponseEncoder):
    """Encoder of one interaction.  One step is open at a time."""

    def __init__(self, context: ReplyContext, *, quiet: bool = False) -> None:
        self._writer = EventWriter(quiet=quiet)
        super().__init__(self._writer, _WRITERS)
        self._new_id = context.new_id
        self._shows_thoughts = context.request.thinking.include is True
        self._interaction = InteractionObject(context)
        self._steps: list[JsonObject] = []
        self._count = 0  # of steps that have begun
        self._step: Step | None = None
        self._searches: dict[str, WebSearch] = {}  # that wait for the open step to end
        self._search_ids: set[str] = set()  # of those that are written
        self._trailing: Signature | None = None  # of the open output
        self._call_ids: set[str] = set()
        self._characters = 0  # of text in closed steps
        self._refused = False

    def start(self, event: ResponseStart) -> bytes:
        """Return ``interaction.created`` and a first ``interaction.status_update``."""
        identity = {"interaction_id": self._interaction.id, "status": "in_progress"}
        self._writer.emit("interaction.created", interaction=self._interaction.head("in_progress"))
        self._writer.emit("interaction.status_update", **identity)
        return self._writer.flush()

    def complete(self) -> bytes:
        """Return ``interaction.completed`` and the end of the stream."""
        reason = (self.sequencer.finish_of() or Finish("stop")).reason
        if reason == "stop" and self._call_ids:
            reason = "tool_calls"
        if reason == "refusal" and not self._refused:
            reason = "content_filter"  # declined without text
        ended = self._interaction.ended(reason, self.usage)
        self.final_response = self._interaction.encode(ended, self._steps)
        if not self._writer.quiet:
            self._writer.emit("interaction.completed", interaction=ended)
            self._writer.add(DONE)
        return self._writer.flush()

    def fail(self, error: GatewayError) -> bytes:
        """Return the ``error`` event, the last one."""
        self._writer.emit("error", error=error_object(error))
        self._writer.add(DONE)
        return self._writer.flush()

    def _close(self) -> None:
        """Close the open step, then write what waited for its end."""
        step, self._step = self._step, None
        if step is not None:
            closed = step.close()
            if not (isinstance(step, FunctionCall) and step.broken and self._is_cut_off()):
                self._steps.append(closed)
            if isinstance(step, ModelOutput):
                self._characters += step.written
        signature, self._trailing = self._trailing, None
        if signature is not None:
            self._lone_signature(seal_trailing(signature))
        searches, self._searches = self._searches, {}
        for search in searches.values():
            self._search_ids.add(search.id)
            for begun in search_steps(search):
                self._whole_step(begun)

    def _is_cut_off(self) -> bool:
        """Return whether the output limit ended the response."""
        finish = self.sequencer.finish_of()
        return finish is not None and finish.reason == "length"

    def _next_index(self) -> int:
        self._count += 1
        return self._count - 1

    def _whole_step(self, step: JsonObject) -> None:
        """Write a step that is complete from the beginning; no other one can be open."""
        index = self._next_index()
        self._writer.emit("step.start", index=index, step=step)
        self._writer.emit("step.stop", index=index)
        self._steps.append(step)

    def _lone_signature(self, signature: str) -> None:
        """Write a thought without a summary; no other step can be open."""
        thought = Thought(self._writer, self._next_index())
        thought.sign(signature)
        self._steps.append(thought.close())

    def _output(self, *, more: bool = True) -> ModelOutput:
        """Return the open output, or a new one.

        After a signature or a web search, citations still belong to the open output, but ``more``
        content begins a new one.
        """
        step = self._step
        waits = self._searches or self._trailing is not None
        if isinstance(step, ModelOutput) and not (more and waits):
            return step
        self._close()
        self._step = opened = ModelOutput(self._writer, self._next_index(), self._characters)
        return opened

    def _thought(self) -> Thought:
        if not isinstance(self._step, Thought):
            self._close()
            self._step = Thought(self._writer, self._next_index())
        return self._step

    def _text(self, event: TextDelta | RefusalDelta) -> None:
        if event.text:
            self._output().text(event.text)

    def _refusal(self, event: RefusalDelta) -> None:
        self._refused = self._refused or bool(event.text)
        self._text(event)

    def _citation(self, event: CitationEvent) -> None:
        self._output(more=False).annotate(event.citation)

    def _thinking(self, event: ThinkingDelta) -> None:
        if event.text and self._shows_thoughts:
            self._thought().text(event.text)

    def _thinking_signature(self, event: ThinkingSignature) -> None:
        if self._shows_thoughts:
            self._thought().sign(to_wire(event.signature))
            self._close()
        elif is_useful_alone(event.signature):
            self._close()
            self._lone_signature(to_wire(event.signature))

    def _redacted(self, event: RedactedThinking) -> None:
        self._close()
        self._lone_signature(to_wire(of_redacted(event.data, event.family)))

    def _text_signature(self, event: TextSignature) -> None:
        if not isinstance(self._step, ModelOutput):
            self._close()
        self._trailing = event.signature
        if self._step is None:
            self._close()

    def _start_call(self, start: ToolCallStart) -> None:
        """Begin a call; its signature goes into the thought before it."""
        if start.signature is not None:
            signature = to_wire(start.signature)
            if isinstance(self._step, Thought):
                self._step.sign(signature)
            else:
                self._close()
                self._lone_signature(signature)
        self._close()
        call_id = start.id
        if not call_id or call_id in self._call_ids:
            call_id = self._new_id("call_")
        self._call_ids.add(call_id)
        self._step = FunctionCall(self._writer, self._next_index(), call_id, start)

    def _call_delta(self, event: ToolCallDelta) -> None:
        if isinstance(self._step, FunctionCall):
            self._step.arguments(event.arguments)

    def _end(self, event: ToolCallEnd | Finish) -> None:
        self._close()

    def _media(self, event: MediaOutput) -> None:
        self._output().media(event)
        if event.signature is not None:
            self._trailing = event.signature
            self._close()

    def _web_search(self, event: WebSearchEvent) -> None:
        """Keep a search until its results are known, or the next step begins."""
        if event.search.id not in self._search_ids:
            if not isinstance(self._step, ModelOutput):
                self._close_for(event.search)
            self._searches[event.search.id] = event.search

    def _opaque(self, event: OpaqueOutput) -> None:
        """Write a step of this protocol's own; those of others have no form here."""
        if event.protocol == NAME and event.complete:
            self._close()
            self._whole_step(event.wire)

    def _close_for(self, search: WebSearch) -> None:
        """Close the open step, unless the search itself is what waits."""
        if search.id not in self._searches:
            self._close()


_WRITERS: Final[Writers] = {
    TextDelta: InteractionStreamEncoder._text,
    RefusalDelta: InteractionStreamEncoder._refusal,
    CitationEvent: InteractionStreamEncoder._citation,
    ThinkingDelta: InteractionStreamEncoder._thinking,
    ThinkingSignature: InteractionStreamEncoder._thinking_signature,
    RedactedThinking: InteractionStreamEncoder._redacted,
    TextSignature: InteractionStreamEncoder._text_signature,
    ToolCallStart: InteractionStreamEncoder._start_call,
    ToolCallDelta: InteractionStreamEncoder._call_delta,
    ToolCallEnd: InteractionStreamEncoder._end,
    MediaOutput: InteractionStreamEncoder._media,
    OpaqueOutput: InteractionStreamEncoder._opaque,
    WebSearchEvent: InteractionStreamEncoder._web_search,
    Finish: InteractionStreamEncoder._end,
}


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return a whole response: the interaction at the end of a stream of the same events."""
    return InteractionStreamEncoder(context, quiet=True).whole_reply(response)
