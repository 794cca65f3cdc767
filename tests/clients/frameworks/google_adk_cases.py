"""Google's Agent Development Kit with its Gemini and Anthropic models."""

from __future__ import annotations

import base64
import logging
import re
from functools import cache
from typing import Any

from anthropic import AsyncAnthropic
from google import genai
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.anthropic_llm import AnthropicGenerateContentConfig, AnthropicLlm
from google.adk.models.base_llm import BaseLlm
from google.adk.models.google_llm import Gemini
from google.adk.planners import BuiltInPlanner
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpToolset, StreamableHTTPConnectionParams
from google.genai import types
from pydantic import BaseModel

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

logging.disable(logging.ERROR)
suite = Suite("gemini", "anthropic", "interactions")


class ModelError(Exception):
    """An error that the model reported by an event; its text names the HTTP status."""

    @property
    def status(self) -> int:
        found = re.search(r"\b(4\d\d|5\d\d)\b", str(self).partition("{")[0])
        return int(found[1]) if found else 0


class Answer(BaseModel):
    """What the model has to return."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Return the weather."""
    assert city == "Zürich", city
    return WEATHER


@cache
def gemini(url: str, key: str) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))


@cache
def anthropic(url: str, key: str) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=url, api_key=key, max_retries=0)


def model(upstream: Upstream, name: str = "", key: str = "") -> BaseLlm:
    key = key or upstream.setting.key
    if upstream.api == "anthropic":
        client = anthropic(upstream.address, key)
        return AnthropicLlm(model=name or "claude-sonnet-5", client=client)
    return Gemini(
        model=name or "gemini-3-flash-preview",
        base_url=upstream.address,
        client_kwargs={"api_key": key},
        # Interactions wait as long as a 429 says, by default.
        retry_options=types.HttpRetryOptions(attempts=1),
        use_interactions_api=upstream.api == "interactions",
    )


async def run(
    upstream: Upstream, text: str, *, stream: bool = True, image: str = "", **options: Any
) -> list[Any]:
    """Return the events of a turn."""
    options = {"model": model(upstream), **options}
    agent = LlmAgent(name="helper", instruction="Be kind.", **options)
    runner = InMemoryRunner(agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    parts = [types.Part(text=text)]
    if image:
        parts.append(types.Part.from_bytes(data=base64.b64decode(image), mime_type="image/png"))
    found: list[Any] = []
    mode = StreamingMode.SSE if stream else StreamingMode.NONE
    async for event in runner.run_async(
        user_id="u",
        session_id=session.id,
        new_message=types.Content(role="user", parts=parts),
        run_config=RunConfig(streaming_mode=mode),
    ):
        if event.error_code:
            raise ModelError(event.error_message)
        found.append(event)
    return found


def text_of(events: list[Any], *, partial: bool = False) -> str:
    """Return the text of whole events, or of the pieces before them."""
    parts = [
        part
        for event in events
        if bool(event.partial) is partial and event.content
        for part in event.content.parts or ()
    ]
    return "".join(part.text or "" for part in parts if not part.thought)


@suite.case
async def tool_loop_streamed(upstream: Upstream) -> None:
    events = await run(upstream, TOOL_LOOP, tools=[get_weather])
    assert "ZEBRA-42" in text_of(events), events
    assert "ZEBRA-42" in text_of(events, partial=True), events
    assert sum(bool(event.partial) for event in events) > 1
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def tool_loop_whole(upstream: Upstream) -> None:
    events = await run(upstream, TOOL_LOOP, stream=False, tools=[get_weather])
    assert "ZEBRA-42" in text_of(events), events
    assert events[-1].usage_metadata.candidates_token_count > 0


@suite.case
async def parallel_tools(upstream: Upstream) -> None:
    prompt = '[[tool get_weather {"city": "Zürich"}]]' * 2
    events = await run(upstream, prompt, tools=[get_weather])
    assert text_of(events).count(WEATHER) == 2, events


@suite.case
async def thinking_in_tool_loop(upstream: Upstream) -> None:
    options: dict[str, Any] = {}
    if upstream.api == "anthropic":
        options["generate_content_config"] = AnthropicGenerateContentConfig(
            thinking_config=types.ThinkingConfig(thinking_budget=-1, include_thoughts=True)
        )
    else:
        config = types.ThinkingConfig(thinking_level="HIGH", include_thoughts=True)
        options["planner"] = BuiltInPlanner(thinking_config=config)
    events = await run(upstream, f"[[think PONDER-5]]{TOOL_LOOP}", tools=[get_weather], **options)
    assert "ZEBRA-42" in text_of(events), events
    if upstream.api == "interactions":  # it asks for no thinking there, but sends it back
        return
    if upstream.name != "chat":
        parts = [part for event in events if event.content for part in event.content.parts]
        assert any(part.thought for part in parts), parts
        last = upstream.setting.last_body()
        assert 'ignature"' in last or "encrypted_content" in last, last[-2000:]


@suite.case
async def structured_output(upstream: Upstream) -> None:
    prompt = '[[json {"city": "Zürich", "degrees": 22}]]'
    if upstream.api == "anthropic":  # it offers a tool for the answer
        prompt = '[[tool structured_output {"city": "Zürich", "degrees": 22}]]'
    events = await run(upstream, prompt, stream=False, output_schema=Answer)
    assert Answer.model_validate_json(text_of(events)) == Answer(city="Zürich", degrees=22)


@suite.case
async def image(upstream: Upstream) -> None:
    events = await run(upstream, "Look", image=PNG)
    assert "[image image/png 70 bytes]" in text_of(events), events


@suite.case
async def cancel(upstream: Upstream) -> None:
    agent = LlmAgent(name="helper", model=model(upstream))
    runner = InMemoryRunner(agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    async with upstream.setting.cancels_upstream():
        stream = runner.run_async(
            user_id="u",
            session_id=session.id,
            new_message=types.Content(role="user", parts=[types.Part(text=SLOW)]),
            run_config=RunConfig(streaming_mode=StreamingMode.SSE),
        )
        async for _ in stream:
            break
        await stream.aclose()


@suite.case
async def mcp_tool(upstream: Upstream) -> None:
    parameters = StreamableHTTPConnectionParams(url=upstream.setting.mcp)
    toolset = McpToolset(connection_params=parameters, tool_filter=[MCP_TOOL])
    events = await run(upstream, f"[[tool {MCP_TOOL} {{}}]]", tools=[toolset])
    await toolset.close()
    assert MCP_ANSWER in text_of(events), events


@suite.case
async def rejected(upstream: Upstream) -> None:
    error = await raised(run(upstream, REFUSED))
    assert status_of(error) == 400, repr(error)
    assert "REFUSED-9" in str(error)


@suite.case
async def wrong_key(upstream: Upstream) -> None:
    error = await raised(run(upstream, "Hi", model=model(upstream, key=WRONG_KEY)))
    assert status_of(error) == 401, repr(error)


@suite.case
async def exhausted(upstream: Upstream) -> None:
    spent = model(upstream, upstream.setting.exhausted)
    error = await raised(run(upstream, "Hi", model=spent))
    assert status_of(error) == 429, repr(error)


if __name__ == "__main__":
    suite.main()
