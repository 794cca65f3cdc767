"""The llm library: chat completions and responses by its extra models, Anthropic by a plugin."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.clients.frameworks.suite import (
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

FOLDER = Path(tempfile.mkdtemp(prefix="llm-"))
os.environ["LLM_USER_PATH"] = str(FOLDER)
suite = Suite("chat", "responses", "anthropic")

import llm  # noqa: E402 - it reads the variable

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


def get_weather(city: str) -> str:
    """Return the weather."""
    assert city == "Zürich", city
    return WEATHER


def configure(upstream: Upstream) -> None:
    """Write the file of extra models for this upstream."""
    common = {"api_base": f"{upstream.address}/v1", "supports_tools": True, "vision": True}
    common |= {"supports_schema": True, "reasoning": True, "api_key_name": "gateway"}
    models = [
        {"model_id": "chat", "model_name": "gpt-5.1", **common},
        {"model_id": "responses", "model_name": "gpt-5.1", "responses": True, **common},
        {"model_id": "chat-spent", "model_name": upstream.setting.exhausted, **common},
        {
            "model_id": "responses-spent",
            "model_name": upstream.setting.exhausted,
            "responses": True,
            **common,
        },
    ]
    (FOLDER / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    os.environ["ANTHROPIC_BASE_URL"] = upstream.address


def model(upstream: Upstream, spent: bool = False) -> Any:
    configure(upstream)
    if upstream.api == "anthropic":
        if spent:
            raise SkipCase("llm-anthropic knows only models of Anthropic")
        return llm.get_async_model("claude-sonnet-5")
    return llm.get_async_model(f"{upstream.api}-spent" if spent else upstream.api)


async def ask(upstream: Upstream, prompt: str, **options: Any) -> str:
    key = options.pop("key", upstream.setting.key)
    response = model(upstream).prompt(prompt, key=key, **options)
    return str(await response.text())


@suite.case
async def tool_loop_streamed(upstream: Upstream) -> None:
    chain = model(upstream).chain(TOOL_LOOP, tools=[get_weather], key=upstream.setting.key)
    pieces = [piece async for piece in chain]
    assert "ZEBRA-42" in "".join(pieces), pieces
    assert len(pieces) > 1, pieces
    assert WEATHER in upstream.setting.last_body()


@suite.case
async def tool_loop_whole(upstream: Upstream) -> None:
    chain = model(upstream).chain(
        TOOL_LOOP, tools=[get_weather], key=upstream.setting.key, stream=False
    )
    assert "ZEBRA-42" in await chain.text()


@suite.case
async def parallel_tools(upstream: Upstream) -> None:
    prompt = '[[tool get_weather {"city": "Zürich"}]]' * 2
    chain = model(upstream).chain(prompt, tools=[get_weather], key=upstream.setting.key)
    text = await chain.text()
    assert text.count(WEATHER) == 2, text


@suite.case
async def thinking_in_tool_loop(upstream: Upstream) -> None:
    options: Any = {"reasoning_effort": "high"}
    if upstream.api == "anthropic":
        options = {"thinking": True}
    chain = model(upstream).chain(
        f"[[think PONDER-5]]{TOOL_LOOP}",
        tools=[get_weather],
        key=upstream.setting.key,
        options=options,
    )
    assert "ZEBRA-42" in await chain.text()


@suite.case
async def structured_output(upstream: Upstream) -> None:
    expected = '{"city": "Zürich", "degrees": 22}'
    text = await ask(upstream, f"[[json {expected}]]", schema=SCHEMA)
    assert text.replace(" ", "") == expected.replace(" ", "")


@suite.case
async def image(upstream: Upstream) -> None:
    picture = llm.Attachment(type="image/png", content=base64.b64decode(PNG))
    text = await ask(upstream, "Look", attachments=[picture])
    assert "[image image/png 70 bytes]" in text, text


@suite.case
async def cancel(upstream: Upstream) -> None:
    async def read() -> None:
        async for _ in model(upstream).prompt(SLOW, key=upstream.setting.key):
            begun.set()

    begun = asyncio.Event()
    async with upstream.setting.cancels_upstream():
        task = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()


@suite.case_with("gemini")
async def command_line(upstream: Upstream) -> None:
    model(upstream)
    name = "claude-sonnet-5" if upstream.api == "anthropic" else upstream.api
    program = Path(sys.executable).with_name("llm")
    function = f"def get_weather(city: str) -> str:\n    return {WEATHER!r}\n"
    arguments = ("-m", name, "--key", upstream.setting.key, "--functions", function, TOOL_LOOP)
    done = await asyncio.to_thread(
        subprocess.run,
        [str(program), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert "ZEBRA-42" in done.stdout, done.stdout + done.stderr


@suite.case
async def rejected(upstream: Upstream) -> None:
    error = await raised(ask(upstream, REFUSED))
    assert status_of(error) == 400, repr(error)
    assert "REFUSED-9" in str(error)


@suite.case
async def wrong_key(upstream: Upstream) -> None:
    error = await raised(ask(upstream, "Hi", key=WRONG_KEY))
    assert status_of(error) == 401, repr(error)


@suite.case
async def exhausted(upstream: Upstream) -> None:
    response = model(upstream, spent=True).prompt("Hi", key=upstream.setting.key)
    error = await raised(response.text())
    assert status_of(error) == 429, repr(error)


if __name__ == "__main__":
    suite.main()
