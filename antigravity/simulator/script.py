"""The content and course of one response; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from antigravity.simulator.errors import ApiError, ConnectionFault
from antigravity.simulator.view import compact


@dataclass(frozen=True)
class Call:
    """A tool call; ``text`` is the input of a custom (free-form) tool."""

    id: str
    name: str
    arguments: dict[str, Any]
    namespace: str = ""
    custom: bool = False

    @property
    def text(self) -> str:
        """The input of a custom tool."""
        value = self.arguments.get("input")
        return value if isinstance(value, str) else compact(self.arguments)


@dataclass(frozen=True)
class Citation:
    """A source for ``text[start:stop]``."""

    start: int
    stop: int
    url: str
    title: str


@dataclass(frozen=True)
class Usage:
    """The tokens of request and response."""

    prompt: int = 0
    response: int = 0
    thinking: int = 0


@dataclass(frozen=True)
class Script:
    """The content and course of one response.

    ``finish`` is stop, length, tool, stop_sequence, filter, or a reason that only the protocol
    has; ``compaction`` is "" or "first", or "only" if nothing else is in the response;
    ``spelled`` is the argument of ``[[finish]]``, ``form`` that of ``[[form]]``.
    """

    thinking: str = ""
    chunks: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    compaction: str = ""
    image: bool = False
    audio: tuple[bytes, ...] = ()
    citations: tuple[Citation, ...] = ()
    finish: str = "stop"
    spelled: str = ""
    stop_sequence: str | None = None
    usage: Usage = Usage()
    delay: float = 0.0
    ttft: float = 0.0
    fault: ConnectionFault | None = None
    late_error: ApiError | None = None
    error_after: int = 0
    form: str | None = None
    choices: int = 1
    plain: bool = True  # plain text, so other choices differ from the first
    silent: bool = False  # no output at all

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)

    def choice(self, index: int) -> Script:
        """Return the script of one choice; plain texts end with its number."""
        if index == 0 or not self.plain or not self.chunks:
            return self
        return replace(self, chunks=(*self.chunks, f" (choice {index + 1})"))


def as_prewarm(script: Script) -> Script:
    """Return the script of a request that only prepares the next one."""
    usage = replace(script.usage, response=0, thinking=0)
    return replace(
        script,
        chunks=(),
        calls=(),
        thinking="",
        image=False,
        citations=(),
        finish="stop",
        silent=True,
        usage=usage,
    )
