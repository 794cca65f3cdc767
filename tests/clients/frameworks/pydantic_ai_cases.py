"""Pydantic AI with its OpenAI (chat and responses), Anthropic and Google models."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from anthropic import AsyncAnthropic
from google import genai
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput, ToolOutput
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.frameworks.suite import (
    MCP_ANSWER,
    MCP_TOOL,
    PNG,
    REFUSED,
    SLOW,
    TOOL_LOOP,
    WEATHER,
    WRONG_KEY,
    Suite,
    Upstream,
    raised,
    status_of,
)

suite = Suite("chat", "responses", "anthropic", "google")


class Answer(BaseModel):
    """What the model has to return."""

    city: str
    degrees: int


EXPECTED = Answer(city="Zürich", degrees=22)


def get_weather(city: str) -> str:
    """Return the weather."""
    assert city == "Zürich", city
    return WEATHER


@cache
def openai(url: str, key: str) -> OpenAIProvider:
    return OpenAIProvider(openai_client=AsyncOpenAI(base_url=url, api_key=key, max_retries=0))


@cache
def anthropic(url: str, key: str) -> AnthropicProvider:
    client = AsyncAnthropic(base_url=url, api_key=key, max_retries=0)
    return AnthropicProvider(anthropic_client=client)


@cache
def google(url: str, key: str) -> GoogleProvider:
    options = genai.types.HttpOptions(base_url=url)
    return GoogleProvider(client=genai.Client(api_key=key, http_options=options))


def model(upstream: Upstream, name: str = "", key: str = "") -> Model:
    key = key or upstream.setting.key
    match upstream.api:
        case "chat":
            provider = openai(upstream.address + "/v1", key)
            return OpenAIChatModel(name or "gpt-5.1", provider=provider)
        case "responses":
            provider = openai(upstream.address + "/v1", key)
            return OpenAIResponsesModel(name or "gpt-5.1", provider=provider)
        case "anthropic":
            provider = anthropic(upstream.address, key)
            return AnthropicModel(name or "claude-sonnet-5", provider=provider)
    return GoogleModel(name or "gemini-3-flash-preview", provider=google(upstream.address, key))


def agent(upstream: Upstream, **options: Any) -> Agent[Any, Any]:
    return Agent(model(upstream), instructions="Be kind.", **options)


@suite.case
async def tool_loop_streamed(upstream: Upstream) -> None:
    async with agent(upstream, tools=[get_weather]).run_stream(TOOL_LOOP) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "ZEBRA-42" in "".join(pieces), pieces
    assert len(pieces) > 1, pieces
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def tool_loop_whole(upstream: Upstream) -> None:
    result = await agent(upstream, tools=[get_weather]).run(TOOL_LOOP)
    assert "ZEBRA-42" in result.output
    assert result.usage.requests == 2
    assert result.usage.output_tokens > 0


@suite.case
async def parallel_tools(upstream: Upstream) -> None:
    prompt = '[[tool get_weather {"city": "Zürich"}]]' * 2
    result = await agent(upstream, tools=[get_weather]).run(prompt)
    assert result.output.count(WEATHER) == 2, result.output


@suite.case
async def thinking_in_tool_loop(upstream: Upstream) -> None:
    asked: Any = {"thinking": "high"}
    thoughtful = agent(upstream, tools=[get_weather], model_settings=asked)
    async with thoughtful.run_stream(f"[[think PONDER-5]]{TOOL_LOOP}") as result:
        output = await result.get_output()
    assert "ZEBRA-42" in output
    parts = [part for message in result.all_messages() for part in message.parts]
    if upstream.name != "chat" and upstream.api != "chat":
        assert any(isinstance(part, ThinkingPart) for part in parts), parts
        last = upstream.setting.last_body()
        assert 'ignature"' in last or "encrypted_content" in last, last[-2000:]


@suite.case
async def structured_output_native(upstream: Upstream) -> None:
    prompt = '[[json {"city": "Zürich", "degrees": 22}]]'
    result = await agent(upstream, output_type=NativeOutput(Answer)).run(prompt)
    assert result.output == EXPECTED


@suite.case
async def structured_output_by_tool(upstream: Upstream) -> None:
    prompt = '[[tool final_result {"city": "Zürich", "degrees": 22}]]'
    result = await agent(upstream, output_type=ToolOutput(Answer)).run(prompt)
    assert result.output == EXPECTED


@suite.case
async def image(upstream: Upstream) -> None:
    picture = BinaryContent(base64.b64decode(PNG), media_type="image/png")
    result = await agent(upstream).run(["Look", picture])
    assert "[image image/png 70 bytes]" in result.output, result.output


@suite.case
async def document(upstream: Upstream) -> None:
    document = BinaryContent(b"%PDF-1.4\n%%EOF\n", media_type="application/pdf")
    result = await agent(upstream).run(["Read", document])
    assert "[document application/pdf 15 bytes]" in result.output, result.output


@suite.case
async def cancel(upstream: Upstream) -> None:
    async with upstream.setting.cancels_upstream(), agent(upstream).run_stream(SLOW) as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            await result.cancel()
            break


@suite.case
async def mcp_tool(upstream: Upstream) -> None:
    # Anthropic takes no tools with alternatives at the top, of which there is one.
    toolset = MCPToolset(upstream.setting.mcp).filtered(lambda _, tool: tool.name == MCP_TOOL)
    async with agent(upstream, toolsets=[toolset]).run_stream(
        f"[[tool {MCP_TOOL} {{}}]]"
    ) as result:
        output = await result.get_output()
    assert MCP_ANSWER in output, output


@suite.case
async def rejected(upstream: Upstream) -> None:
    error = await raised(agent(upstream).run(REFUSED))
    assert status_of(error) == 400, repr(error)
    assert "REFUSED-9" in str(error)


@suite.case
async def wrong_key(upstream: Upstream) -> None:
    denied = Agent(model(upstream, key=WRONG_KEY))
    error = await raised(denied.run("Hi"))
    assert status_of(error) == 401, repr(error)


@suite.case
async def exhausted(upstream: Upstream) -> None:
    spent = Agent(model(upstream, upstream.setting.exhausted))
    error = await raised(spent.run("Hi"))
    assert status_of(error) == 429, repr(error)


if __name__ == "__main__":
    suite.main()
