"""The requests of the chaos run, and what a client makes of their answers."""

from __future__ import annotations

import json
import random
from typing import Any, Literal

from msgspec import Struct

Protocol = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]

PROTOCOLS: tuple[Protocol, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")

#: One request of five meets one of these before the first byte, whoever serves it.
EARLY = (
    "[[error 429 retry=1s times=1]]",
    "[[error 429 times=1]]",
    "[[error 500 times=1]]",
    "[[error 503 times=1]]",
    "[[error 529 times=1]]",
    "[[error 503 times=1 reason=MODEL_CAPACITY_EXHAUSTED]]",
    "[[error 401 times=1]]",
    "[[error 403 times=1]]",
    "[[error 404 times=1]]",
    "[[empty times=1]]",
    "[[cut 0 times=1]]",
    "[[garbage 0 times=1]]",
)
#: These strike when the answer has begun, so that a stream can only end with an error.
LATE = (
    "[[chunks 4]] [[cut 2]]",
    "[[chunks 4]] [[error 500 after=2]]",
    "[[chunks 4]] [[garbage 2]]",
)


class ChaosRequest(Struct, frozen=True):
    """One request: ``late`` says that it breaks after its first byte."""

    number: int
    protocol: Protocol
    upstream: str
    model: str
    stream: bool
    marker: str
    faults: str = ""
    late: bool = False

    @property
    def prompt(self) -> str:
        return f"{self.faults} {self.marker}".strip()

    def request(self) -> tuple[str, Any]:
        """Return path and body."""
        model = f"{self.upstream}/{self.model}"
        said = [{"role": "user", "content": self.prompt}]
        match self.protocol:
            case "openai_chat":
                body = {"model": model, "messages": said, "stream": self.stream}
                return "/v1/chat/completions", body
            case "openai_responses":
                return "/v1/responses", {
                    "model": model,
                    "input": self.prompt,
                    "stream": self.stream,
                    "store": False,
                }
            case "anthropic":
                thinking = {"type": "enabled", "budget_tokens": 1024}
                return "/v1/messages", {
                    "model": model,
                    "messages": said,
                    "stream": self.stream,
                    "max_tokens": 4000,
                    "thinking": thinking,
                }
        verb = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": self.prompt}]}]}
        return f"/v1beta/models/{model}:{verb}", body


def plan(seed: int, count: int, upstreams: dict[str, tuple[str, bool]]) -> list[ChaosRequest]:
    """Return the requests of one run, the same for the same seed.

    ``upstreams`` gives for each name a model, and whether faults come with the requests.
    """
    chance = random.Random(seed)
    asks = []
    for number in range(count):
        upstream = chance.choice(sorted(upstreams))
        model, faulty = upstreams[upstream]
        luck = chance.random()
        faults, late = "", False
        if faulty and luck < 0.25:
            faults = chance.choice(EARLY)
        elif luck > 0.98:
            faults, late = chance.choice(LATE), True
        marker = f"mark-{number}-{chance.getrandbits(32):08x}"
        stream = late or chance.random() < 0.6
        protocol = chance.choice(PROTOCOLS)
        asks.append(ChaosRequest(number, protocol, upstream, model, stream, marker, faults, late))
    return asks


# -- answers ----------------------------------------------------------------------------------


def events(body: bytes) -> list[tuple[str, Any]]:
    """Return name and data of each event."""
    found = []
    for block in body.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if "data" in fields and fields["data"] != "[DONE]":
            found.append((fields.get("event", ""), json.loads(fields["data"])))
    return found


def response_text(ask: ChaosRequest, body: bytes) -> str:
    """Return the text of a complete response.

    :raises AssertionError: if the response is not complete.
    """
    if ask.stream:
        return _streamed(ask.protocol, body)
    value = json.loads(body)
    match ask.protocol:
        case "openai_chat":
            return str(value["choices"][0]["message"]["content"])
        case "openai_responses":
            items = [item for item in value["output"] if item["type"] == "message"]
            return "".join(part["text"] for item in items for part in item["content"])
        case "anthropic":
            return "".join(part.get("text", "") for part in value["content"])
    parts = value["candidates"][0]["content"]["parts"]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def _streamed(protocol: Protocol, body: bytes) -> str:
    found = events(body)
    last = found[-1]
    match protocol:
        case "openai_chat":
            assert body.rstrip().endswith(b"[DONE]")
            deltas = [c["delta"] for _, e in found for c in e.get("choices", ())]
            return "".join(delta.get("content") or "" for delta in deltas)
        case "openai_responses":
            assert last[0] == "response.completed"
            return "".join(e["delta"] for n, e in found if n == "response.output_text.delta")
        case "anthropic":
            assert last[0] == "message_stop"
            deltas = [e["delta"] for n, e in found if n == "content_block_delta"]
            return "".join(delta.get("text", "") for delta in deltas)
    assert last[1]["candidates"][0]["finishReason"] == "STOP"
    parts = [p for _, e in found for p in e["candidates"][0].get("content", {}).get("parts", ())]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def breaks_in_order(ask: ChaosRequest, body: bytes) -> bool:
    """Return whether a stream that broke ends with its protocol's error event."""
    name, last = events(body)[-1]
    if ask.protocol == "openai_responses":
        return name in ("error", "response.failed")
    return bool(last["error"]["message"]) and name == ("error" * (ask.protocol == "anthropic"))


def signatures(body: bytes) -> list[str]:
    """Return the signatures of thinking in an Anthropic answer, streamed or whole."""
    text = body.decode()
    marks = text.split('"signature":"')[1:]
    return [mark.partition('"')[0] for mark in marks if not mark.startswith('"')]
