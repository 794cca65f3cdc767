"""The order of all passes; each applies only if the target needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Target, Traits
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.parts import Media, Opaque, ToolCall, ToolResult
from antigravity.ir.request import Request, ResponseFormat
from antigravity.lowering.audio_output import fit_audio_output
from antigravity.lowering.call_ids import fit_call_ids
from antigravity.lowering.enum_output import instruct_enum
from antigravity.lowering.images import fit_image
from antigravity.lowering.instructions import (
    fold_system_turns,
    move_instructions,
    without_attribution,
)
from antigravity.lowering.media import check_files, check_sole_media, without_unsupported
from antigravity.lowering.outputs import check_outputs
from antigravity.lowering.pairing import pair_tools
from antigravity.lowering.parallel_calls import SingleToolCall
from antigravity.lowering.property_names import fit_property_names
from antigravity.lowering.provider_content import check_provider_content, with_readable_summaries
from antigravity.lowering.speech import fit_speech
from antigravity.lowering.stop_sequences import StopSequences
from antigravity.lowering.strict_tools import fit_strict_tools
from antigravity.lowering.structured_output import (
    emulate_schema,
    instruct_format,
    must_call_tool,
    needs_emulation,
    needs_instruction,
    needs_object,
    wrap_schema,
)
from antigravity.lowering.tool_names import ToolRestorer, lower_tools
from antigravity.lowering.tool_schemas import fit_tool_schemas, repair_schemas
from antigravity.lowering.typed_schemas import fit_typed_schemas
from antigravity.lowering.web_search import without_live_search


class EventPass(Protocol):
    """A pass that changes the events of a response.

    ``handles`` are the event types that :meth:`feed` processes.
    """

    handles: tuple[type[Any], ...]

    def feed(self, event: Event) -> Sequence[Event]:
        """Return the events that replace ``event``."""

    def close(self) -> Sequence[Event]:
        """Return the events that were held back."""


class EventPipeline:
    """Applies the passes to events, first to last."""

    __slots__ = ("_handled", "_passes", "_stops")

    def __init__(self, passes: Sequence[EventPass]) -> None:
        self._passes = tuple(passes)
        handled = frozenset(kind for each in passes for kind in each.handles)
        #: The types of events that any pass processes, ``None`` for all types.
        self._handled = None if object in handled else handled
        self._stops = next((p for p in passes if isinstance(p, StopSequences)), None)

    def followed_by(self, last: EventPass) -> EventPipeline:
        """Return a pipeline with one more pass, after the others."""
        return EventPipeline((*self._passes, last))

    @property
    def empty(self) -> bool:
        """Whether no pass applies."""
        return not self._passes

    @property
    def done(self) -> bool:
        """Whether the response is complete although the upstream continues."""
        return self._stops is not None and self._stops.done

    def feed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events that replace ``events``."""
        if self._handled is not None and self._handled.isdisjoint(map(type, events)):
            return events
        for each in self._passes:
            if StreamFailure in map(type, events):
                return events
            changed: list[Event] = []
            for event in events:
                if isinstance(event, each.handles):
                    changed += each.feed(event)
                else:
                    changed.append(event)
            events = changed
        return events

    def close(self) -> Sequence[Event]:
        """Return the events that the passes held back, in order."""
        events: Sequence[Event] = ()
        for each in self._passes:
            changed: list[Event] = []
            for event in events:
                changed += each.feed(event) if isinstance(event, each.handles) else (event,)
            events = [*changed, *each.close()]
        return events


class Lowered(Struct, frozen=True):
    """A request fit for the target, its losses, and the passes for the response."""

    request: Request
    losses: tuple[Loss, ...]
    pipeline: Any  # EventPipeline: it is mutable and made for one response


def lower(request: Request, traits: Traits, target: Target, protocol: str = "") -> Lowered:
    """Adapt ``request`` to the ``traits`` and capabilities of a target.

    ``protocol`` is the target's; a request in this protocol may hold fields and references that
    only this protocol has.

    :raises InvalidRequestError: if the target does not support the request, and there is no
        replacement for it.
    """
    lowering = _Lowering(request, traits, target)
    lowering.fit_content(is_foreign=request.protocol != protocol)
    lowering.fit_output()
    if request.response_format.kind != "text":
        lowering.fit_response_format()
    lowering.fit_tools()
    lowering.fit_limits()
    return Lowered(lowering.request, tuple(lowering.losses), EventPipeline(lowering.passes))


class _Lowering:
    """A request between passes, its losses, and the passes for its response.

    A pass is only called for a request that has what it changes.
    """

    def __init__(self, request: Request, traits: Traits, target: Target) -> None:
        self.request = request
        self.losses: list[Loss] = []
        self.passes: list[EventPass] = []
        self._traits = traits
        self._target = target
        self._capabilities = target.capabilities
        kinds = {type(part) for message in request.messages for part in message.parts}
        self._has_calls = ToolCall in kinds or ToolResult in kinds
        self._has_media = Media in kinds or ToolResult in kinds
        self._has_opaque = Opaque in kinds
        self._has_system_turns = any(message.role == "system" for message in request.messages)

    def fit_content(self, *, is_foreign: bool) -> None:
        """Fit messages and instructions; ``is_foreign`` says that they are another protocol's."""
        request, traits, target = self.request, self._traits, self._target
        capabilities = self._capabilities
        if not traits.names and any(message.name for message in request.messages):
            self.losses.append(
                Loss("messages.name", "dropped: the protocol of the upstream has no such field")
            )
        if is_foreign:
            if self._has_media:
                check_files(request, traits, capabilities)
            if self._has_opaque or request.tools or request.extensions:
                check_provider_content(request)
            if self._has_opaque:
                request = with_readable_summaries(request)
            if request.extensions:
                request = self._note(instruct_enum(request))
        if request.modalities:
            check_outputs(request, traits, capabilities, target.model)
        if self._has_media and request.image is None:
            check_sole_media(request, traits, capabilities, target.model)
        if request.system and not traits.attribution:
            request = without_attribution(request)
        if request.tools or request.response_format.schema is not None:
            request = repair_schemas(request)
        if request.tools:
            request = self._note(without_live_search(request, traits))
        if not capabilities.instructions:
            request = move_instructions(request)
        if self._has_system_turns and not (
            capabilities.instructions and target.accepts("system_turns", traits.system_turns)
        ):
            request = fold_system_turns(request)
        if self._has_calls:
            request = self._note(pair_tools(request))
        self.request = request

    def fit_output(self) -> None:
        """Fit the requested images and audio, and replace media that the model cannot read."""
        request, target = self.request, self._target
        if "image" in self._capabilities.outputs:
            request = self._note(fit_image(request, target))
        if request.speech is not None:
            request = self._note(fit_speech(request, target))
        elif request.audio_config is not None or "audio" in request.modalities:
            request, losses, audio = fit_audio_output(request, self._traits, target)
            self.losses += losses
            if audio is not None:
                self.passes.append(audio)
        if self._has_media:
            request = self._note(
                without_unsupported(request, self._traits, self._capabilities, target.model)
            )
        if request.tools and not self._capabilities.tools:
            self.losses.append(
                Loss("tools", f"dropped: {target.model} does not support tools", content=True)
            )
            request = replace(request, tools=(), tool_choice=None)
        self.request = request

    def fit_response_format(self) -> None:
        """Fit the format of the response, and its schema."""
        request = self.request
        if needs_instruction(request, self._capabilities):
            self.losses.append(Loss("response_format", "the response format became an instruction"))
            request = instruct_format(request)
            if not self._capabilities.instructions:
                request = move_instructions(request)
        elif needs_emulation(request, self._capabilities):
            if must_call_tool(request):
                self.losses.append(
                    Loss("response_format", "dropped: the tool choice requires a tool call")
                )
                request = replace(request, response_format=ResponseFormat())
            else:
                request, structured = emulate_schema(request)
                self.passes.append(structured)
        if self._traits.strict == "openai" and needs_object(request, self._target):
            request, wrapped = wrap_schema(request)
            self.passes.append(wrapped)
        self.request = request

    def fit_tools(self) -> None:
        """Fit tools, their calls and results; the response's passes for them come first."""
        request, traits, target = self.request, self._traits, self._target
        if request.tools or self._has_calls:
            request, table = lower_tools(request, traits)
            if not table.trivial:
                self.passes.insert(0, ToolRestorer(table, traits))
        if request.tools:
            request, losses, optional = fit_strict_tools(request, traits, target)
            self.losses += losses
            if optional is not None:
                self.passes.insert(0, optional)
            request = self._note(fit_tool_schemas(request, traits))
            request = fit_typed_schemas(request, target)
            request, renamed = fit_property_names(request, target)
            if renamed is not None:
                self.passes.insert(0, renamed)
        if self._has_calls:
            request = self._note(fit_call_ids(request, traits, target))
        self.request = request

    def fit_limits(self) -> None:
        """Fit parallel calls, stop sequences and choices to the target's limits."""
        request, traits, target = self.request, self._traits, self._target
        capabilities = self._capabilities
        if request.parallel_tool_calls is False and not target.accepts(
            "parallel_tool_calls", usual=traits.parallel_switch
        ):
            self.passes.append(SingleToolCall())
        if request.stop:
            most = traits.max_stop
            if not capabilities.stop_sequences or not target.accepts("stop", True):
                most = 0
            elif target.accepts("single_stop"):
                most = min(most, 1)
            if len(request.stop) > most:
                self.passes.append(StopSequences(request.stop, request.sampling.n))
                request = replace(request, stop=request.stop[:most])
        limit = min(traits.max_choices, capabilities.max_choices)
        if request.sampling.n > limit:
            self.losses.append(Loss("n", f"reduced to {limit}, the limit of {target.model}"))
            request = replace(request, sampling=replace(request.sampling, n=limit))
        self.request = request

    def _note(self, result: tuple[Request, tuple[Loss, ...]]) -> Request:
        """Return the request that a pass returned, and record its losses."""
        request, losses = result
        self.losses += losses
        return request
