"""The capabilities of models and the traits of protocols, as data for encoders."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from antigravity.ir.images import NO_IMAGE_OPTIONS, ImageOptions
from antigravity.ir.media import MediaKind
from antigravity.ir.parts import Media
from antigravity.ir.request import Effort

#: Width and height of a shape, such as ``16:9``.
Ratio = Annotated[str, Meta(pattern=r"^[1-9]\d?:[1-9]\d?$")]

Family = Literal["gemini", "claude", "openai", "glm", "other"]

#: Whether a model needs the reasoning of earlier tool calls in the history.
ReasoningHistory = Literal["ignored", "recommended", "required"]

_ALL_MEDIA: Final[frozenset[MediaKind]] = frozenset(get_args(MediaKind))


class Capabilities(Struct, frozen=True):
    """The capabilities of one upstream model, from the data files for models, never from code.

    ``thinking`` is how the amount of thinking is set: by a token ``budget``, by a named ``level``
    (Gemini 3 and OpenAI's effort), ``adaptive`` (Claude decides, the effort is a hint), or not at
    all (``none``).  ``efforts`` are the accepted names.  Budgets are in tokens; with a
    ``min_budget`` of 0 thinking can be switched off, and ``smallest_budget`` is the smallest
    budget except 0.  ``thinks_by_default`` says that the model thinks if the request sets nothing.
    ``thinking_off`` is Claude's form to switch thinking off; ``efforts_off`` are the efforts that
    the model accepts with it (empty: all).  ``bound_thinking`` says what signed thinking in the
    history is bound to: to all that was before it (``prefix``), or also to the ``account``.

    ``inputs`` are the kinds of media that it reads in addition to text (empty: not known),
    ``refused_inputs`` those that it is known not to read.  ``instructions`` says that it accepts a
    system prompt, ``raw_schema`` that schemas of tools and responses are sent unchanged
    (``parametersJsonSchema``), ``window_counts_output`` that a request is refused if its input and
    ``max_output_tokens`` together exceed ``context_window``.

    ``requires_signatures`` says that a tool call in the history without its thought signature is
    refused; ``signature_sentinel`` is the documented placeholder for a lost one.
    ``reasoning_history`` is the effect of a tool call in the history without its reasoning: none
    (``ignored``), worse responses (``recommended``), or a refused request (``required``).
    ``retry_empty`` says that the model is known to end a response by mistake before it has any
    content, so that one retry is useful.  ``embedding`` marks a model for embeddings.
    ``whole_output_tokens`` is the highest limit of the output with which a whole response can be
    expected soon (0: the model only streams).

    ``sampling`` says that the model accepts sampling parameters, ``penalties`` that it accepts
    penalties, ``sampling_without_thinking`` that it accepts sampling parameters while it does not
    think, ``sampling_together`` that it accepts temperature and ``top_p`` together.

    ``forced_tools`` says that a request can force a tool call, ``hosted_tools_with_functions`` that
    tools of the provider can be combined with functions.  ``property_names`` is the pattern for
    names of properties at the top of a function's schema (empty: any).  ``tools_protocol`` is the
    client protocol for translated requests if the upstream speaks it, because only there the
    model accepts functions together with thinking.

    ``fields`` are the optional fields of OpenAI's protocols that the model is known to accept
    (``X``) or to refuse (``no_X``) at an unknown upstream, with the names of
    ``antigravity/upstreams/quirks.toml``.  ``protocol`` is the client protocol of the model, if it
    is not the first one of its upstream.  ``own_endpoint`` says that the model works only at an
    endpoint for one purpose, in the protocol of that endpoint.

    ``agent`` says that the name is that of an agent of Gemini's Interactions, which runs in the
    ``foreground`` or only in the ``background``; empty: a model.  ``agent_config`` is the type of
    its settings, if it summarises its thoughts on request, ``environment`` where it runs its tools
    (``remote``; empty: it needs none).

    ``image_ratios`` and ``image_sizes`` are the images that the model can generate (``16:9``,
    ``2K``), ``image_formats`` the formats that can be set (``png``), ``image_references`` the
    maximum number of input images (0: not known).  ``voices`` are the voices of the model, best
    first, ``voice_names`` other names for them; ``speech_manner`` says that the manner of speaking
    is set separately from the text.
    """

    family: Family = "other"
    thinking: Literal["none", "budget", "level", "adaptive"] = "none"
    efforts: tuple[Effort, ...] = ()
    min_budget: int = 0
    max_budget: int = 0
    smallest_budget: int = 0
    default_budget: int = 0
    max_output_tokens: int | None = None
    whole_output_tokens: int = 8192
    context_window: int | None = None
    window_counts_output: bool = True
    inputs: tuple[MediaKind, ...] = ()
    refused_inputs: tuple[MediaKind, ...] = ()
    instructions: bool = True
    outputs: tuple[str, ...] = ("text",)
    tools: bool = True
    raw_schema: bool = False
    structured_output: bool = True
    structured_output_with_tools: bool = True
    web_search: bool = False
    web_search_with_tools: bool = False
    prefill: bool = True
    media_resolution: bool = False
    media_in_tool_results: bool = False
    hosted_tools_with_functions: bool = False
    reasoning_history: ReasoningHistory = "ignored"
    requires_signatures: bool = False
    signature_sentinel: str | None = None
    retry_empty: bool = False
    sampling: bool = True
    sampling_without_thinking: bool = False
    sampling_together: bool = True
    thinks_by_default: bool = False
    stop_sequences: bool = True
    logprobs: bool = True
    penalties: bool = True
    max_choices: int = 8
    thinking_off: Literal["disabled", "between_tools"] = "disabled"
    efforts_off: tuple[Effort, ...] = ()
    bound_thinking: Literal["", "prefix", "account"] = ""
    forced_tools: bool = True
    fields: tuple[str, ...] = ()
    tools_protocol: str = ""
    embedding: bool = False
    own_endpoint: bool = False
    property_names: str = ""
    image_ratios: tuple[Ratio, ...] = ()
    image_sizes: tuple[Literal["512", "1K", "2K", "4K"], ...] = ()
    image_formats: tuple[str, ...] = ()
    image_references: int = 0
    voices: tuple[str, ...] = ()
    voice_names: dict[str, str] = {}
    speech_manner: bool = False
    protocol: str = ""
    agent: Literal["", "foreground", "background"] = ""
    agent_config: str = ""
    environment: str = ""

    def reads(self, kind: str) -> bool:
        """Return whether the model reads media of a kind, as far as that is known."""
        return kind not in self.refused_inputs and (not self.inputs or kind in self.inputs)


#: The field of a body that a quirk is about, where its name is not that of the field.
_FIELDS_OF: Final = {
    "no_tool_choice_required": "tool_choice",
    "no_tool_choice_none": "tool_choice",
    "no_allowed_tools": "tool_choice",
    "no_json_schema": "response_format",
    "no_json_object": "response_format",
    "no_strict": "tools",
    "object_schemas": "response_format",
    "call_ids_9": "tools",
    "single_stop": "stop",
    "low_temperature": "temperature",
    "thinking_switch": "reasoning_effort",
    "enable_thinking": "reasoning_effort",
}


class Target(Struct, frozen=True):
    """The model that a request goes to, by the upstream's name, and its capabilities.

    ``quirks`` are those of the upstream: ``X`` says that it accepts something, ``no_X`` that it
    refuses it.  ``image_options`` are those in the client's name of the model (``…-16x9-4k``).
    """

    model: str
    capabilities: Capabilities = Capabilities()
    quirks: frozenset[str] = frozenset()
    image_options: ImageOptions = NO_IMAGE_OPTIONS

    def accepts(self, name: str, usual: bool = False) -> bool:
        """Return whether the target accepts the feature called ``name``.

        The upstream's quirks decide, then the model's ``fields``, then ``usual``.
        """
        if name in self.quirks:
            return True
        fields = self.capabilities.fields
        if f"no_{name}" in self.quirks or f"no_{name}" in fields:
            return False
        return usual or name in fields

    def refused_features(self) -> frozenset[str]:
        """Return the names of the features that the target refuses."""
        entries = (*self.quirks, *self.capabilities.fields)
        names = (each.removeprefix("no_") for each in entries if each.startswith("no_"))
        return frozenset(name for name in names if name not in self.quirks)

    def restricted_fields(self) -> frozenset[str]:
        """Return the fields of a body that the target refuses, or accepts only in some forms."""
        fields = (_FIELDS_OF[quirk] for quirk in self.quirks if quirk in _FIELDS_OF)
        return self.refused_features().union(fields)

    @property
    def wants_reasoning(self) -> bool:
        """Whether tool calls in the history should have their reasoning."""
        return self.reasoning_history != "ignored"

    @property
    def reasoning_history(self) -> ReasoningHistory:
        """Whether the model at this upstream needs the reasoning of earlier tool calls."""
        of_model = self.capabilities.reasoning_history
        if "no_reasoning_content" in self.quirks:
            return "ignored"
        if of_model == "ignored" and "reasoning_content" in self.quirks:
            return "recommended"
        return of_model


def within(capabilities: Capabilities, quirks: Collection[str]) -> Capabilities:
    """Return what a model can do at an upstream with ``quirks``."""
    limits: dict[str, Any] = {}
    if "no_n" in quirks and capabilities.max_choices > 1:
        limits["max_choices"] = 1
    if "no_sampling" in quirks:
        limits |= {"sampling": False, "sampling_without_thinking": False}
    if "no_tools" in quirks and capabilities.tools:
        limits["tools"] = False
    refused = tuple(kind for kind in get_args(MediaKind) if f"no_{kind}_input" in quirks)
    if refused:
        limits["refused_inputs"] = tuple(dict.fromkeys((*capabilities.refused_inputs, *refused)))
    return replace(capabilities, **limits) if limits else capabilities


class Traits(Struct, frozen=True):
    """What the client side of a protocol can express; lowering adapts requests to it.

    ``name_pattern`` and ``name_max`` restrict function names.  ``url_media`` are the kinds of
    media whose URL the upstream fetches; the gateway fetches others.  ``max_stop`` is the maximum
    number of stop sequences (0: none).  ``id_pattern`` and ``id_max`` restrict the ids of tool
    calls.  ``strict`` names the rules for schemas of strict functions: OpenAI's (every property is
    required) or none.  ``top_schema`` are the keywords that the schema of a function must not have
    at its top.

    ``media`` are the kinds of media that a user message can contain.  ``media_types`` are the
    accepted MIME types of a kind, if not all are accepted; a trailing ``/`` stands for all types
    with that beginning.  ``outputs`` are the kinds of output that a response can contain.
    ``files`` are the kinds of media that can be the id of a file at ``file_provider``.  ``names``
    says that messages can have the name of their author, ``attribution`` that upstreams of this
    protocol get the first block of Claude Code's system prompt, ``cached_search`` that a web
    search can be restricted to an index.

    ``streams`` says that responses can be streamed; without it the decoder gets the whole body as
    one event.  ``whole_responses`` says that the encoder asks for the form which ``stream`` of the
    request says, and that the decoder reads both.  ``json_lines`` says that streams are lines of
    JSON instead of server-sent events: each line is an event without a name.  ``native_only`` says
    that nothing is translated to this protocol: its requests are passed through.
    ``moves_images`` says that the encoder only moves the data of images, or reads its first bytes.
    ``binding_controls`` says that a request can let thinking be dropped that is bound to another
    history.
    """

    family: Family
    name_pattern: re.Pattern[str] = re.compile(r"[a-zA-Z0-9_-]+")
    name_max: int = 64
    custom_tools: bool = False
    namespaces: bool = False
    system_turns: bool = False
    parallel_switch: bool = True
    url_media: frozenset[MediaKind] = frozenset()
    media_in_tool_results: bool = False
    max_stop: int = 4
    max_choices: int = 1
    id_pattern: re.Pattern[str] | None = None
    id_max: int | None = None
    strict: Literal["openai", ""] = ""
    top_schema: frozenset[str] = frozenset()
    media: frozenset[MediaKind] = _ALL_MEDIA
    media_types: dict[MediaKind, tuple[str, ...]] = {}
    outputs: frozenset[str] = frozenset({"text", "image", "audio", "video"})
    file_provider: str = ""
    files: frozenset[MediaKind] = frozenset()
    names: bool = False
    attribution: bool = False
    cached_search: bool = False
    streams: bool = True
    whole_responses: bool = False
    json_lines: bool = False
    native_only: bool = False
    moves_images: bool = False
    binding_controls: bool = False

    def accepts(self, media: Media) -> bool:
        """Return whether a user message can contain the medium; its source does not matter."""
        if media.kind not in self.media:
            return False
        types = self.media_types.get(media.kind)
        if types is None or not media.mime_type:
            return True
        return any(
            media.mime_type.startswith(known) if known.endswith("/") else media.mime_type == known
            for known in types
        )


class Loss(Struct, frozen=True):
    """A part of a request that the target's protocol or model does not support.

    ``field`` is its name in the intermediate representation.  ``detail`` says what was done; it
    quotes nothing that the client sent.  ``content`` says that the model misses content or a tool,
    or that a requested kind of response is not available: such losses are always reported to
    clients.  Other losses are settings and hints.
    """

    field: str
    detail: str
    content: bool = False


#: Fields of :class:`Reported` that are none of :class:`Capabilities`: whether a model thinks, in
#: whatever form, and what is added to ``fields``.
THINKS: Final = "thinks"
REFUSED_FIELDS: Final = "refused_fields"


class Reported(Struct, frozen=True):
    """A field of :class:`Capabilities` that an upstream's list of models sets.

    ``source`` is the name of the list's own field.
    """

    field: str
    value: Any
    source: str


class Model(Struct, frozen=True):
    """A model in a list.  ``created`` is in seconds since the epoch; limits are in tokens.

    ``reported`` is what the list says about the model besides its limits.
    """

    id: str
    display_name: str = ""
    owned_by: str = ""
    created: int = 0
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    capabilities: Capabilities = Capabilities()
    reported: tuple[Reported, ...] = ()
