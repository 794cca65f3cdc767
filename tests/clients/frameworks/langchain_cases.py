"""LangChain agents with the OpenAI (chat and responses), Anthropic and Google integrations.

The standard tests of its chat models are in ``langchain_standard_tests.py``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.clients.frameworks.suite import (
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


@tool
def get_weather(city: str) -> str:
    """Return the weather."""
    assert city == "Zürich", city
    return WEATHER


@cache
def model(upstream: Upstream, name: str = "", key: str = "", think: bool = False) -> BaseChatModel:
    common: dict[str, Any] = {"api_key": key or upstream.setting.key, "max_retries": 0}
    url = upstream.address
    match upstream.api:
        case "chat":
            if think:
                common["reasoning_effort"] = "high"
            return ChatOpenAI(model=name or "gpt-5.1", base_url=f"{url}/v1", **common)
        case "responses":
            if think:
                common["reasoning"] = {"effort": "high", "summary": "auto"}
            common |= {"store": False, "include": ["reasoning.encrypted_content"]}
            return ChatOpenAI(
                model=name or "gpt-5.1", base_url=f"{url}/v1", use_responses_api=True, **common
            )
        case "anthropic":
            if think:
                common["thinking"] = {"type": "adaptive", "display": "summarized"}
            return ChatAnthropic(model=name or "claude-sonnet-5", base_url=url, **common)
    if think:
        common |= {"thinking_level": "high", "include_thoughts": True}
    # It makes one attempt if it is told of one.
    common["max_retries"] = 1
    return ChatGoogleGenerativeAI(model=name or "gemini-3-flash-preview", base_url=url, **common)


def question(text: str) -> Any:
    return {"messages": [{"role": "user", "content": text}]}


@suite.case
async def tool_loop_streamed(upstream: Upstream) -> None:
    agent = create_agent(model(upstream), [get_weather], system_prompt="Be kind.")
    pieces = []
    async for chunk, _ in agent.astream(question(TOOL_LOOP), stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk) and chunk.text:
            pieces.append(chunk.text)
    assert "ZEBRA-42" in "".join(pieces), pieces
    assert len(pieces) > 1, pieces
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def thinking_in_tool_loop(upstream: Upstream) -> None:
    agent = create_agent(model(upstream, think=True), [get_weather])
    prompt = question(f"[[think PONDER-5]]{TOOL_LOOP}")
    final: Any = None
    async for state in agent.astream(prompt, stream_mode="values"):
        final = state["messages"]
    assert "ZEBRA-42" in final[-1].text
    if upstream.name != "chat" and upstream.api != "chat":
        kinds = [block["type"] for message in final for block in message.content_blocks]
        assert "reasoning" in kinds, final
        last = upstream.setting.last_body()
        assert 'ignature"' in last or "encrypted_content" in last, last[-2000:]


@suite.case
async def structured_output_native(upstream: Upstream) -> None:
    # Without tools it sends an empty list of them, which OpenAI refuses.
    agent = create_agent(model(upstream), [get_weather], response_format=ProviderStrategy(Answer))
    result = await agent.ainvoke(question('[[json {"city": "Zürich", "degrees": 22}]]'))
    assert result["structured_response"] == EXPECTED


@suite.case
async def structured_output_by_tool(upstream: Upstream) -> None:
    agent = create_agent(model(upstream), response_format=ToolStrategy(Answer))
    result = await agent.ainvoke(question('[[tool Answer {"city": "Zürich", "degrees": 22}]]'))
    assert result["structured_response"] == EXPECTED


@suite.case
async def cancel(upstream: Upstream) -> None:
    async with upstream.setting.cancels_upstream():
        stream = model(upstream).astream(SLOW)
        async for chunk in stream:
            if chunk.text:
                break
        await stream.aclose()


@suite.case
async def rejected(upstream: Upstream) -> None:
    error = await raised(model(upstream).ainvoke(REFUSED))
    assert status_of(error) == 400, repr(error)
    assert "REFUSED-9" in str(error)


@suite.case
async def wrong_key(upstream: Upstream) -> None:
    error = await raised(model(upstream, key=WRONG_KEY).ainvoke("Hi"))
    assert status_of(error) == 401, repr(error)


@suite.case
async def exhausted(upstream: Upstream) -> None:
    error = await raised(model(upstream, upstream.setting.exhausted).ainvoke("Hi"))
    assert status_of(error) == 429, repr(error)


if __name__ == "__main__":
    suite.main()
