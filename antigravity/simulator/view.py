"""A request as the simulated model sees it, whatever the protocol; pure values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from antigravity.simulator.directives import has_directives

#: Context that agents add to prompts; the echo omits it.
_CONTEXT: Final = re.compile(
    r"<(system-reminder|environment_context|session_context|user_instructions)>.*?</\1>\s*",
    re.DOTALL,
)

#: Tokens of one image, document, recording or video in the usage.
ATTACHMENT_TOKENS: Final = 258


@dataclass(frozen=True)
class Attachment:
    """An image, document, recording or video that came with a turn."""

    mime_type: str
    size: int | None = None
    reference: str = ""
    directives: str = ""  # directives in a recording

    def __str__(self) -> str:
        family = self.mime_type.partition("/")[0]
        kind = family if family in ("image", "audio", "video") else "document"
        if self.size is None:
            return f"[{kind} url {self.reference}]"
        return f"[{kind} {self.mime_type} {self.size} bytes]"


@dataclass(frozen=True)
class Turn:
    """One turn: ``role`` is user, assistant or system; tool results belong to users."""

    role: str
    texts: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    results: tuple[str, ...] = ()
    hidden: str = ""  # tool calls and the like: counted, not shown

    def all_texts(self) -> list[str]:
        """Return the texts, and the directives in recordings."""
        return [*self.texts, *(item.directives for item in self.attachments if item.directives)]


@dataclass(frozen=True)
class Tool:
    """A tool of the request; ``schema`` is ``None`` for hosted tools."""

    name: str
    schema: dict[str, Any] | None = None
    description: str = ""
    namespace: str = ""
    custom: bool = False

    @property
    def full_name(self) -> str:
        """The name with its namespace."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class View:
    """A request as the simulated model sees it."""

    model: str
    turns: tuple[Turn, ...]
    body: dict[str, Any]
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"  # auto, none, any
    allowed: tuple[str, ...] = ()  # with "any": which
    parallel: bool = True
    stops: tuple[str, ...] = ()
    max_tokens: int | None = None
    schema: Any = None
    json_mode: bool = False
    thinking: bool = False
    show_thinking: bool = True
    choices: int = 1
    logprobs: int | None = None
    image_output: bool = False  # an image model
    image_size: tuple[int, int] = (1024, 1024)
    speech_output: bool = False  # a speech model
    voice: str = ""
    speech_style: str = ""
    bound: bytes = b""  # what the signatures of thinking are bound to
    transformations: tuple[dict[str, str], ...] = ()  # thinking that was dropped
    # What follows is made from the turns:
    prompt: str = field(init=False, default="")
    rounds: int = field(init=False, default=0)
    results: tuple[str, ...] = field(init=False, default=())
    attachments: tuple[Attachment, ...] = field(init=False, default=())
    conversation: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Find the last user text, and the tool results since."""
        prompt, rounds = "", 0
        results: tuple[str, ...] = ()
        attachments: tuple[Attachment, ...] = ()
        first: str | None = None
        for run in _runs(self.turns):
            text = "\n".join(text for turn in run for text in turn.all_texts())
            cleaned = without_context(text)
            results = tuple(result for turn in run for result in turn.results)
            attachments = tuple(item for turn in run for item in turn.attachments)
            if first is None:
                first = cleaned or text
            if results and not has_directives(cleaned):
                rounds += 1
            else:
                prompt, rounds, results = cleaned or text, 0, ()
        for name, value in (
            ("prompt", prompt),
            ("rounds", rounds),
            ("results", results),
            ("attachments", attachments),
            ("conversation", first or ""),
        ):
            object.__setattr__(self, name, value)

    @property
    def system(self) -> str:
        """The system prompt."""
        return "\n".join(t for turn in self.turns if turn.role == "system" for t in turn.texts)

    def count_tokens(self) -> int:
        """Return the tokens of the whole request: a quarter of its characters, and images."""
        size = attachments = 0
        for turn in self.turns:
            size += sum(map(len, turn.texts)) + sum(map(len, turn.results)) + len(turn.hidden)
            attachments += len(turn.attachments)
        for tool in self.tools:
            size += len(tool.full_name) + len(tool.description) + len(compact(tool.schema or {}))
        if self.schema is not None:
            size += len(compact(self.schema))
        return max(1, count(size) + attachments * ATTACHMENT_TOKENS)

    def image_tokens(self) -> int:
        """Return the tokens of images in the request."""
        return self._tokens_of("image/")

    def audio_tokens(self) -> int:
        """Return the tokens of recordings in the request."""
        return self._tokens_of("audio/")

    def _tokens_of(self, family: str) -> int:
        seen = [item for turn in self.turns for item in turn.attachments]
        return sum(item.mime_type.startswith(family) for item in seen) * ATTACHMENT_TOKENS


def count(size: int) -> int:
    """Return the tokens of a text of ``size`` characters."""
    return -(-size // 4)


def name_set(text: str) -> frozenset[str]:
    """Return the names in a text."""
    return frozenset(text.split())


def compact(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without_context(text: str) -> str:
    """Return the text without the context that agents add."""
    return _CONTEXT.sub("", text).strip()


def _runs(turns: Iterable[Turn]) -> list[list[Turn]]:
    """Return the runs of user turns; system turns do not separate them."""
    runs: list[list[Turn]] = []
    fresh = True
    for turn in turns:
        if turn.role == "assistant":
            fresh = True
        elif turn.role == "user":
            if fresh:
                runs.append([])
                fresh = False
            runs[-1].append(turn)
    return runs
