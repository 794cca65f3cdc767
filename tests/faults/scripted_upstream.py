"""An upstream that answers with what a test says, and a gateway in front of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.web.resource import Resource
from twisted.web.server import Site

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    OAuthSettings,
    ProxySettings,
    SchedulingSettings,
    Settings,
    UpstreamSettings,
)
from antigravity.plugins import PluginHost
from tests.faults.fixtures import FaultCase, HttpResponse, path_and_body, reactor

#: The protocols of clients, and those of upstreams with the name of one of each.
CLIENTS = (
    "openai_chat",
    "openai_completions",
    "openai_responses",
    "anthropic",
    "gemini",
    "gemini_interactions",
)
UPSTREAMS = {
    "chat": "openai_chat",
    "responses": "openai_responses",
    "claude": "anthropic",
    "google": "gemini",
    "assist": "gemini",
    "interactions": "gemini_interactions",
}
#: A model that no data file knows, so that no upstream takes it for one with habits of its own.
MODEL = "some-model-1"


class ScriptedResponse(Struct):
    """One response."""

    body: bytes
    content_type: str | None = "application/json"
    status: int = 200
    headers: dict[str, str] = {}


class ScriptedUpstream(Resource):
    """Answers each request with the next of ``replies``, the last one again and again."""

    isLeaf = True  # noqa: N815 - a name that Twisted reads

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[ScriptedResponse] = []
        self.bodies: list[Any] = []
        self.paths: list[str] = []

    def render(self, request: Any) -> bytes:
        body = request.content.read()
        if request.path == b"/token":
            request.setHeader(b"content-type", b"application/json")
            return b'{"access_token":"ya29.test","expires_in":3600,"token_type":"Bearer"}'
        if request.method == b"GET" or b":load" in request.path or b":fetch" in request.path:
            request.setResponseCode(404)
            return b"{}"
        self.paths.append(request.path.decode())
        self.bodies.append(json.loads(body) if body[:1] == b"{" else body)
        reply = self.replies[min(len(self.bodies), len(self.replies)) - 1]
        request.setResponseCode(reply.status)
        request.responseHeaders.removeHeader(b"content-type")
        request.defaultContentType = None
        if reply.content_type is not None:
            request.setHeader(b"content-type", reply.content_type.encode())
        for name, value in reply.headers.items():
            request.setHeader(name.encode(), value.encode())
        return reply.body


class ScriptedCase(FaultCase):
    """Asks by any client protocol what an upstream of any protocol answers as it was told."""

    def setUp(self) -> None:
        super().setUp()
        self.upstream = ScriptedUpstream()
        port = reactor.listenTCP(0, Site(self.upstream), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.address = f"http://127.0.0.1:{port.getHost().port}"

    async def start(self, **proxy: Any) -> None:  # type: ignore[override]
        """Start a gateway with one upstream of each kind."""
        await self.stop()
        base: dict[str, Any] = {"base_url": self.address, "api_key": Secret("sk-good-key")}
        oauth = OAuthSettings(
            client_id="id", client_secret=Secret("secret"), token_url=f"{self.address}/token"
        )
        settings = Settings(
            proxy=replace(
                ProxySettings(),
                port=0,
                shutdown_grace=2.0,
                scheduling=SchedulingSettings(max_wait_seconds=0, retry_pause=0.0),
                **proxy,
            ),
            upstreams={
                "chat": UpstreamSettings("openai", apis=["chat"], **base),
                "legacy": UpstreamSettings("openai", apis=["chat", "completions"], **base),
                "media": UpstreamSettings("openai", apis=["chat", "images", "audio"], **base),
                "responses": UpstreamSettings("openai", apis=["responses"], **base),
                "claude": UpstreamSettings("anthropic", **base),
                "google": UpstreamSettings("gemini_api", **base),
                "interactions": UpstreamSettings(
                    "gemini_api", quirks=["interactions", "no_generate_content"], **base
                ),
                "assist": UpstreamSettings(
                    "codeassist",
                    base_url=self.address,
                    oauth=oauth,
                    refresh_token=Secret("refresh"),
                    project="p",
                ),
            },
        )
        plugins = PluginHost()
        plugins.load(installed=False)
        home = Path(self.mktemp())
        home.mkdir()
        self.gateway = Gateway(reactor, settings, home, plugins)
        await self.gateway.startService()
        listener: Any = self.gateway.listener
        self.port = listener.ports[0].getHost().port

    def script(self, *replies: ScriptedResponse) -> None:
        """Answer with ``replies`` from now on."""
        self.upstream.replies = list(replies)
        self.upstream.bodies = []
        self.upstream.paths = []

    @property
    def calls(self) -> int:
        """How many requests the upstream got since it was told what to answer."""
        return len(self.upstream.bodies)

    async def ask_model(
        self, client: str, upstream: str, *, stream: bool, model: str = MODEL
    ) -> HttpResponse:
        """Send a prompt by one protocol to one upstream, and return the whole response."""
        path, body = path_and_body(client, f"{upstream}/{model}", "hi", stream=stream)
        return await self.ask_body(path, body)

    async def ask_body(self, path: str, body: Any) -> HttpResponse:
        reading = await self.send(path, body)
        await reading.closed
        return HttpResponse(reading.data)


# -- what responses say, as clients read them --------------------------------------------------


def text_of(client: str, answer: HttpResponse, *, stream: bool) -> str:
    """Return the text of a response, whole or streamed; it must be complete."""
    assert answer.status == 200, (answer.status, answer.body)
    assert answer.whole
    return (_streamed_text if stream else _whole_text)(client, answer)


def _streamed_text(client: str, answer: HttpResponse) -> str:
    found: list[str] = []
    events = answer.events()
    for name, wire in events:
        if client == "openai_chat" and wire != "[DONE]":
            found += [c["delta"].get("content") or "" for c in wire["choices"]]
        elif client == "openai_completions" and wire != "[DONE]":
            found += [c["text"] for c in wire["choices"]]
        elif client == "openai_responses" and wire["type"] == "response.output_text.delta":
            found.append(wire["delta"])
        elif (client == "anthropic" and wire["type"] == "content_block_delta") or (
            client == "gemini_interactions" and name == "step.delta"
        ):
            found.append(wire["delta"].get("text", ""))
        elif client == "gemini":
            parts = wire["candidates"][0].get("content", {}).get("parts") or ()
            found += [part.get("text", "") for part in parts]
    assert_ended(client, events)
    return "".join(found)


def assert_ended(client: str, events: list[tuple[str, Any]]) -> None:
    """Assert that a stream ends as its protocol demands."""
    name, last = events[-1]
    if client in ("openai_chat", "openai_completions"):
        assert last == "[DONE]"
        assert any(c["finish_reason"] for _, w in events[:-1] for c in w["choices"])
    elif client == "openai_responses":
        assert name in ("response.completed", "response.incomplete")
    elif client == "anthropic":
        assert name == "message_stop"
    elif client == "gemini_interactions":
        assert any(name == "interaction.completed" for name, _ in events)
    else:
        assert last["candidates"][0]["finishReason"]


def _whole_text(client: str, answer: HttpResponse) -> str:
    wire = answer.json()
    match client:
        case "openai_chat":
            return str(wire["choices"][0]["message"]["content"] or "")
        case "openai_completions":
            return str(wire["choices"][0]["text"])
        case "openai_responses":
            content = [part for item in wire["output"] for part in item.get("content") or ()]
            return "".join(part.get("text", "") for part in content)
        case "anthropic":
            return "".join(block.get("text", "") for block in wire["content"])
        case "gemini_interactions":
            contents = [part for step in wire["steps"] for part in step.get("content") or ()]
            return "".join(part.get("text", "") for part in contents)
    parts = wire["candidates"][0].get("content", {}).get("parts") or ()
    return "".join(part.get("text", "") for part in parts)


def reason_of(client: str, answer: HttpResponse, *, stream: bool) -> str:
    """Return why a response ended, in the client's own words."""
    if not stream:
        wire = answer.json()
    elif client == "anthropic":
        wire = next(w["delta"] for _, w in answer.events() if w["type"] == "message_delta")
    elif client == "openai_responses":
        wire = answer.events()[-1][1]["response"]
    elif client == "gemini_interactions":
        ended = (w for name, w in answer.events() if name == "interaction.completed")
        wire = next(ended)["interaction"]
    else:
        chunks = [
            w
            for _, w in answer.events()
            if w != "[DONE]" and (w.get("choices") or w.get("candidates"))
        ]
        wire = chunks[-1]
    match client:
        case "openai_chat" | "openai_completions":
            return str(wire["choices"][0]["finish_reason"])
        case "openai_responses":
            details = wire.get("incomplete_details")
            return details["reason"] if details else str(wire["status"])
        case "anthropic":
            return str(wire["stop_reason"])
        case "gemini_interactions":
            return str(wire["status"])
    return str(wire["candidates"][0]["finishReason"])


# -- what upstreams say ------------------------------------------------------------------------


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def sse(*events: Any, done: bool = False) -> bytes:
    """Return events; those with a type are named by it."""
    out = b""
    for event in events:
        kind = event.get("type", event.get("event_type", ""))
        if kind and kind != "error_without_name":
            out += b"event: " + kind.encode() + b"\n"
        out += b"data: " + dumps(event) + b"\n\n"
    return out + (b"data: [DONE]\n\n" if done else b"")


def whole_of(protocol: str, text: str = "hello", reason: str = "") -> Any:
    """Return a whole response of an upstream; without ``text`` it has no content."""
    match protocol:
        case "openai_chat":
            message = {"role": "assistant", "content": text or None}
            choice = {"index": 0, "message": message, "finish_reason": reason or "stop"}
            return {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }
        case "openai_responses":
            part = {"type": "output_text", "text": text, "annotations": []}
            item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed"}
            incomplete = reason not in ("", "completed")
            return {
                "id": "r1",
                "object": "response",
                "created_at": 1,
                "status": "incomplete" if incomplete else "completed",
                "incomplete_details": {"reason": reason} if incomplete else None,
                "error": None,
                "model": "m",
                "output": [{**item, "content": [part]}] if text else [],
                "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
            }
        case "anthropic":
            return {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": text}] if text else [],
                "stop_reason": reason or "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 3, "output_tokens": 2},
            }
        case "gemini_interactions":
            content = [{"type": "text", "text": text}]
            return {
                "id": "v1_1",
                "object": "interaction",
                "status": reason or "completed",
                "model": "m",
                "steps": [{"type": "model_output", "content": content}] if text else [],
                "usage": {"total_input_tokens": 3, "total_output_tokens": 2, "total_tokens": 5},
            }
    candidate: dict[str, Any] = {"index": 0, "finishReason": reason or "STOP"}
    if text:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return {"candidates": [candidate], "usageMetadata": usage}


def events_of(protocol: str, text: str = "hello", reason: str = "") -> list[Any]:
    """Return the same as the events of a stream."""
    whole = whole_of(protocol, text, reason)
    match protocol:
        case "openai_chat":
            head = {**whole, "object": "chat.completion.chunk", "usage": None}
            delta = {"role": "assistant", "content": text}
            choice = {"index": 0, "delta": {}, "finish_reason": reason or "stop"}
            return [
                {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                {**head, "choices": [choice]},
                {**head, "choices": [], "usage": whole["usage"]},
            ]
        case "openai_responses":
            kind = f"response.{whole['status']}"
            begun = {**whole, "status": "in_progress", "output": [], "usage": None}
            events: list[Any] = [{"type": "response.created", "response": begun}]
            for item in whole["output"]:
                place = {"output_index": 0, "item_id": "m1"}
                events += [
                    {
                        "type": "response.output_item.added",
                        **place,
                        "item": {**item, "content": []},
                    },
                    {
                        "type": "response.output_text.delta",
                        **place,
                        "content_index": 0,
                        "delta": text,
                    },
                    {"type": "response.output_item.done", **place, "item": item},
                ]
            return [*events, {"type": kind, "response": whole}]
        case "anthropic":
            head = {**whole, "content": [], "stop_reason": None}
            events = [{"type": "message_start", "message": head}]
            if text:
                block = {"type": "text", "text": ""}
                delta = {"type": "text_delta", "text": text}
                events += [
                    {"type": "content_block_start", "index": 0, "content_block": block},
                    {"type": "content_block_delta", "index": 0, "delta": delta},
                    {"type": "content_block_stop", "index": 0},
                ]
            stop = {"stop_reason": reason or "end_turn", "stop_sequence": None}
            return [
                *events,
                {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 2}},
                {"type": "message_stop"},
            ]
        case "gemini_interactions":
            ended = {name: value for name, value in whole.items() if name != "steps"}
            begun = {"id": "v1_1", "status": "in_progress"}
            events = [{"event_type": "interaction.created", "interaction": begun}]
            if text:
                delta = {"type": "text", "text": text}
                step = {"type": "model_output"}
                events += [
                    {"event_type": "step.start", "index": 0, "step": step},
                    {"event_type": "step.delta", "index": 0, "delta": delta},
                    {"event_type": "step.stop", "index": 0},
                ]
            return [*events, {"event_type": "interaction.completed", "interaction": ended}]
    return [whole]


def wrapped(upstream: str, value: Any) -> Any:
    """Return a payload as an upstream sends it: Code Assist puts it into an envelope."""
    return {"response": value} if upstream == "assist" else value


def whole_reply(upstream: str, **options: Any) -> bytes:
    """Return the body of a whole response."""
    return dumps(wrapped(upstream, whole_of(UPSTREAMS[upstream], **options)))


def stream_reply(upstream: str, **options: Any) -> bytes:
    """Return the body of a stream."""
    events = [wrapped(upstream, each) for each in events_of(UPSTREAMS[upstream], **options)]
    return sse(*events, done=UPSTREAMS[upstream] in ("openai_chat", "gemini_interactions"))
