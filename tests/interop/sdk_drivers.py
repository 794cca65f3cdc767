"""The interface of the SDK drivers: requests and responses independent of the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Mode = Literal["whole", "stream"]
Finish = Literal["stop", "length", "tools", "filter"]


class BrokenOffError(Exception):
    """An answer that an SDK reports as failed without an exception of its own."""


@dataclass(frozen=True)
class Tool:
    """A function that the model may call; ``schema`` is JSON Schema."""

    name: str
    schema: dict[str, Any]
    description: str = "Do it."


@dataclass(frozen=True)
class ToolCall:
    """A call that the model made."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Media:
    """An image or a PDF, as base64."""

    mime_type: str
    data: str


@dataclass(frozen=True)
class Result:
    """What a tool gave back."""

    call: ToolCall
    text: str
    media: Media | None = None


@dataclass(frozen=True)
class Options:
    """What a request asks for besides its conversation.

    ``choice`` is ``any``, ``none`` or a tool's name.  ``thinking`` is ``off``, an effort, or a
    budget in tokens.
    """

    system: str = ""
    tools: Sequence[Tool] = ()
    choice: str | None = None
    parallel: bool | None = None
    thinking: str | int | None = None
    schema: dict[str, Any] | None = None
    stop: Sequence[str] = ()
    max_tokens: int | None = None
    n: int = 1
    search: bool = False
    images: bool = False
    logprobs: int | None = None


@dataclass
class ModelResponse:
    """One answer of the model; ``turn`` is what the SDK's user puts into the history."""

    text: str = ""
    thinking: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    thinking_tokens: int | None = None
    images: list[bytes] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    logprobs: list[str] = field(default_factory=list)
    turn: Any = None
    raw: Any = None


class SdkDriver(Protocol):
    """One SDK with one of its APIs."""

    name: str

    def ask(
        self, url: str, model: str, history: list[Any], options: Options, mode: Mode
    ) -> ModelResponse:
        """Send the history and return the answer."""

    def user(self, text: str, media: Sequence[Media] = ()) -> list[Any]:
        """Return the entries of the history for a text of the user."""

    def assistant(self, answer: ModelResponse) -> list[Any]:
        """Return the entries of the history for an answer."""

    def results(self, results: Sequence[Result]) -> list[Any]:
        """Return the entries of the history for results of tools."""


class Conversation:
    """A conversation with one model through one SDK."""

    def __init__(
        self, sdk: SdkDriver, url: str, model: str, mode: Mode = "whole", **options: Any
    ) -> None:
        self.sdk = sdk
        self.url = url
        self.model = model
        self.mode = mode
        self.options = Options(**options)
        self.history: list[Any] = []

    def send(self, text: str, *media: Media) -> ModelResponse:
        """Send a text of the user and return the response."""
        self.history += self.sdk.user(text, media)
        return self._ask()

    def send_results(self, *results: Result) -> ModelResponse:
        """Send results of tools and return the response."""
        self.history += self.sdk.results(results)
        return self._ask()

    def _ask(self) -> ModelResponse:
        answer = self.sdk.ask(self.url, self.model, self.history, self.options, self.mode)
        self.history += self.sdk.assistant(answer)
        return answer
