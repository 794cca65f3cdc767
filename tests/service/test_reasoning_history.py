"""Reasoning that clients dropped is put back for models that need it with tool calls."""

from __future__ import annotations

import json
from typing import Any

from tests.service.dispatch_fixture import DispatchCase

DEEPSEEK = "deepseek-v4-pro"
ASK = '[[think hm]] [[tool get_weather {"city": "Rome"}]]'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
ARGUMENTS = '{"city":"Rome"}'


def events_of(body: bytes) -> list[Any]:
    """Return the JSON of all events of a stream."""
    lines = body.decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


class Client:
    """Asks for a tool call, and goes on without the reasoning that led to it."""

    def __init__(self, case: HistoryCase, *, stream: bool) -> None:
        self.case = case
        self.stream = stream

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.case.ask(path, body)
        self.case.assertEqual(answer.status, 200, answer.body)
        return events_of(answer.body) if self.stream else answer.json()


class ChatClient(Client):
    async def call(self) -> str:
        found = await self.send([])
        if not self.stream:
            return str(found["choices"][0]["message"]["tool_calls"][0]["id"])
        calls = [c["delta"].get("tool_calls") for e in found for c in e.get("choices") or ()]
        return str(next(each[0]["id"] for each in calls if each))

    async def go_on(self, call_id: str) -> None:
        function = {"name": "get_weather", "arguments": ARGUMENTS}
        call = {"id": call_id, "type": "function", "function": function}
        await self.send(
            [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call_id, "content": "sunny"},
            ]
        )

    async def send(self, more: list[Any]) -> Any:
        function = {"name": "get_weather", "parameters": SCHEMA}
        body = {
            "model": f"{self.case.name}/{self.case.model}",
            "messages": [{"role": "user", "content": ASK}, *more],
            "tools": [{"type": "function", "function": function}],
            "stream": self.stream,
        }
        return await self.post("/v1/chat/completions", body)


class ResponsesClient(Client):
    async def call(self) -> str:
        found = await self.send([])
        response = found[-1]["response"] if self.stream else found
        return str(next(i["call_id"] for i in response["output"] if i["type"] == "function_call"))

    async def go_on(self, call_id: str) -> None:
        call = {"type": "function_call", "call_id": call_id, "name": "get_weather"}
        output = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}
        await self.send([{**call, "arguments": ARGUMENTS}, output])

    async def send(self, more: list[Any]) -> Any:
        body = {
            "model": f"{self.case.name}/{self.case.model}",
            "input": [{"role": "user", "content": ASK}, *more],
            "tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}],
            "stream": self.stream,
        }
        return await self.post("/v1/responses", body)


class MessagesClient(Client):
    async def call(self) -> str:
        found = await self.send([])
        if not self.stream:
            return str(next(b["id"] for b in found["content"] if b["type"] == "tool_use"))
        blocks = [e["content_block"] for e in found if e["type"] == "content_block_start"]
        return str(next(block["id"] for block in blocks if block["type"] == "tool_use"))

    async def go_on(self, call_id: str) -> None:
        call = {"type": "tool_use", "id": call_id, "name": "get_weather", "input": {"city": "Rome"}}
        result = {"type": "tool_result", "tool_use_id": call_id, "content": "sunny"}
        await self.send(
            [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        )

    async def send(self, more: list[Any]) -> Any:
        body = {
            "model": f"{self.case.name}/{self.case.model}",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": ASK}, *more],
            "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
            "stream": self.stream,
        }
        return await self.post("/v1/messages", body)


class GenerateContentClient(Client):
    async def call(self) -> str:
        found = await self.send([])
        chunks = found if self.stream else [found]
        parts = [p for c in chunks for p in c["candidates"][0]["content"]["parts"]]
        return str(next(p["functionCall"]["id"] for p in parts if "functionCall" in p))

    async def go_on(self, call_id: str) -> None:
        named = {"id": call_id, "name": "get_weather"}
        call = {"functionCall": {**named, "args": {"city": "Rome"}}}
        result = {"functionResponse": {**named, "response": {"result": "sunny"}}}
        await self.send([{"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}])

    async def send(self, more: list[Any]) -> Any:
        verb = "streamGenerateContent" if self.stream else "generateContent"
        body = {
            "contents": [{"role": "user", "parts": [{"text": ASK}]}, *more],
            "tools": [{"functionDeclarations": [{"name": "get_weather"}]}],
        }
        return await self.post(f"/v1beta/models/{self.case.name}/{self.case.model}:{verb}", body)


class HistoryCase(DispatchCase):
    """A gateway with one upstream, and what that was sent."""

    model = DEEPSEEK
    name = "chat"

    async def begin(self) -> None:
        await self.start({"chat": self.upstream("openai", "sk-1", apis=["chat"])})

    def sent_reasoning(self) -> list[Any]:
        """Return the reasoning of the assistant's turns in the last request upstream."""
        messages = self.reached()[-1].body["messages"]
        return [m.get("reasoning_content") for m in messages if m["role"] == "assistant"]


class ReasoningHistoryTests(HistoryCase):
    """Every client has its reasoning put back."""

    async def check(self, kind: type[Any], *, stream: bool) -> None:
        await self.begin()
        client = kind(self, stream=stream)
        await client.go_on(await client.call())
        self.assertEqual(self.sent_reasoning(), ["hm"])
        self.assertEqual(len(self.reached()), 2)

    async def test_chat_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(ChatClient, stream=False)

    async def test_streaming_chat_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(ChatClient, stream=True)

    async def test_responses_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(ResponsesClient, stream=False)

    async def test_streaming_responses_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(ResponsesClient, stream=True)

    async def test_anthropic_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(MessagesClient, stream=False)

    async def test_streaming_anthropic_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(MessagesClient, stream=True)

    async def test_gemini_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(GenerateContentClient, stream=False)

    async def test_streaming_gemini_client_that_drops_reasoning_has_it_put_back(self) -> None:
        await self.check(GenerateContentClient, stream=True)

    async def test_lost_reasoning_is_replaced_by_placeholder(self) -> None:
        await self.begin()
        for kind in (ChatClient, MessagesClient, ResponsesClient, GenerateContentClient):
            client: Any = kind(self, stream=False)
            await client.go_on("call_unknown")
            (reasoning,) = self.sent_reasoning()
            self.assertTrue(reasoning.strip())

    async def test_model_that_ignores_reasoning_gets_none(self) -> None:
        self.model = "qwen3-coder"
        await self.begin()
        for kind in (ChatClient, MessagesClient):
            client: Any = kind(self, stream=False)
            await client.go_on(await client.call())
            self.assertEqual(self.sent_reasoning(), [None])


class PassedReasoningHistoryTests(HistoryCase):
    """Chat clients in front of chat upstreams, where requests pass as they are."""

    async def test_chat_client_that_keeps_reasoning_passes(self) -> None:
        await self.begin()
        client: Any = ChatClient(self, stream=False)
        call_id = await client.call()
        function = {"name": "get_weather", "arguments": ARGUMENTS}
        call = {"id": call_id, "type": "function", "function": function}
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        await client.send(
            [
                {**said, "reasoning_content": "my own"},
                {"role": "tool", "tool_call_id": call_id, "content": "sunny"},
            ]
        )
        self.assertEqual(self.sent_reasoning(), ["my own"])
        self.assertTrue(self.record.attempts[0].passed_through)

    async def test_reasoning_is_removed_for_upstream_that_refuses_it(self) -> None:
        quirks = ["no_reasoning_content"]
        await self.start({"chat": self.upstream("openai", "sk-1", apis=["chat"], quirks=quirks)})
        self.model = "gpt-oss-120b"
        said = {"role": "assistant", "content": "so", "reasoning_content": "my own"}
        client: Any = ChatClient(self, stream=False)
        await client.send([said, {"role": "user", "content": "go on"}])
        self.assertEqual(self.sent_reasoning(), [None])

    async def test_model_that_does_not_demand_reasoning_gets_no_placeholder(self) -> None:
        self.model = "glm-4.7"
        await self.begin()
        client: Any = ChatClient(self, stream=False)
        await client.go_on("call_unknown")
        self.assertEqual(self.sent_reasoning(), [None])
        self.assertTrue(self.record.attempts[0].passed_through)
        await client.go_on(await client.call())
        self.assertEqual(self.sent_reasoning(), ["hm"])


class AnthropicReasoningHistoryTests(ReasoningHistoryTests):
    """The same behind an upstream of Anthropic's protocol, where thinking is a block."""

    name = "ant"

    async def begin(self) -> None:
        await self.start({"ant": self.upstream("anthropic", "sk-1")})

    def sent_reasoning(self) -> list[Any]:
        messages = [m for m in self.reached()[-1].body["messages"] if m["role"] == "assistant"]
        found = []
        for message in messages:
            thoughts = [b["thinking"] for b in message["content"] if b["type"] == "thinking"]
            found.append("".join(thoughts) or None)
        return found

    async def test_model_that_does_not_demand_reasoning_gets_no_placeholder(self) -> None:
        self.model = "glm-4.7"
        await self.begin()
        client: Any = MessagesClient(self, stream=False)
        await client.go_on("call_unknown")
        self.assertEqual(self.sent_reasoning(), [None])
        await client.go_on(await client.call())
        # Clients of this protocol have a field for thinking, and leave it out on purpose.
        self.assertEqual(self.sent_reasoning(), [None])
        self.assertTrue(self.record.attempts[0].passed_through)
