"""The protocol of its own that the documentation shows serves all clients of a gateway."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from antigravity.interfaces.server_traits import ServerTraits
from antigravity.ir.capabilities import Target, Traits
from antigravity.ir.events import StreamFailure
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request
from antigravity.ir.tools import FunctionTool, WebSearchTool
from antigravity.sse import ServerSentEvent, encode_event
from antigravity.testing import load_plugin, start_gateway
from tests.support.pages import blocks

reactor: Any = default_reactor
CONFIG = """
[proxy.scheduling]
max_wait_seconds = 0
[upstreams.mine]
kind = "quill"
base_url = "http://127.0.0.1:{port}"
api_key = "quill-key"
"""
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def shown() -> Any:
    """Return the plugin, with the test that the page shows below it."""
    code = [text for text in blocks("docs/plugins.rst", "python") if "QuillDecoder" in text]
    assert len(code) == 2
    plugin = ModuleType("quill")
    for text in code:
        exec(text, vars(plugin))  # our own page
    return plugin


class Server(Resource):
    """A server as the page describes it; the last prompt decides what it returns."""

    isLeaf = True  # noqa: N815 - a name of twisted.web

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Any] = []
        self.prompts: list[str] = []

    def render(self, request: Any) -> bytes:
        assert request.getHeader("x-quill-key") == "quill-key"
        if request.path == b"/voices":
            return b'{"voices": ["sage"]}'
        assert (request.method, request.path) == (b"POST", b"/dialogue")
        body = json.loads(request.content.read())
        self.bodies.append(body)
        prompt = body["turns"][-1]["text"]
        self.prompts.append(prompt)
        if prompt == "limit":
            request.setResponseCode(429)
            return b'{"message": "Slow down.", "wait_seconds": 7.5}'
        begin = {"id": "1", "voice": body["voice"]}
        events: list[tuple[str, object]] = [("begin", begin), ("text", {"text": f"{prompt}!"})]
        if prompt == "tool":
            call = {"id": "c1", "tool": body["tools"][0]["tool"], "input": {"city": "Paris"}}
            events.append(("call", call))
        if prompt != "cut":
            reason = "tools" if prompt == "tool" else "done"
            events.append(("end", {"tokens_in": 5, "tokens_out": 2, "reason": reason}))
        return b"".join(encode_event(n.encode(), json.dumps(d).encode()) for n, d in events)


class QuillTests(TestCase):
    """The plugin of the page in a gateway."""

    def test_every_client_protocol_works_with_example_server(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._serves())

    async def _serves(self) -> None:
        server = Server()
        port = reactor.listenTCP(0, Site(server), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        gateway = await start_gateway(
            reactor,
            Path(self.mktemp()),
            plugins=[("quill", shown())],
            config=CONFIG.format(port=port.getHost().port),
            simulated=False,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))

        listed = (await gateway.request("GET", "/v1/models")).json()
        self.assertEqual([model["id"] for model in listed["data"]], ["sage"])

        def chat(prompt: str, **more: object) -> Any:
            messages = [{"role": "user", "content": prompt}]
            body = {"model": "sage", "messages": messages, **more}
            return gateway.request("POST", "/v1/chat/completions", body)

        answer = (await chat("Hello", max_tokens=9)).json()
        self.assertEqual(answer["choices"][0]["message"]["content"], "Hello!")
        self.assertEqual(answer["usage"]["total_tokens"], 7)
        self.assertEqual(server.bodies[-1]["max_tokens"], 9)

        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
        path = "/v1beta/models/sage:streamGenerateContent?alt=sse"
        chunks = (await gateway.request("POST", path, body)).chunks()
        self.assertEqual(chunks[0]["candidates"][0]["content"]["parts"][0]["text"], "Hi!")
        self.assertEqual(chunks[-1]["usageMetadata"]["totalTokenCount"], 7)

        message = (await chat("tool", tools=[TOOL])).json()["choices"][0]["message"]
        call = message["tool_calls"][0]
        self.assertEqual(json.loads(call["function"]["arguments"]), {"city": "Paris"})
        turns = [
            {"role": "user", "content": "tool"},
            message,
            {"role": "tool", "tool_call_id": call["id"], "content": "Sunny"},
        ]
        answer = (await chat("", tools=[TOOL], messages=turns)).json()
        self.assertEqual(answer["choices"][0]["message"]["content"], "Sunny!")
        self.assertEqual(server.bodies[-1]["turns"][-2]["input"], {"city": "Paris"})

        cut = await chat("cut", stream=True)
        self.assertIn("broke off", cut.chunks()[-1]["error"]["message"])
        limited = await chat("limit")
        self.assertEqual(limited.status, 429)
        self.assertIn(limited.headers["retry-after"], ("7", "8"))  # 7.5 s, on a real clock
        self.assertIn("reached its rate limit", limited.json()["error"]["message"])
        self.assertEqual(server.prompts.count("limit"), 1)


def test_example_protocol_loads_and_its_test_passes() -> None:
    plugin = shown()
    assert load_plugin(plugin).info.registered["upstreams"] == ("quill",)
    plugin.test_decoder_reads_response()


def test_example_protocol_reports_losses() -> None:
    image = Media("image", InlineData("AAAA"), "image/png")
    request = Request(
        "sage",
        (Message("user", (Text("Look"), image)),),
        "quill",
        tools=(FunctionTool("weather"), WebSearchTool()),
    )
    encoded = shown().QUILL.encode(request, Target("sage"))
    assert [loss.field for loss in encoded.warnings] == ["messages", "tools"]
    assert json.loads(encoded.body)["tools"][0]["input"] == {"type": "object"}


def test_example_protocol_stream_errors_match_page() -> None:
    data = b'{"status": 503, "message": "Too busy."}'
    (failure,) = shown().QuillDecoder().decode(ServerSentEvent("error", data))
    assert isinstance(failure, StreamFailure)
    assert (failure.error.status, failure.error.message) == (503, "Too busy.")


def test_documented_traits_exist() -> None:
    text = (Path(__file__).parents[2] / "docs/plugins.rst").read_text("utf-8")
    for kind in (Traits, ServerTraits):
        named = re.findall(rf"``{kind.__name__}\.(\w+)``", text)
        assert named
        assert all(hasattr(kind, name) for name in named)
