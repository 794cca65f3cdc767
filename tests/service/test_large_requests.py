"""Large requests to a running gateway: refused when too large, else translated in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase

from antigravity.builtin import openai as builtin_openai
from antigravity.exchange import service
from antigravity.exchange.attempts import translated
from antigravity.exchange.operations import token_count
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from antigravity.protocols.gemini.protocol import GEMINI_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_SERVER
from antigravity.protocols.openai_embeddings.protocol import OPENAI_EMBEDDINGS_SERVER
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_SERVER
from antigravity.protocols.openai_responses.socket import session
from antigravity.testing.gateway import GatewayUnderTest, start_gateway
from tests.service.socket_fixture import SocketCase, text_of
from tests.support.conditions import eventually

reactor: Any = default_reactor

CLAUDE, GEMINI, GPT = "claude-sonnet-4-6", "gemini-3-flash", "gpt-5.2"
MANY = 1500
#: How the paths end under which upstreams answer or count.
ANSWERING = ("/messages", "/completions", "/responses", "Content", "Tokens", "tokens")


def turns(count: int) -> list[dict[str, Any]]:
    """Return a history of calls and their results."""
    found: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for number in range(count):
        call = {"type": "tool_use", "id": f"t{number}", "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "ok"}
        found += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return found


def messages_of(count: int) -> list[dict[str, str]]:
    """Return ``count`` messages, alternating between the roles."""
    return [{"role": ("user", "assistant")[n % 2], "content": "x"} for n in range(count - 1)] + [
        {"role": "user", "content": "x"}
    ]


def contents(count: int) -> list[dict[str, Any]]:
    """Return so many turns of Gemini's."""
    return [
        {"role": ("user", "model")[n % 2], "parts": [{"text": "x"}]} for n in range(count - 1)
    ] + [{"role": "user", "parts": [{"text": "x"}]}]


def requests(model: str, count: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return a request of each protocol."""
    return {
        "chat": ("/v1/chat/completions", {"model": model, "messages": messages_of(count)}),
        "responses": ("/v1/responses", {"model": model, "input": messages_of(count)}),
        "anthropic": (
            "/v1/messages",
            {"model": model, "max_tokens": 99, "messages": messages_of(count)},
        ),
        "anthropic count": (
            "/v1/messages/count_tokens",
            {"model": model, "messages": messages_of(count)},
        ),
        "gemini": (f"/v1beta/models/{model}:generateContent", {"contents": contents(count)}),
        "gemini count": (f"/v1beta/models/{model}:countTokens", {"contents": contents(count)}),
        "gemini wrapped": (
            f"/v1beta/models/{model}:countTokens",
            {"generateContentRequest": {"model": f"models/{model}", "contents": contents(count)}},
        ),
    }


class Watching(TestCase):
    """A test case that sees in which thread functions are called."""

    def watch(self, where: Any, name: str) -> set[bool]:
        """Return a set that will say whether a function was called in the event loop's thread."""
        found: set[bool] = set()
        function: Callable[..., Any] = getattr(where, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            found.add(threading.current_thread() is threading.main_thread())
            return function(*arguments, **options)

        if isinstance(where, Struct):
            force_setattr(where, name, watched)
            self.addCleanup(force_setattr, where, name, function)
        else:
            self.patch(where, name, watched)
        return found


class LargeRequestTests(Watching):
    timeout = 120

    async def start(self, config: str = "") -> GatewayUnderTest:
        gateway = await start_gateway(reactor, Path(self.mktemp()), config=config)
        self.addCleanup(gateway.stop)
        return gateway

    async def test_large_request_is_decoded_and_translated_in_a_thread(self) -> None:
        # It has a copy of the functions that are watched.
        builtin_openai._chat_server.cache_clear()
        self.addCleanup(builtin_openai._chat_server.cache_clear)
        decoding = [
            self.watch(protocol, "decode")
            for protocol in (
                OPENAI_CHAT_SERVER,
                OPENAI_RESPONSES_SERVER,
                ANTHROPIC_SERVER,
                GEMINI_SERVER,
            )
        ]
        lowering = [self.watch(translated, "lower"), self.watch(token_count, "lower")]
        gateway = await self.start()
        for model in (CLAUDE, GEMINI, GPT):
            for name, (path, body) in requests(model, MANY).items():
                answer = await gateway.request("POST", path, body)
                self.assertEqual(answer.status, 200, f"{name} {model} {answer.body[:300]!r}")
        for found in (*decoding, *lowering):
            self.assertEqual(found, {False})

    async def test_small_request_is_translated_at_once(self) -> None:
        lowering = self.watch(translated, "lower")
        gateway = await self.start()
        for path, body in requests(CLAUDE, 3).values():
            self.assertEqual((await gateway.request("POST", path, body)).status, 200)
        self.assertEqual(lowering, {True})

    async def test_large_history_of_tools_is_the_same_in_a_thread(self) -> None:
        gateway = await self.start()
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        for count in (2, MANY):
            body = {"model": GEMINI, "max_tokens": 99, "messages": turns(count), "tools": tools}
            answer = await gateway.request("POST", "/v1/messages", body)
            self.assertEqual(answer.status, 200, answer.body[:300])
            sent = gateway.simulator.log[-1].body["contents"]
            self.assertEqual(len(sent), 2 * count + 1)
            names = {part["functionCall"]["name"] for each in sent[1::2] for part in each["parts"]}
            self.assertEqual(names, {"f"})

    async def test_large_stored_conversations_are_read_in_a_thread(self) -> None:
        stored = OPENAI_RESPONSES_SERVER.traits.stored_responses
        watched = {name: self.watch(stored, name) for name in ("referenced", "resolve", "expand")}
        gateway = await self.start()

        async def ask(items: list[dict[str, Any]], **more: str) -> dict[str, Any]:
            body = {"model": CLAUDE, "input": items, **more}
            answer = await gateway.request("POST", "/v1/responses", body)
            self.assertEqual(answer.status, 200, answer.body[:300])
            made: dict[str, Any] = answer.json()
            return made

        text = {"role": "user", "content": "[[say A]] " + "x" * 3_000_000}
        first = await ask([text])
        self.assertEqual(watched, {name: set() for name in watched})
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        last = {"role": "user", "content": "[[say B]]"}
        await ask([reference, last])
        await ask([last], previous_response_id=first["id"])
        self.assertEqual(watched, {"referenced": {True}, "resolve": {False}, "expand": {False}})
        await ask([reference] * (3 * MANY) + [last])
        self.assertEqual(watched["referenced"], {True, False})

    async def test_large_request_that_cannot_be_decoded_is_refused(self) -> None:
        gateway = await self.start()
        for name, (path, body) in requests(CLAUDE, MANY).items():
            held = body.get("generateContentRequest", body)
            (member,) = {"messages", "input", "contents"} & set(held)
            held[member][-1] = {"role": "nobody", "content": 7, "parts": 7}
            answer = await gateway.request("POST", path, body)
            self.assertEqual(answer.status, 400, f"{name} {answer.body[:300]!r}")

    async def test_too_many_messages_are_refused_in_protocol_shape(self) -> None:
        gateway = await self.start("[limits]\nmax_messages = 20\n")
        for model in (CLAUDE, GEMINI, GPT):
            for name, (path, body) in requests(model, 21).items():
                answer = await gateway.request("POST", path, body)
                self.assertEqual(answer.status, 400, name)
                error = answer.json()["error"]
                self.assertIn("max_messages", error["message"])
                if name.startswith("anthropic"):
                    self.assertEqual(error["type"], "invalid_request_error")
                elif name.startswith("gemini"):
                    self.assertEqual(error["status"], "INVALID_ARGUMENT")
                else:
                    wanted = "input" if name == "responses" else "messages"
                    self.assertEqual(error["param"], wanted)
        asked = [each.path for each in gateway.simulator.log if each.path.endswith(ANSWERING)]
        self.assertEqual(asked, [])
        for path, body in requests(CLAUDE, 20).values():
            self.assertEqual((await gateway.request("POST", path, body)).status, 200)

    async def test_too_many_inputs_are_refused(self) -> None:
        decoding = self.watch(OPENAI_EMBEDDINGS_SERVER, "decode_embedding")
        gateway = await self.start("[limits]\nmax_messages = 2000\n")
        for path, body in (
            ("/v1/embeddings", {"model": "gemini-embedding-001", "input": ["x"] * 2001}),
            ("/v1/completions", {"model": GPT, "prompt": ["x"] * 2001}),
            (
                "/v1beta/models/gemini-embedding-001:batchEmbedContents",
                {"requests": [{"content": {"parts": [{"text": "x"}]}}] * 2001},
            ),
        ):
            answer = await gateway.request("POST", path, body)
            self.assertEqual(answer.status, 400, answer.body[:300])
            self.assertIn("max_messages", answer.json()["error"]["message"])
        self.assertEqual(decoding, set())

    async def test_changed_limits_apply_to_next_request(self) -> None:
        gateway = await self.start("[limits]\nmax_messages = 20\n")
        path, body = requests(CLAUDE, 21)["anthropic"]
        self.assertEqual((await gateway.request("POST", path, body)).status, 400)
        await gateway.reload("[limits]\nmax_messages = 21\n")
        self.assertEqual((await gateway.request("POST", path, body)).status, 200)

    async def test_too_many_values_are_refused_by_every_endpoint(self) -> None:
        gateway = await self.start("[limits]\nmax_values = 1000\n")
        for name, (path, body) in requests(CLAUDE, 3).items():
            body["metadata"] = {f"k{n}": "v" for n in range(1001)}
            answer = await gateway.request("POST", path, body)
            self.assertEqual(answer.status, 413, name)
            self.assertIn("max_values", answer.json()["error"]["message"])

    async def test_mcp_message_with_too_many_values_is_refused(self) -> None:
        gateway = await self.start()
        batch = [{"jsonrpc": "2.0", "method": "notifications/x"}] * 60_000
        answer = await gateway.request("POST", "/mcp", batch)
        self.assertEqual(answer.status, 413, answer.body[:300])
        text = {"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"a": "[,{" * 50_000}}
        answer = await gateway.request("POST", "/mcp", text, {"accept": "*/*"})
        self.assertNotEqual(answer.status, 413)

    async def test_body_for_gateway_endpoint_has_small_limit(self) -> None:
        gateway = await self.start('[proxy]\nadmin_key = "sk-admin"\n')
        body = {"model": CLAUDE, "more": ["x"] * 100_000}
        for path in ("/v1/models/detect", "/admin/account", "/admin/tunnel/start"):
            answer = await gateway.request("POST", path, body, {"x-api-key": "sk-admin"})
            self.assertEqual(answer.status, 413, path)

    async def test_lone_surrogate_in_large_request_is_replaced_in_a_thread(self) -> None:
        cleaning = self.watch(service, "clean_json")
        gateway = await self.start()
        text = '{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"%s\\ud83d"}]}'
        for model in (CLAUDE, GEMINI):
            body = (text % (model, "long " * 50_000)).encode()
            answer = await gateway.request(
                "POST", "/v1/messages", body, {"content-type": "application/json"}
            )
            self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual(cleaning, {False})


class LargeSocketMessageTests(SocketCase, Watching):
    async def test_large_message_and_conversation_are_read_in_a_thread(self) -> None:
        functions = [self.watch(session, name) for name in ("_read", "prepare", "encode_memory")]
        await self.start()
        client = await self.connect()
        for model in ("demo-openai-websocket/gpt-5.1", "demo-anthropic/claude-sonnet-4-5"):
            client.create(model=model, input="[[say A]] " + "x" * 700_000)
            first = await client.reply()
            self.assertEqual(text_of(first), "A")
            for each in functions:
                each.clear()
            client.create(
                model=model,
                input="[[say B]] " + "y" * 700_000,
                previous_response_id=first["response"]["id"],
            )
            self.assertEqual(text_of(await client.reply()), "B")
            await eventually(lambda: all(functions))
            for found in functions:
                self.assertEqual(found, {False})

    async def test_large_message_that_is_no_request_is_refused(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input=["x" * 700_000], previous_response_id=7)
        error = await client.reply()
        self.assertEqual((error["status"], error["error"]["param"]), (400, "previous_response_id"))
        client.create(input="[[say A]]")
        self.assertEqual(text_of(await client.reply()), "A")
