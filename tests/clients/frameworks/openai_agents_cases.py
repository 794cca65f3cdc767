"""OpenAI Agents SDK: responses, and chat completions."""

from __future__ import annotations

from functools import cache
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStreamableHttp
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel

from tests.clients.frameworks.suite import (
    MCP_ANSWER,
    PNG,
    REFUSED,
    SLOW,
    TOOL_LOOP,
    WEATHER,
    WRONG_KEY,
    SkipCase,
    Suite,
    Upstream,
    raised,
    status_of,
)

set_tracing_disabled(True)
suite = Suite("responses", "chat", "websocket")
MODEL = "gpt-5.1"


class Answer(BaseModel):
    """What the model has to return."""

    city: str
    degrees: int


@function_tool
def get_weather(city: str) -> str:
    """Return the weather."""
    assert city == "Zürich", city
    return WEATHER


@cache
def client(url: str, key: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=url, api_key=key, max_retries=0)


def config(upstream: Upstream, model: str = MODEL, key: str = "") -> RunConfig:
    provider = OpenAIProvider(
        openai_client=client(upstream.address + "/v1", key or upstream.setting.key),
        use_responses=upstream.api != "chat",
        use_responses_websocket=upstream.api == "websocket",
    )
    return RunConfig(model=model, model_provider=provider)


def agent(**options: Any) -> Agent[Any]:
    return Agent(name="A", instructions="Be kind.", **options)


@suite.case
async def tool_loop_streamed(upstream: Upstream) -> None:
    result = Runner.run_streamed(agent(tools=[get_weather]), TOOL_LOOP, run_config=config(upstream))
    kinds = [event.type async for event in result.stream_events()]
    assert "ZEBRA-42" in result.final_output, result.final_output
    assert kinds.count("raw_response_event") > 6, kinds
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def tool_loop_whole(upstream: Upstream) -> None:
    if upstream.api == "websocket":
        raise SkipCase("a WebSocket has streams only")
    result = await Runner.run(agent(tools=[get_weather]), TOOL_LOOP, run_config=config(upstream))
    assert "ZEBRA-42" in result.final_output
    assert result.context_wrapper.usage.requests == 2
    assert result.context_wrapper.usage.output_tokens > 0


@suite.case
async def parallel_tools(upstream: Upstream) -> None:
    prompt = '[[tool get_weather {"city": "Zürich"}]]' * 2
    result = Runner.run_streamed(agent(tools=[get_weather]), prompt, run_config=config(upstream))
    async for _ in result.stream_events():
        pass
    assert result.final_output.count(WEATHER) == 2, result.final_output


@suite.case
async def thinking_in_tool_loop(upstream: Upstream) -> None:
    settings = ModelSettings(
        reasoning=Reasoning(effort="high", summary="auto"),
        store=False,
        response_include=["reasoning.encrypted_content"],
    )
    if upstream.api == "chat":
        settings = ModelSettings(reasoning=Reasoning(effort="high"))
    result = Runner.run_streamed(
        agent(tools=[get_weather], model_settings=settings),
        f"[[think PONDER-5]]{TOOL_LOOP}",
        run_config=config(upstream),
    )
    kinds = [getattr(event, "name", "") async for event in result.stream_events()]
    assert "ZEBRA-42" in result.final_output
    if upstream.api != "chat" and upstream.name != "chat":
        assert "reasoning_item_created" in kinds, kinds
        last = upstream.setting.last_body()
        assert 'ignature"' in last or "encrypted_content" in last, last[-2000:]


@suite.case
async def structured_output(upstream: Upstream) -> None:
    prompt = '[[json {"city": "Zürich", "degrees": 22}]]'
    result = await Runner.run(agent(output_type=Answer), prompt, run_config=config(upstream))
    assert result.final_output == Answer(city="Zürich", degrees=22)


@suite.case
async def image(upstream: Upstream) -> None:
    content = [
        {"type": "input_text", "text": "Look"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
    ]
    history: Any = [{"role": "user", "content": content}]
    result = await Runner.run(agent(), history, run_config=config(upstream))
    assert "[image image/png 70 bytes]" in result.final_output, result.final_output


@suite.case
async def cancel(upstream: Upstream) -> None:
    async with upstream.setting.cancels_upstream():
        result = Runner.run_streamed(agent(), SLOW, run_config=config(upstream))
        async for event in result.stream_events():
            if getattr(getattr(event, "data", None), "type", "") == "response.output_text.delta":
                result.cancel()


@suite.case
async def mcp_tool(upstream: Upstream) -> None:
    parameters: Any = {"url": upstream.setting.mcp}
    async with MCPServerStreamableHttp(params=parameters) as server:
        result = Runner.run_streamed(
            agent(mcp_servers=[server]),
            "[[tool test_simple_text {}]]",
            run_config=config(upstream),
        )
        async for _ in result.stream_events():
            pass
    assert MCP_ANSWER in result.final_output


@suite.case
async def rejected(upstream: Upstream) -> None:
    error = await raised(Runner.run(agent(), REFUSED, run_config=config(upstream)))
    assert status_of(error) == 400, repr(error)
    assert "REFUSED-9" in str(error)


@suite.case
async def wrong_key(upstream: Upstream) -> None:
    denied = config(upstream, key=WRONG_KEY)
    error = await raised(Runner.run(agent(), "Hi", run_config=denied))
    assert status_of(error) == 401, repr(error)


@suite.case
async def exhausted(upstream: Upstream) -> None:
    spent = config(upstream, upstream.setting.exhausted)
    error = await raised(Runner.run(agent(), "Hi", run_config=spent))
    assert status_of(error) == 429, repr(error)


if __name__ == "__main__":
    suite.main()
