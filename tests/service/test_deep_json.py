"""Deeply nested JSON anywhere in a request is a 400 in the protocol's shape, never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase
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

#: What upstreams of each kind are asked for.
KINDS = ("openai", "anthropic", "gemini_api", "codeassist")
ADMIN = "sk-operator-0123456789"
#: Below what the reader takes, about what it takes, and far above.
VALUES = ((400, "schema"), (400, "list"), (980, "object"), (100_000, "list"))
MODELS = ("gpt-5.1", "claude-sonnet-4-5", "gemini-2.5-flash")
HOLE = '"@deep"'


def deep(depth: int, kind: str) -> str:
    """Return a value of that depth: lists, or objects, or schemas within schemas."""
    opening, closing = {
        "list": ("[", "]"),
        "object": ('{"a":', "}"),
        "schema": ('{"type":"object","properties":{"a":', "}}"),
    }[kind]
    return opening * depth + ("1" if kind != "schema" else '{"type":"string"}') + closing * depth


def bodies(model: str) -> Iterator[tuple[str, Any]]:
    """Yield paths and bodies with a hole in each place that takes any JSON."""
    say = {"role": "user", "content": "[[say fine]]"}
    chat: dict[str, Any] = {"model": model, "messages": [say]}
    function = {"name": "f", "parameters": "@deep"}
    for body in (
        "@deep",
        {**chat, "messages": "@deep"},
        {**chat, "messages": [{"role": "user", "content": "@deep"}]},
        {**chat, "tools": [{"type": "function", "function": function}]},
        {**chat, "metadata": "@deep"},
        {**chat, "n": "@deep"},
        {**chat, "max_tokens": "@deep"},
        {**chat, "stop": "@deep"},
        {**chat, "unknown": "@deep"},
        {
            **chat,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": "@deep"},
            },
        },
    ):
        yield "/v1/chat/completions", body
    claude: dict[str, Any] = {"model": model, "max_tokens": 20, "messages": [say]}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": "@deep"}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}
    turns = [say, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    for body in (
        "@deep",
        {**claude, "system": "@deep"},
        {**claude, "thinking": "@deep"},
        {**claude, "temperature": "@deep"},
        {**claude, "output_config": "@deep"},
        {**claude, "tools": [{"name": "f", "input_schema": "@deep"}]},
        {**claude, "messages": turns},
    ):
        yield "/v1/messages", body
        yield "/v1/messages/count_tokens", body
    for body in (
        "@deep",
        {"model": model, "input": "@deep"},
        {"model": model, "input": "x", "metadata": "@deep"},
        {"model": model, "input": "x", "tools": [{"type": "function", **function}]},
    ):
        yield "/v1/responses", body
        yield "/v1/responses/input_tokens", body
    contents = [{"role": "user", "parts": [{"text": "[[say fine]]"}]}]
    calls = {"functionCall": {"name": "f", "args": "@deep"}}
    answers = {"functionResponse": {"name": "f", "response": {"a": "@deep"}}}
    for body in (
        "@deep",
        {"contents": "@deep"},
        {"contents": contents, "generationConfig": {"responseSchema": "@deep"}},
        {"contents": contents, "generationConfig": {"responseJsonSchema": "@deep"}},
        {"contents": contents, "tools": [{"functionDeclarations": [function]}]},
        {
            "contents": [
                *contents,
                {"role": "model", "parts": [calls]},
                {"role": "user", "parts": [answers]},
            ]
        },
    ):
        yield f"/v1beta/models/{model}:generateContent", body
        yield f"/v1beta/models/{model}:countTokens", body


def others() -> Iterator[tuple[str, Any]]:
    """Yield the same for paths that know no models, or none of these."""
    for path in (
        "/v1/completions",
        "/v1/embeddings",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1beta/models/text-embedding-004:embedContent",
        "/v1/models/detect",
        "/admin/account",
        "/admin/tunnel/start",
        "/internal/warmup",
        "/mcp",
    ):
        for body in ("@deep", {"model": "@deep", "input": "@deep", "prompt": "@deep"}):
            yield path, body
    for method in ("initialize", "tools/list", "tools/call", "nonsense"):
        for params in ("@deep", {"name": "x", "arguments": "@deep"}, {"_meta": "@deep"}):
            yield "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


class DeepJsonTests(TestCase):
    """One gateway with the simulator inside."""

    timeout = 110

    async def start(self) -> None:
        proxy = ProxySettings(listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(ADMIN))
        plugins = PluginHost()
        plugins.load(installed=False)
        self.gateway = Gateway(reactor, Settings(proxy), Path(self.mktemp()), plugins, demo=True)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def post(self, path: str, data: bytes) -> Any:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "authorization": f"Bearer {ADMIN}",
        }
        return await treq.post(
            f"http://127.0.0.1:{port}{path}", data=data, headers=headers, persistent=False
        )

    async def status(self, path: str, data: bytes) -> int:
        response = await self.post(path, data)
        await response.content()
        return int(response.code)

    async def check(self, path: str, body: Any, value: str) -> None:
        data = json.dumps(body).replace(HOLE, value).encode("utf-8", "surrogateescape")
        response = await self.post(path, data)
        text = await response.text()
        shown = f"{path} {json.dumps(body)} {len(value)}: {response.code} {text[:300]}"
        if response.code >= 500:
            print("BAD", shown)
        logged = self.flushLoggedErrors()
        if logged:
            print("LOGGED", logged[0].type, path, len(value))

    async def test_deep_json_in_any_field_is_client_error(self) -> None:
        await self.start()
        for depth, kind in VALUES:
            value = deep(depth, kind)
            for path, body in others():
                await self.check(path, body, value)
            for model in MODELS:
                for path, body in bodies(model):
                    await self.check(path, body, value)

    async def test_invalid_utf_8_in_any_field_is_client_error(self) -> None:
        await self.start()
        for value in ("\udcff",):
            for form in ('"{}"', '[{{"role":"{}","text":"{}"}}]'):
                for path, body in others():
                    await self.check(path, body, form.format(value, value))
                for model in MODELS:
                    for path, body in bodies(model):
                        await self.check(path, body, form.format(value, value))

    async def test_bodies_outside_protocols_accept_byte_order_mark_and_refuse_other_encodings(
        self,
    ) -> None:
        await self.start()
        path, body = "/v1/models/detect", b'{"model":"gpt-5.1"}'
        self.assertEqual(await self.status(path, b"\xef\xbb\xbf" + body), 200)
        for bad in (
            body.decode().encode("utf-16"),
            b'{"model":"\xff","account":"\xff"}',
            b"",
            b"null",
        ):
            for path in ("/v1/models/detect", "/admin/account", "/mcp"):
                self.assertEqual(await self.status(path, bad), 400, (path, bad))


class DeepResponse(Resource):
    """Sends the same body for every request."""

    isLeaf = True  # noqa: N815 - the name is Twisted's

    def __init__(self) -> None:
        super().__init__()
        self.status, self.kind, self.body = 200, "", b""

    def render(self, request: Any) -> bytes:
        if request.path == b"/token":
            request.setHeader(b"content-type", b"application/json")
            return b'{"access_token":"t","expires_in":3600}'
        request.setResponseCode(self.status)
        request.setHeader(b"content-type", self.kind.encode())
        return self.body


class DeepResponseTests(TestCase):
    """Upstreams of each kind that send deeply nested JSON."""

    timeout = 110

    async def start(self) -> None:
        self.answers = DeepResponse()
        port = reactor.listenTCP(  # type: ignore[attr-defined]
            0, Site(self.answers), interface="127.0.0.1"
        )
        self.addCleanup(port.stopListening)
        base = f"http://127.0.0.1:{port.getHost().port}"
        upstreams = {
            kind: UpstreamSettings(
                kind=kind,
                base_url=base,
                api_key=Secret("" if kind == "codeassist" else "sk-upstream-1"),
                refresh_token=Secret("r" if kind == "codeassist" else ""),
                project="p" if kind == "codeassist" else "",
                models=[f"{kind}-*"],
                oauth=OAuthSettings("id", Secret("secret"), f"{base}/token"),
            )
            for kind in KINDS
        }
        scheduling = SchedulingSettings(max_wait_seconds=0.0, retry_pause=0.0)
        proxy = ProxySettings(listen=["tcp:0:interface=127.0.0.1"], scheduling=scheduling)
        plugins = PluginHost()
        plugins.load(installed=False)
        settings = Settings(proxy, upstreams)
        self.gateway = Gateway(reactor, settings, Path(self.mktemp()), plugins)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def check(self, path: str, body: Any) -> None:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.post(f"http://127.0.0.1:{port}{path}", json=body, persistent=False)
        text = await response.text()
        told = f"{path} {body} {self.answers.status} {self.answers.kind}: {response.code} {text}"
        self.assertNotEqual(response.code, 500, told[:2000])
        self.assertNotIn("its log says why", text, told[:2000])
        self.assertEqual(self.flushLoggedErrors(), [], told[:2000])

    async def test_deep_response_is_upstream_error(self) -> None:
        await self.start()
        message = {"role": "user", "content": "hello"}
        contents = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
        for status, kind, frame in (
            (200, "application/json", "%s"),
            (400, "application/json", '{"error":%s}'),
            (400, "application/json", "%s"),
            (429, "application/json", '{"error":{"message":"m","details":%s}}'),
            (200, "text/event-stream", "data: %s\n\n"),
            (200, "text/event-stream", 'event: error\ndata: {"error":%s}\n\n'),
        ):
            for depth in (900, 5000):
                self.answers.status, self.answers.kind = status, kind
                self.answers.body = (frame % deep(depth, "object")).encode()
                asked = []
                for upstream in KINDS:
                    model = f"{upstream}-1"
                    for stream in (False, True):
                        body = {"model": model, "messages": [message], "stream": stream}
                        asked += [
                            ("/v1/chat/completions", body),
                            ("/v1/messages", {**body, "max_tokens": 9}),
                            ("/v1/responses", {"model": model, "input": "x", "stream": stream}),
                        ]
                    for method in ("generateContent", "countTokens"):
                        asked.append((f"/v1beta/models/{model}:{method}", contents))
                checks = [Deferred.fromCoroutine(self.check(*each)) for each in asked]
                await gatherResults(checks, consumeErrors=True)
                for credential in self.gateway.accounts.in_use.credentials():
                    self.gateway.accounts.pool.unlock(credential.id)
