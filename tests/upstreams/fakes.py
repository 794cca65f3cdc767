"""A transport that answers from a list, and client protocols that know a little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import (
    GatewayError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.upstreams.services import UpstreamServices


class FakeResponse:
    def __init__(self, status: int, body: Any) -> None:
        self._status = status
        self._body = body if isinstance(body, bytes) else msgspec.json.encode(body)

    def status(self) -> int:
        return self._status

    def headers(self) -> Mapping[str, str]:
        return {"content-type": "application/json"}

    def collect(self, limit: int) -> Deferred[bytes]:
        return succeed(self._body)


class FakeTransport:
    """``answer`` gets each request; it returns ``(status, body)``, an error, or a Deferred."""

    def __init__(self, answer: Callable[[OutgoingRequest], Any]) -> None:
        self.answer = answer
        self.requests: list[OutgoingRequest] = []

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        self.requests.append(request)
        answer = self.answer(request)
        if isinstance(answer, Deferred):
            return answer
        if isinstance(answer, Exception):
            return fail(answer)
        return succeed(FakeResponse(*answer))

    def urls(self) -> list[str]:
        return [request.url for request in self.requests]


class FakeProtocol:
    def __init__(self, name: str) -> None:
        self.name = name

    def decode_models(self, body: bytes) -> list[Model]:
        return [Model(item["id"]) for item in msgspec.json.decode(body)["data"]]

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        kind: type[GatewayError] = UpstreamError
        if status in (401, 403):
            kind = UpstreamCredentialError
        elif status == 429:
            kind = RateLimitedError
        return kind(f"status {status}", upstream_status=status)


class UpstreamFixture:
    """Everything an upstream is given."""

    def __init__(self, answer: Callable[[OutgoingRequest], Any] | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.transport = FakeTransport(answer or (lambda request: (500, b"")))
        self.invalid: list[tuple[str, str]] = []
        names = ("anthropic", "openai_chat", "openai_responses", "gemini")
        self.services = UpstreamServices(
            "mine",
            self.transport,  # type: ignore[arg-type]
            self.clock,
            {name: FakeProtocol(name) for name in names},  # type: ignore[misc]
            600.0,
            lambda credential, reason: self.invalid.append((credential.id, reason)),
        )

    def build(self, kind: Any, **settings: Any) -> Any:
        return kind.build(UpstreamSettings(kind=kind.kind, **settings), self.services)


def credential(secret: str = "sk-1", **fields: Any) -> Credential:
    return Credential("c1", "mine", secret, **fields)
