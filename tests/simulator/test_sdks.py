"""The official SDKs work with the simulator, with and without streaming."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.simulator.fixtures import SimulatorTestCase

warnings.filterwarnings("ignore", category=FutureWarning, module="google")

TEXT = '[[think hm]] [[say hello there]] [[tool f {"a": 1}]]'
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


class SdkTests(SimulatorTestCase):
    def in_thread(self, work: Callable[[], None]) -> Deferred[None]:
        """Return a Deferred that fires when ``work`` is done in a thread of its own."""
        done: Deferred[None] = Deferred()

        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                reactor.callFromThread(done.errback, error)
            else:
                reactor.callFromThread(done.callback, None)

        threading.Thread(target=run).start()
        return done

    def test_openai_sdk(self) -> Deferred[None]:
        def work() -> None:
            import openai

            with openai.OpenAI(api_key="k", base_url=f"{self.base}/v1", max_retries=0) as client:
                tool: Any = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
                messages: Any = [{"role": "user", "content": TEXT}]
                answer = client.chat.completions.create(
                    model="gpt-4o", messages=messages, tools=[tool]
                )
                message = answer.choices[0].message
                assert message.content == "hello there"
                assert message.tool_calls is not None
                messages += [
                    message.model_dump(exclude_none=True),
                    {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "42"},
                ]
                with client.chat.completions.stream(
                    model="gpt-4o", messages=messages, tools=[tool]
                ) as stream:
                    final = stream.get_final_completion()
                assert final.choices[0].message.content == "Result: 42"
                with client.responses.stream(
                    model="gpt-5.1", input=TEXT, include=["reasoning.encrypted_content"]
                ) as events:
                    response = events.get_final_response()
                assert response.output_text == "hello there"
                items = [item.model_dump(exclude_none=True) for item in response.output]
                call_id = items[-1]["call_id"]
                output = {"type": "function_call_output", "call_id": call_id, "output": "42"}
                given: Any = [{"role": "user", "content": TEXT}, *items, output]
                again = client.responses.create(model="gpt-5.1", input=given, store=False)
                assert again.output_text == "Result: 42"
                assert client.models.retrieve("gpt-5.1").id == "gpt-5.1"
                with pytest.raises(openai.NotFoundError) as caught:
                    client.models.retrieve("no-such")
                assert caught.value.code == "model_not_found"

        return self.in_thread(work)

    def test_anthropic_sdk(self) -> Deferred[None]:
        def work() -> None:
            import anthropic

            with anthropic.Anthropic(api_key="k", base_url=self.base, max_retries=0) as client:
                tools: Any = [{"name": "f", "input_schema": SCHEMA}]
                thinking: Any = {"type": "enabled", "budget_tokens": 1024}
                messages: Any = [{"role": "user", "content": TEXT}]
                common: Any = {
                    "model": "claude-sonnet-4-6",
                    "max_tokens": 4096,
                    "tools": tools,
                    "thinking": thinking,
                }
                with client.messages.stream(messages=messages, **common) as stream:
                    first = stream.get_final_message()
                assert [block.type for block in first.content] == ["thinking", "text", "tool_use"]
                call = first.content[-1]
                assert call.type == "tool_use"
                assert call.input == {"a": 1}
                result = {"type": "tool_result", "tool_use_id": call.id, "content": "42"}
                messages += [
                    {"role": "assistant", "content": first.content},
                    {"role": "user", "content": [result]},
                ]
                second = client.messages.create(messages=messages, **common)
                last = second.content[-1]
                assert last.type == "text"
                assert last.text == "Result: 42"
                counted = client.messages.count_tokens(
                    model="claude-sonnet-4-6", messages=messages, tools=tools
                )
                assert counted.input_tokens == second.usage.input_tokens
                assert len(list(client.models.list(limit=2))) == 7
                asked: Any = [{"role": "user", "content": "[[cite]]"}]
                cited = client.messages.create(
                    model="claude-sonnet-4-6", max_tokens=100, messages=asked
                )
                assert cited.content[0].type == "server_tool_use"
                asked[0]["content"] = "[[error 429 retry=1s]]"
                with pytest.raises(anthropic.RateLimitError) as caught:
                    client.messages.create(
                        model="claude-sonnet-4-6", max_tokens=100, messages=asked
                    )
                assert caught.value.response.headers["retry-after"] == "1"

        return self.in_thread(work)

    def test_google_sdk(self) -> Deferred[None]:
        def work() -> None:
            from google import genai
            from google.genai import types

            options = types.HttpOptions(base_url=self.base, api_version="v1beta")
            with genai.Client(api_key="k", http_options=options) as client:
                function = types.FunctionDeclaration(name="f", parameters_json_schema=SCHEMA)
                config = types.GenerateContentConfig(
                    tools=[types.Tool(function_declarations=[function])],
                    thinking_config=types.ThinkingConfig(include_thoughts=True),
                    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
                )
                chat = client.chats.create(model="gemini-3-flash", config=config)
                parts: list[types.Part] = []
                for piece in chat.send_message_stream(TEXT):
                    assert piece.candidates is not None
                    content = piece.candidates[0].content
                    assert content is not None
                    parts += content.parts or []
                texts = [part.text for part in parts if part.text and not part.thought]
                assert "".join(texts) == "hello there"
                (call,) = [part for part in parts if part.function_call]
                assert call.thought_signature
                response = types.Part.from_function_response(name="f", response={"result": "42"})
                assert chat.send_message(response).text == "Result: 42"
                counted = client.models.count_tokens(model="gemini-3-flash", contents="x" * 8)
                assert counted.total_tokens == 2
                names = [model.name for model in client.models.list()]
                assert "models/gemini-3-flash" in names

        return self.in_thread(work)
