"""The order of all passes; each applies only if the target needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from antigravity.ir.capabilities import Loss, Target, Traits
from antigravity.ir.events import Event, StreamFailure
from antigravity.ir.request import Request, ResponseFormat
from antigravity.lowering.attribution import without_attribution
from antigravity.lowering.audio_output import fit_audio_output
from antigravity.lowering.call_ids import fit_call_ids
from antigravity.lowering.images import fit_image
from antigravity.lowering.media import check_files, check_sole_media, without_unsupported
from antigravity.lowering.outputs import check_outputs
from antigravity.lowering.pairing import pair_tools
from antigravity.lowering.parallel_calls import SingleToolCall
from antigravity.lowering.property_names import fit_property_names
from antigravity.lowering.provider_content import check_provider_content
from antigravity.lowering.speech import fit_speech
from antigravity.lowering.stop_sequences import StopSequences
from antigravity.lowering.strict_tools import fit_strict_tools
from antigravity.lowering.structured_output import (
    emulate_schema,
    must_call_tool,
    needs_emulation,
    needs_object,
    wrap_schema,
)
from antigravity.lowering.summaries import with_readable_summaries
from antigravity.lowering.system_turns import fold_system_turns, move_instructions
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

    __slots__ = ("_passes", "_stops")

    def __init__(self, passes: Sequence[EventPass]) -> None:
        self._passes = tuple(passes)
        self._stops = next((p for p in passes if isinstance(p, StopSequences)), None)

    @property
    def empty(self) -> bool:
        """Whether no pass applies."""
        return not self._passes

    @property
    def done(self) -> bool:
        """Whether the response is complete although the upstream continues."""
        return self._stops is not None and self._stops.done

    def feed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return what comes out for ``events``."""
        for each in self._passes:
            if any(isinstance(event, StreamFailure) for event in events):
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
    """A request in the target's words, what was lost, and the way back for the answer."""

    request: Request
    losses: tuple[Loss, ...]
    pipeline: Any  # EventPipeline: it is mutable and made for one answer


def lower(request: Request, traits: Traits, target: Target, protocol: str = "") -> Lowered:
    """Adapt ``request`` to the ``traits`` and capabilities of a target.

    ``protocol`` names the target's: a request in its own protocol is not held to what others
    can say.

    :raises InvalidRequestError: for what the target cannot do and nobody should guess.
    """
    losses: list[Loss] = []
    passes: list[EventPass] = []
    capabilities = target.capabilities
    if not traits.names and any(message.name for message in request.messages):
        losses.append(Loss("messages.name", "left out: the protocol has no names of speakers"))
    if request.protocol != protocol:
        check_files(request, traits, capabilities)
        check_provider_content(request)
        request = with_readable_summaries(request)
    check_outputs(request, traits, capabilities, target.model)
    if request.image is None:
        check_sole_media(request, traits, capabilities, target.model)
    if not traits.attribution:
        request = without_attribution(request)
    request = repair_schemas(request)
    request, more = without_live_search(request, traits)
    losses += more
    if not capabilities.instructions:
        request = move_instructions(request)
    if not capabilities.instructions or not target.takes("system_turns", traits.system_turns):
        request = fold_system_turns(request)
    request, more = pair_tools(request)
    losses += more
    request, more = fit_image(request, target)
    losses += more
    request, more = fit_speech(request, target)
    losses += more
    request, more, sound = fit_audio_output(request, traits, target)
    losses += more
    if sound is not None:
        passes.append(sound)
    request, more = without_unsupported(request, traits, capabilities, target.model)
    losses += more
    if request.tools and not capabilities.tools:
        losses.append(
            Loss("tools", f"{target.model} takes no tools; they were left out", content=True)
        )
        request = replace(request, tools=(), tool_choice=None)
    if needs_emulation(request, capabilities):
        if must_call_tool(request):
            losses.append(Loss("response_format", "dropped: the answer has to be a tool call"))
            request = replace(request, response_format=ResponseFormat())
        else:
            request, structured = emulate_schema(request)
            passes.append(structured)
    if traits.strict == "openai" and needs_object(request, target):
        request, wrapped = wrap_schema(request)
        passes.append(wrapped)
    request, table = lower_tools(request, traits)
    if not table.trivial:
        passes.insert(0, ToolRestorer(table, traits))
    request, more, optional = fit_strict_tools(request, traits, target)
    losses += more
    if optional is not None:
        passes.insert(0, optional)
    request, more = fit_tool_schemas(request, traits)
    losses += more
    request = fit_typed_schemas(request, target)
    request, renamed = fit_property_names(request, target)
    if renamed is not None:
        passes.insert(0, renamed)
    request, more = fit_call_ids(request, traits, target)
    losses += more
    switch = target.takes("parallel_tool_calls", usual=traits.parallel_switch)
    if request.parallel_tool_calls is False and not switch:
        passes.append(SingleToolCall())
    most = traits.max_stop if capabilities.stop_sequences and target.takes("stop", True) else 0
    if target.takes("single_stop"):
        most = min(most, 1)
    if len(request.stop) > most:
        passes.append(StopSequences(request.stop, request.sampling.n))
        request = replace(request, stop=request.stop[:most])
    limit = min(traits.max_choices, capabilities.max_choices)
    if request.sampling.n > limit:
        losses.append(Loss("n", f"{target.model} gives at most {limit} choice(s) here"))
        request = replace(request, sampling=replace(request.sampling, n=limit))
    return Lowered(request, tuple(losses), EventPipeline(passes))
