"""The cases that the benchmark measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.load import RequestSpec


@dataclass(frozen=True)
class Case:
    """A load of ``clients`` that send the request ``spec`` for ``seconds``.

    The plain proxy gets the request ``baseline`` instead, since it cannot translate.  The cost is
    per response, or per event of streams.
    """

    name: str
    title: str
    spec: RequestSpec
    baseline: RequestSpec
    clients: int = 16
    seconds: float = 1.0

    @property
    def unit(self) -> str:
        """The unit of the cost."""
        return "event" if self.spec.stream else "response"

    @property
    def scale(self) -> int:
        """The number of units in a response."""
        return self.spec.stream or 1


_CHAT = RequestSpec("openai", "openai")
_STREAM = RequestSpec("openai", "openai", stream=64)
_PACED = RequestSpec("openai", "openai", stream=20, pause=100)
_LARGE = RequestSpec("openai", "openai", padding=50_000)
_HUGE = RequestSpec("openai", "openai", padding=1_000_000)

CASES: Final[Sequence[Case]] = (
    Case("chat", "whole response, passed through", _CHAT, _CHAT),
    Case(
        "chat-translated",
        "whole response, Anthropic to Gemini",
        RequestSpec("anthropic", "gemini"),
        RequestSpec("anthropic", "anthropic"),
    ),
    Case("stream", "64 events, passed through", _STREAM, _STREAM),
    Case(
        "stream-translated",
        "64 events, Anthropic to Gemini",
        RequestSpec("anthropic", "gemini", stream=64),
        RequestSpec("anthropic", "anthropic", stream=64),
    ),
    Case("large", "request of 50 kB, passed through", _LARGE, _LARGE),
    Case("huge", "request of 1 MB, passed through", _HUGE, _HUGE, clients=4),
    Case("paced", "300 streams, an event every 100 ms", _PACED, _PACED, 300, 2.0),
)
