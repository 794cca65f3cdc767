"""Slow responses of the simulator in every protocol, and a reader of streams."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol

TEXT = "[[chunks 50]] [[delay 1]] [[say one two three four five six seven eight]]"
MODELS = ("gpt-5.1", "claude-sonnet-4-5", "gemini-2.5-flash")


def asked(protocol: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request in a protocol."""
    message = {"role": "user", "content": TEXT}
    if protocol == "gemini":
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
        return f"/v1beta/models/{model}:{method}", body
    body = {"model": model, "stream": stream}
    if protocol == "responses":
        return "/v1/responses", {**body, "input": TEXT}
    body["messages"] = [message]
    if protocol == "anthropic":
        return "/v1/messages", {**body, "max_tokens": 500}
    return "/v1/chat/completions", body


class Reader(Protocol):
    """Collects a body; ``begun`` fires with its first bytes, ``over`` with how it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.begun: Deferred[None] = Deferred()
        self.over: Deferred[Any] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if not self.begun.called:
            self.begun.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        self.over.callback(reason.value)
