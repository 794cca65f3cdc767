"""What a model can do, and what a protocol can say: data that encoders decide by."""

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

#: What becomes of a tool call that comes back without the reasoning that led to it.
ReasoningHistory = Literal["ignored", "wanted", "demanded"]

_ALL_MEDIA: Final[frozenset[MediaKind]] = frozenset(get_args(MediaKind))


class Capabilities(Struct, frozen=True):
    """What one upstream model can do.  Filled from the models data file, never from code.

    ``thinking`` is how the model is told to think: by a token ``budget``, by a named
    ``level`` (Gemini 3 and OpenAI effort), ``adaptive`` (Claude decides, effort as a hint),
    or not at all (``none``).  ``efforts`` are the names that it accepts.  Budgets are in
    tokens; ``min_budget`` 0 means that thinking can be switched off.
    ``inputs`` are the kinds of media that it reads beside text (empty: not known), and
    ``refused_inputs`` those that it is known not to read.  ``instructions`` says that it takes a
    system prompt.
    ``raw_schema`` says that tool and response schemas go up unchanged
    (``parametersJsonSchema``).  ``window_counts_output`` says that a request is refused whose
    input and ``max_output_tokens`` together exceed ``context_window``.
    ``requires_signatures`` says that a tool call in the
    history without its thought signature is refused; ``signature_sentinel`` is the documented
    stand-in for a lost one, where there is one.  ``retry_empty`` says that the model is known to
    stop by mistake before it has said anything, so that one more attempt is worth while.
    ``embedding`` says that the model makes
    vectors, and no answers.
    ``sampling`` says that it takes such parameters, ``penalties`` that it takes penalties too,
    ``sampling_at_rest`` that it takes them while it is not told to think, ``sampling_together``
    that temperature and ``top_p`` may both be given.  ``thinks_untold`` says that it thinks, too,
    where nothing is said about that.  ``smallest_budget`` is the smallest budget but 0.
    ``thinking_off`` is the Claude form of "do not think"; ``efforts_off`` are the efforts that the
    model takes with it (empty: all).  ``forced_tools`` says that the model can be made to call a
    tool.  ``fields`` are the optional request fields of OpenAI's protocols that the model is known
    to take (``X``) or refuse (``no_X``) at an upstream that nothing is known about, in the names of
    ``antigravity/upstreams/quirks.toml``.  ``tools_protocol`` names the client protocol that
    translated requests go up in where the upstream speaks it, because the model takes functions
    together with thinking in that one only.

    ``hosted_tools_with_functions`` says that tools which the provider runs can stand beside
    functions.  ``reasoning_history`` says what becomes of a tool call whose reasoning is missing
    when it comes back: nothing (``ignored``), the model does worse (``wanted``), or the request
    is refused (``demanded``).

    ``property_names`` is the pattern of the names that properties at the top of a function's schema
    may have (empty: any).  ``own_endpoint`` says that the model is asked at an endpoint for one
    thing, in that endpoint's protocol alone.

    ``image_ratios`` and ``image_sizes`` are what the model can draw (``16:9``, ``2K``),
    ``image_formats`` what it can be told to write (``png``), ``image_references`` how many
    images it takes to draw from (0: not known).  ``voices`` are those that it speaks with, best
    first; ``voice_names`` are other names of them; ``speech_manner`` says that it is told apart
    from the text how to speak.  ``protocol`` names the client protocol that
    the model is asked in, where that is not the first one of its upstream.
    """

    family: Family = "other"
    thinking: Literal["none", "budget", "level", "adaptive"] = "none"
    efforts: tuple[Effort, ...] = ()
    min_budget: int = 0
    max_budget: int = 0
    smallest_budget: int = 0
    default_budget: int = 0
    max_output_tokens: int | None = None
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
    sampling_at_rest: bool = False
    sampling_together: bool = True
    thinks_untold: bool = False
    stop_sequences: bool = True
    logprobs: bool = True
    penalties: bool = True
    max_choices: int = 8
    thinking_off: Literal["disabled", "between_tools"] = "disabled"
    efforts_off: tuple[Effort, ...] = ()
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
    """The model that a request goes to, as the upstream names it, and what it can do.

    ``quirks`` are switches of the upstream that its protocol encoder knows by name: ``X`` says
    that it takes something, ``no_X`` that it refuses it.  ``image_options``
    is what the client's name for the model said about images (``…-16x9-4k``).
    """

    model: str
    capabilities: Capabilities = Capabilities()
    quirks: frozenset[str] = frozenset()
    image_options: ImageOptions = NO_IMAGE_OPTIONS

    def takes(self, name: str, usual: bool = False) -> bool:
        """Return whether the target takes what ``name`` stands for.

        The upstream's quirks decide, then the model's ``fields``; ``usual`` is the answer where
        neither says anything.
        """
        if name in self.quirks:
            return True
        fields = self.capabilities.fields
        if f"no_{name}" in self.quirks or f"no_{name}" in fields:
            return False
        return usual or name in fields

    def refuses(self) -> frozenset[str]:
        """Return the names of what the target takes in no case."""
        said = (*self.quirks, *self.capabilities.fields)
        names = (each.removeprefix("no_") for each in said if each.startswith("no_"))
        return frozenset(name for name in names if name not in self.quirks)

    def takes_otherwise(self) -> frozenset[str]:
        """Return the fields of a body that the target refuses, or takes in some forms only."""
        fields = (_FIELDS_OF[quirk] for quirk in self.quirks if quirk in _FIELDS_OF)
        return self.refuses().union(fields)

    @property
    def wants_reasoning(self) -> bool:
        """Whether tool calls of the history should come with the reasoning that led to them."""
        return self.reasoning_history != "ignored"

    @property
    def reasoning_history(self) -> ReasoningHistory:
        """What becomes of tool calls without their reasoning, by the model and the upstream."""
        of_model = self.capabilities.reasoning_history
        if "no_reasoning_content" in self.quirks:
            return "ignored"
        if of_model == "ignored" and "reasoning_content" in self.quirks:
            return "wanted"
        return of_model


def within(capabilities: Capabilities, quirks: Collection[str]) -> Capabilities:
    """Return what a model can do at an upstream with ``quirks``."""
    limits: dict[str, Any] = {}
    if "no_n" in quirks and capabilities.max_choices > 1:
        limits["max_choices"] = 1
    if "no_tools" in quirks and capabilities.tools:
        limits["tools"] = False
    refused = tuple(kind for kind in get_args(MediaKind) if f"no_{kind}_input" in quirks)
    if refused:
        limits["refused_inputs"] = tuple(dict.fromkeys((*capabilities.refused_inputs, *refused)))
    return replace(capabilities, **limits) if limits else capabilities


class Traits(Struct, frozen=True):
    """What a protocol can say on the client side; lowering passes fit a request to it.

    ``name_pattern`` and ``name_max`` bound function names.  ``url_media`` are the kinds of
    media whose URL the upstream fetches itself; others are fetched by the gateway.
    ``max_stop`` is the number of stop sequences that the wire takes (0: none).  ``id_pattern``
    and ``id_max`` bound the ids of tool calls.  ``strict`` is whose rules the schemas of strict
    functions must keep: OpenAI's (every property required) or none.  ``top_schema`` are the
    keywords that the schema of a function may not have at its top.

    ``media`` are the kinds of media that a user's turn can hold, ``media_types`` the MIME types
    of those that are not taken in any type (a trailing ``/`` stands for all that begin so), and
    ``outputs`` what a response can hold.  ``files`` are the kinds of media that can be named by
    the id of a file which lies at ``file_provider``.  ``names`` says that messages may
    name their speaker, ``attribution`` that the first block
    of Claude Code's system prompt is for upstreams of this protocol, ``cached_search`` that a
    web search can be kept from going to the live web.

    ``streams`` says that responses can be streamed; of a protocol without it the decoder is given
    the whole body as one event.  ``json_lines`` says that streams are lines of JSON instead of
    server-sent events: each line is an event without a name.  ``native_only`` says that nothing is
    translated to this protocol: its requests go up as they came.
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
    json_lines: bool = False
    native_only: bool = False

    def takes(self, media: Media) -> bool:
        """Return whether a medium can stand in a user's turn; its source does not matter."""
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
    """Something that a request asked for and that its target cannot get.

    ``field`` names it in the words of the representation; ``detail`` says what was done, and
    quotes nothing that the client sent.  ``content`` says that the model misses content, a tool,
    or a kind of response that was asked for: clients are always told of that.  Everything else
    is a setting or a hint.
    """

    field: str
    detail: str
    content: bool = False


class Model(Struct, frozen=True):
    """A model in a list.  ``created`` is in seconds since the epoch; limits are in tokens."""

    id: str
    display_name: str = ""
    owned_by: str = ""
    created: int = 0
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    capabilities: Capabilities = Capabilities()
