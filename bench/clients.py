"""Clients in threads, which send requests with a mark, and judge what comes back."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

#: Seconds that a client waits for anything.
_TIMEOUT: Final = 120.0

#: ``served`` completely; ``limited`` by a limit or a budget of the key; ``broken`` after the head
#: of a response with status 200; ``failed`` in any other way.
Outcome = Literal["served", "limited", "broken", "failed"]
#: What the messages of limits and budgets have in them; Anthropic's errors have no codes.
_LIMITS: Final = ("This API key may use", "This API key has", "API key's budget")


@dataclass(frozen=True)
class Request:
    """A request to a model; ``protocol`` is ``openai`` or ``anthropic``."""

    number: int
    protocol: str
    model: str
    stream: bool
    key: str
    text: str
    max_tokens: int = 100

    @property
    def mark(self) -> str:
        """The text that only this request has, and its response."""
        return f"mark-{self.number}-end"

    def path(self) -> str:
        """Return the path."""
        return "/v1/messages" if self.protocol == "anthropic" else "/v1/chat/completions"

    def body(self) -> bytes:
        """Return the body."""
        message = {"role": "user", "content": f"{self.mark} {self.text}"}
        body = {"model": self.model, "stream": self.stream, "messages": [message]}
        return json.dumps(body | {"max_tokens": self.max_tokens}).encode()


@dataclass(frozen=True)
class Response:
    """What became of a request; times are those of :func:`time.time`."""

    request: Request
    outcome: Outcome
    id: str
    began: float
    ended: float
    detail: str = ""


def send(port: int, request: Request) -> Response:
    """Send a request once."""
    began = time.time()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    status, found, body, problem = 0, "", b"", ""
    try:
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {request.key}",
            "anthropic-version": "2023-06-01",
        }
        connection.request("POST", request.path(), request.body(), headers)
        response = connection.getresponse()
        status, found = response.status, response.getheader("X-Request-Id") or ""
        while piece := response.read1(65536):
            body += piece
    except (OSError, http.client.HTTPException) as error:
        problem = f"{type(error).__name__} {error}"
    finally:
        connection.close()
    outcome = _judge(request, status, body, problem)
    detail = problem or f"{status} {body[-300:].decode(errors='replace')}"
    shown = "" if outcome == "served" else detail
    return Response(request, outcome, found, began, time.time(), shown)


def _judge(request: Request, status: int, body: bytes, problem: str) -> Outcome:
    text = body.decode(errors="replace")
    if status == 429 and any(part in text for part in _LIMITS):
        return "limited"
    if status != 200:
        return "failed"
    if not problem and _is_complete(request, text):
        return "served"
    # An error that the gateway sends inside of a stream is its own, not that of a lost connection.
    return "failed" if '"error"' in text else "broken"


def _is_complete(request: Request, text: str) -> bool:
    if not request.stream:
        return request.mark in text and text.rstrip().endswith("}")
    end = "event: message_stop" if request.protocol == "anthropic" else "data: [DONE]"
    return end in text and "".join(_texts(text)).find(request.mark) >= 0


def _texts(stream: str) -> Iterable[str]:
    """Yield the pieces of text in a stream."""
    for line in stream.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line.removeprefix("data: "))
        if delta := event.get("delta"):
            yield delta.get("text") or ""
        for choice in event.get("choices", ()):
            yield choice["delta"].get("content") or ""


def send_all(
    port: int, requests: Sequence[Request], parallel: int, done: Callable[[Response], None]
) -> list[Response]:
    """Send all requests, so many at a time; ``done`` is called with each response."""

    def send_one(request: Request) -> Response:
        response = send(port, request)
        done(response)
        return response

    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(send_one, requests))
