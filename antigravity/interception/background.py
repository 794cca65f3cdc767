"""Recognition of background tasks by the text of the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.interception import IBackgroundDetector
from antigravity.ir.parts import Text, ToolResult
from antigravity.ir.request import Request

#: The number of characters of a system prompt that are searched.
SYSTEM_CHARACTERS: Final = 500

REMINDER: Final = "<system-reminder>"


class Wording(Struct, frozen=True, forbid_unknown_fields=True):
    """One pattern of a background task; the data file documents the fields."""

    kind: str
    openings: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    answers: tuple[frozenset[str], ...] = ()
    texts: frozenset[str] = frozenset()


@cache
def shipped_wordings() -> Mapping[str, tuple[Wording, ...]]:
    """Return the shipped wordings by client."""
    data = files("antigravity.interception").joinpath("background.toml").read_bytes()
    return msgspec.toml.decode(data, type=dict[str, tuple[Wording, ...]])


@implementer(IBackgroundDetector)
class BackgroundTasks:
    """Recognises the background tasks of one client."""

    def __init__(
        self,
        name: str,
        is_client: Callable[[Mapping[str, str]], bool],
        wordings: tuple[Wording, ...],
    ) -> None:
        self.name = name
        self._is_client = is_client
        self._wordings = wordings

    def may_match(self, headers: Mapping[str, str]) -> bool:
        """Return whether the client sent a request with these headers."""
        return self._is_client(headers)

    def detect(self, request: Request, headers: Mapping[str, str]) -> str | None:
        """Return the kind of background task, ``None`` for a request of the user."""
        if not self.may_match(headers):
            return None
        text = last_user_text(request)
        if text is None:
            return None
        return next((w.kind for w in self._wordings if _matches(w, request, text)), None)


def last_user_text(request: Request) -> str | None:
    """Return the last text of the user, ``None`` if the last message has a tool result."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "user":
        return None
    if any(isinstance(part, ToolResult) for part in last.parts):
        return None
    for part in reversed(last.parts):
        if isinstance(part, Text):
            text = part.text.strip()
            if text and not text.startswith(REMINDER):
                return text
    return None


def _matches(wording: Wording, request: Request, text: str) -> bool:
    if wording.openings and text.startswith(wording.openings):
        return True
    if request.tools:
        return False
    if text in wording.texts and request.max_output_tokens == 1:
        return True
    if wording.starts and text.startswith(wording.starts):
        return True
    if any(_contains(part.text, wording.system) for part in request.system):
        return True
    return _is_first_turn(request) and _response_properties(request) in wording.answers


def _is_first_turn(request: Request) -> bool:
    return sum(message.role != "system" for message in request.messages) == 1


def _contains(text: str, phrases: tuple[str, ...]) -> bool:
    beginning = text[:SYSTEM_CHARACTERS]
    return any(phrase in beginning for phrase in phrases)


def _response_properties(request: Request) -> frozenset[str] | None:
    """Return the names of the properties in the schema of the response."""
    schema = request.response_format.schema
    properties = schema.get("properties") if schema is not None else None
    return frozenset(properties) if isinstance(properties, dict) else None
