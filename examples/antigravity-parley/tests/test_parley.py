"""The plugin, in a gateway before a small server that speaks Parley."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from antigravity_parley import plugin

from antigravity.ir.errors import RateLimitedError, UpstreamError
from antigravity.testing import ThreadedGateway, load_plugin, run_gateway


class Server(ThreadingHTTPServer):
    """Calls a tool if there is one and no result yet; otherwise repeats the last line."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.respond([{"models": ["parley-1"]}])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.keys.append(self.headers["X-Parley-Key"])
        last = body["lines"][-1]
        if body["tools"] and "result" not in last:
            tool = body["tools"][0]["name"]
            said = [{"kind": "tool", "id": "c1", "name": tool, "arguments": {"city": "Oslo"}}]
            why = "tool"
        else:
            said = [{"kind": "delta", "text": f"{word} "} for word in last["text"].split()]
            why = "complete"
        units = {"read": 7, "written": len(said)}
        self.respond(
            [
                {"kind": "opened", "conversation": "p1", "model": body["model"]},
                *said,
                {"kind": "closed", "why": why, "units": units},
            ]
        )

    def respond(self, lines: list[dict[str, Any]]) -> None:
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def gateway(server: Server) -> Iterator[ThreadedGateway]:
    config = f"""
[upstreams.there]
kind = "parley"
base_url = "http://127.0.0.1:{server.server_port}"
api_key = "sk-parley"
"""
    with run_gateway(plugins=[("parley", plugin)], config=config) as running:
        yield running


def test_plugin_keeps_the_rules_of_its_interfaces() -> None:
    info = load_plugin(plugin).info
    assert info.registered["protocols"] == info.registered["upstreams"] == ("parley",)


@pytest.mark.parametrize("stream", [False, True])
def test_openai_client_gets_text_and_usage(
    gateway: ThreadedGateway, server: Server, stream: bool
) -> None:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi you"}]
    body = {"model": "there/parley-1", "messages": messages, "stream": stream}
    response = gateway.post("/v1/chat/completions", body)
    assert response.status == 200, response.text
    if stream:
        assert '"content":"Hi "' in response.text
        assert response.text.endswith("data: [DONE]\n\n")
    else:
        assert response.json()["choices"][0]["message"]["content"] == "Hi you "
        assert response.json()["usage"]["prompt_tokens"] == 7
    assert server.bodies[-1]["rules"] == "Be kind."
    assert server.keys[-1] == "sk-parley"


def test_anthropic_client_calls_a_tool_and_returns_its_result(
    gateway: ThreadedGateway, server: Server
) -> None:
    tool = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
    question: dict[str, Any] = {"role": "user", "content": "Is it cold?"}
    body = {"model": "there/parley-1", "max_tokens": 100, "tools": [tool], "messages": [question]}
    first = gateway.post("/v1/messages", body).json()
    (call,) = [part for part in first["content"] if part["type"] == "tool_use"]
    assert (call["name"], call["input"]) == ("weather", {"city": "Oslo"})
    assert first["stop_reason"] == "tool_use"

    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "-3 degrees"}
    body["messages"] = [
        question,
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [result]},
    ]
    second = gateway.post("/v1/messages", body).json()
    assert second["content"][0]["text"] == "-3 degrees "
    assert server.bodies[-1]["lines"][-1] == {"result": call["id"], "text": "-3 degrees"}


def test_rate_limit_is_read_in_milliseconds() -> None:
    error = plugin.decode_error(429, {}, b'{"text": "Slowly!", "again_in_ms": 1500}')
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 1.5


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models": 3}'])
def test_list_of_another_shape_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        plugin.decode_models(body)
