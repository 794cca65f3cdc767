"""What is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.load import Ask


@dataclass(frozen=True)
class Case:
    """``clients`` ask for ``seconds``; ``plain`` is what the floor is asked in their place.

    What it costs is told for each answer, or for each event of streams.
    """

    name: str
    title: str
    ask: Ask
    plain: Ask
    clients: int = 16
    seconds: float = 1.0

    @property
    def unit(self) -> str:
        """What the CPU time is told for."""
        return "event" if self.ask.stream else "answer"

    @property
    def scale(self) -> int:
        """How many of them an answer has."""
        return self.ask.stream or 1


_CHAT = Ask("openai", "openai")
_STREAM = Ask("openai", "openai", stream=64)
_PACED = Ask("openai", "openai", stream=20, pause=100)
_LARGE = Ask("openai", "openai", padding=50_000)
_HUGE = Ask("openai", "openai", padding=1_000_000)

CASES: Final[Sequence[Case]] = (
    Case("chat", "whole answer, passed on", _CHAT, _CHAT),
    Case(
        "chat-translated",
        "whole answer, Anthropic to Gemini",
        Ask("anthropic", "gemini"),
        Ask("anthropic", "anthropic"),
    ),
    Case("stream", "64 events, passed on", _STREAM, _STREAM),
    Case(
        "stream-translated",
        "64 events, Anthropic to Gemini",
        Ask("anthropic", "gemini", stream=64),
        Ask("anthropic", "anthropic", stream=64),
    ),
    Case("large", "question of 50 kB, passed on", _LARGE, _LARGE),
    Case("huge", "question of 1 MB, passed on", _HUGE, _HUGE, clients=4),
    Case("paced", "300 streams, an event each 100 ms", _PACED, _PACED, 300, 2.0),
)
