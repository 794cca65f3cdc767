"""What a model can do, and what a protocol can say: data that encoders decide by."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

from antigravity.ir.images import NO_WISH, ImageWish
from antigravity.ir.media import MediaKind
from antigravity.ir.request import Effort

#: Width and height of a shape, such as ``16:9``.
Ratio = Annotated[str, Meta(pattern=r"^[1-9]\d?:[1-9]\d?$")]

Family = Literal["gemini", "claude", "openai", "glm", "other"]


class Capabilities(Struct, frozen=True):
    """What one upstream model can do.  Filled from the models data file, never from code.

    ``thinking`` is how the model is told to think: by a token ``budget``, by a named
    ``level`` (Gemini 3 and OpenAI effort), ``adaptive`` (Claude decides, effort as a hint),
    or not at all (``none``).  ``efforts`` are the names that it accepts.  Budgets are in
    tokens; ``min_budget`` 0 means that thinking can be switched off.
    ``raw_schema`` says that tool and response schemas go up unchanged
    (``parametersJsonSchema``).  ``window_counts_output`` says that a request is refused whose
    input and ``max_output_tokens`` together exceed ``context_window``.
    ``requires_signatures`` says that a tool call in the
    history without its thought signature is refused; ``signature_sentinel`` is the documented
    stand-in for a lost one, where there is one.  ``embedding`` says that the model makes
    vectors, and no answers.
    ``sampling`` says that it takes such parameters, ``sampling_at_rest`` that it does while it
    is not told to think, ``sampling_together`` that temperature and ``top_p`` may both be given.

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
    default_budget: int = 0
    max_output_tokens: int | None = None
    context_window: int | None = None
    window_counts_output: bool = True
    inputs: tuple[MediaKind, ...] = ()
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
    requires_signatures: bool = False
    signature_sentinel: str | None = None
    sampling: bool = True
    sampling_at_rest: bool = False
    sampling_together: bool = True
    stop_sequences: bool = True
    logprobs: bool = True
    max_choices: int = 8
    embedding: bool = False
    image_ratios: tuple[Ratio, ...] = ()
    image_sizes: tuple[Literal["512", "1K", "2K", "4K"], ...] = ()
    image_formats: tuple[str, ...] = ()
    image_references: int = 0
    voices: tuple[str, ...] = ()
    voice_names: dict[str, str] = {}
    speech_manner: bool = False
    protocol: str = ""


class Target(Struct, frozen=True):
    """The model that a request goes to, as the upstream names it, and what it can do.

    ``quirks`` are switches of the upstream that its protocol encoder knows by name.  ``wish``
    is what the client's name for the model said about images (``…-16x9-4k``).
    """

    model: str
    capabilities: Capabilities = Capabilities()
    quirks: frozenset[str] = frozenset()
    wish: ImageWish = NO_WISH


class Traits(Struct, frozen=True):
    """What a protocol can say on the client side; lowering passes fit a request to it.

    ``name_pattern`` and ``name_max`` bound function names.  ``url_media`` are the kinds of
    media whose URL the upstream fetches itself; others are fetched by the gateway.
    ``max_stop`` is the number of stop sequences that the wire takes (0: none).
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


class Loss(Struct, frozen=True):
    """Something that a request asked for and that its target cannot get.

    ``field`` names it in the words of the representation; ``detail`` says what was done.
    """

    field: str
    detail: str


class Model(Struct, frozen=True):
    """A model in a list.  ``created`` is in seconds since the epoch; limits are in tokens."""

    id: str
    display_name: str = ""
    owned_by: str = ""
    created: int = 0
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    capabilities: Capabilities = Capabilities()
