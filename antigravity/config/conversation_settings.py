"""The settings of what the gateway keeps of conversations, and does to their requests."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from antigravity.config.value_types import Bytes, Fraction, Seconds


class ResponsesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[responses]``: stored responses of the Responses API.

    Clients retrieve or continue them by id.

    See `protocols <protocols.rst>`_.
    """

    max_entries: Annotated[int, Meta(ge=0)] = 1000
    """How many responses are kept."""
    max_bytes: Bytes = 64 * 1024 * 1024
    """How much memory they may use."""
    ttl: Seconds = 24 * 3600.0
    """How long a response is kept.

    Example: ``"7d"``
    """


class WebSocketSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[websocket]``: the Responses API over WebSocket, which Codex prefers.

    See `protocols <protocols.rst#responses-over-websocket>`_.
    """

    enabled: bool = True
    """``false`` refuses WebSocket with 426; clients then use HTTP."""
    max_age: Seconds = 3600.0
    """How long a connection lasts; a response that is running is completed first.  0 is no limit.

    Applied: at a reload, to new connections.
    """
    ping_interval: Seconds = 30.0
    """How often a client is asked whether it is still there, and how long a running response may be
    silent before a ``keepalive`` event is sent; 0 sends no pings.

    Applied: at a reload, to new connections.
    """
    max_history_bytes: Bytes = 64 * 1024 * 1024
    """How much memory the last responses of all connections may use.  Beyond that, the client that
    uses most loses its oldest ones.
    """


class SignaturesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[signatures]``: thinking and signatures of tool calls, kept for clients that drop them.

    See `security <security.rst>`_.
    """

    persist: bool = True
    """Keep them on disk too, in ``state/signatures.db``, so that conversations survive a restart.
    They contain parts of conversations.  ``false`` deletes the file.
    """
    ttl: Seconds = 2 * 3600.0
    """How long an entry is kept after its last use, with a precision of one tenth.

    Example: ``"1d"``
    """
    max_entries: Annotated[int, Meta(ge=0)] = 20_000
    """How many entries are kept."""
    max_bytes: Bytes = 64 * 1024 * 1024
    """How much memory they may use."""


class InterceptionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[interception]``: requests that clients send on their own, without their users.

    See `interception <interception.rst>`_.
    """

    warmup: bool = True
    """Answer warm-up requests with ``"OK"`` without calling a model."""
    background_tasks: bool = True
    """Route background tasks (titles, summaries, suggestions, probes) to the model
    ``internal-background-task``, if ``custom_mapping`` or ``builtin_aliases`` defines it.
    """
    clients: list[str] = field(default_factory=lambda: ["*"])
    """The clients whose requests are intercepted, by User-Agent; ``*`` is a wildcard.  Plugins
    recognise these requests.

    Example: ``["claude-cli/*"]``
    """


class ExperimentalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[experimental]``: conversations that do not fit the context window of their model.

    See `long conversations <context.rst>`_.
    """

    context_compression: bool = True
    """Compress conversations that would not fit the context window of their model.  Without
    thresholds, only requests that would not fit are compressed.
    """
    context_compression_threshold_l1: Fraction = 0.0
    """Omit old tool results when a conversation fills this fraction of the context window; with 0,
    only if the request would not fit.  Every early cut invalidates the prompt cache.

    Example: ``0.6``
    """
    context_compression_threshold_l2: Fraction = 0.0
    """The same for old thinking.

    Example: ``0.7``
    """
    context_compression_threshold_l3: Fraction = 0.0
    """The same for replacing the older part of the conversation by a summary.

    Example: ``0.85``
    """
    context_compression_keep_rounds: Annotated[int, Meta(ge=0)] = 5
    """How many of the last tool rounds keep their results."""
    context_summary_model: str = "internal-background-task"
    """The model that writes summaries.  Without one, the older part is omitted.

    Example: ``"gemini-2.5-flash"``
    """
    context_summary_timeout: Seconds = 60.0
    """The time limit of a summary; after that the older part is omitted."""
    context_clients_that_compact: list[str] = field(
        default_factory=lambda: ["claude-cli/*", "claude-code/*", "opencode/*"]
    )
    """Clients, by User-Agent, that compact a conversation themselves if the prompt is too long.
    They get that error once for each conversation before the gateway compresses it.

    Example: ``["claude-cli/*"]``
    """
    context_persist: bool = True
    """Keep compression decisions and summaries on disk too, in ``state/contexts.db``.  They contain
    parts of conversations.  ``false`` deletes the file.
    """
    shorten_tool_results: Literal["when_needed", "always"] = "when_needed"
    """Shorten very long tool results (base64, accessibility snapshots of web pages, output that is
    also in a file): ``"when_needed"`` if the request would not fit otherwise, or ``"always"``.
    """


class LimitsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: limits of one request.

    A larger request is refused before it is decoded, because decoding creates an object for every
    JSON value: a body of one megabyte can take a hundred megabytes of memory, and seconds.  The
    error names the member and the setting.

    The defaults are several times what the longest agent sessions send.  For conversations of very
    many very short messages, raise ``max_messages``, and set ``max_values`` to ten times that.
    """

    max_values: Annotated[int, Meta(ge=1000)] = 200_000
    """JSON values in total.

    A larger request gets a 413.
    """
    max_messages: Annotated[int, Meta(ge=1)] = 20_000
    """Messages, or other inputs such as those of embeddings.

    Beyond this limit and those below, a request gets a 400.
    """
    max_parts: Annotated[int, Meta(ge=1)] = 100_000
    """Content parts of all messages."""
    max_tools: Annotated[int, Meta(ge=1)] = 2_000
    """Tools."""
    max_schema_values: Annotated[int, Meta(ge=1)] = 100_000
    """JSON values in tools and output formats."""
    max_other_values: Annotated[int, Meta(ge=100)] = 5_000
    """JSON values in everything else, such as metadata, stop sequences, ``logit_bias``, and members
    that the gateway does not know.
    """
