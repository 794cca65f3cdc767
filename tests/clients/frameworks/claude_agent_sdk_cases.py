"""Claude Agent SDK, with the Claude Code that it brings along.

A program of Claude Code takes seconds to start, so most cases of an upstream share one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ResultMessage,
    StreamEvent,
    TextBlock,
    ThinkingBlock,
    create_sdk_mcp_server,
    tool,
)

from tests.clients.frameworks.suite import (
    MCP_ANSWER,
    MCP_TOOL,
    PNG,
    SLOW,
    WEATHER,
    WRONG_KEY,
    Suite,
    Upstream,
)

suite = Suite()
MODEL = "claude-sonnet-5"
LOOP = (
    '[[tool mcp__local__get_weather {"city": "Zürich"}]][[then]]'
    "[[chunks 4]][[say The marker is ZEBRA-42.]]"
)


@tool("get_weather", "Return the weather.", {"city": str})
async def get_weather(arguments: dict[str, Any]) -> dict[str, Any]:
    assert arguments == {"city": "Zürich"}, arguments
    return {"content": [{"type": "text", "text": WEATHER}]}


def options(upstream: Upstream, key: str = "", **more: Any) -> ClaudeAgentOptions:
    environment = {
        "ANTHROPIC_BASE_URL": upstream.address,
        "ANTHROPIC_API_KEY": key or upstream.setting.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "IS_SANDBOX": "1",  # it refuses to skip permissions for root without it
    }
    settings: dict[str, Any] = {
        "model": MODEL,
        "env": environment,
        "cwd": tempfile.mkdtemp(),
        "permission_mode": "bypassPermissions",
        "include_partial_messages": True,
        "setting_sources": [],
        "tools": ["Bash"],
        "mcp_servers": {
            "local": create_sdk_mcp_server("local", tools=[get_weather]),
            "ag": {"type": "http", "url": upstream.setting.mcp},
        },
        **more,
    }
    return ClaudeAgentOptions(**settings)


class Turn:
    """The messages of a turn."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def blocks(self, kind: type) -> list[Any]:
        answers = [each for each in self.messages if isinstance(each, AssistantMessage)]
        return [block for each in answers for block in each.content if isinstance(block, kind)]

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks(TextBlock))

    @property
    def result(self) -> ResultMessage:
        found = self.messages[-1]
        assert isinstance(found, ResultMessage), found
        return found

    @property
    def deltas(self) -> int:
        events = [each.event for each in self.messages if isinstance(each, StreamEvent)]
        return sum(event["type"] == "content_block_delta" for event in events)


async def ask(client: ClaudeSDKClient, prompt: Any) -> Turn:
    turn = Turn()
    await client.query(prompt)
    async for message in client.receive_response():
        turn.messages.append(message)
    return turn


async def with_image() -> AsyncIterator[dict[str, Any]]:
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "Look"}]
    message = {"role": "user", "content": content}
    yield {"type": "user", "message": message, "parent_tool_use_id": None}


@suite.case
async def session(upstream: Upstream) -> AsyncIterator[str]:
    client = ClaudeSDKClient(options(upstream))
    await client.connect()
    turn = await ask(client, LOOP)
    assert "ZEBRA-42" in turn.text, turn.messages
    assert turn.deltas > 3, turn.messages
    assert turn.result.usage["output_tokens"] > 0
    assert WEATHER in upstream.setting.last_body()
    yield "tool_loop_streamed"
    turn = await ask(client, f"[[think PONDER-5]]{LOOP}")
    assert "ZEBRA-42" in turn.text, turn.messages
    if upstream.name != "chat":
        assert turn.blocks(ThinkingBlock), turn.messages
    yield "thinking_in_tool_loop"
    turn = await ask(client, '[[tool mcp__local__get_weather {"city": "Zürich"}]]' * 2)
    assert turn.text.count(WEATHER) == 2, turn.text
    yield "parallel_tools"
    turn = await ask(client, with_image())
    assert "[image image/png 70 bytes]" in turn.text, turn.text
    yield "image"
    turn = await ask(client, f"[[tool mcp__ag__{MCP_TOOL} {{}}]]")
    assert MCP_ANSWER in turn.text, turn.text
    yield "mcp_tool"
    async with upstream.setting.cancels_upstream():
        await client.query(SLOW)
        async for message in client.receive_response():
            if isinstance(message, StreamEvent):
                await client.interrupt()
                break
    async for _ in client.receive_response():
        pass
    yield "cancel"
    turn = await ask(client, "[[error 400 message=REFUSED-9]]")
    assert turn.result.is_error, turn.messages
    assert "REFUSED-9" in str(turn.result.result), turn.result
    await client.disconnect()
    yield "rejected"


@suite.case_with("anthropic", "gemini")
async def structured_output(upstream: Upstream) -> None:
    schema = {
        "type": "object",
        "properties": {"degrees": {"type": "integer"}},
        "required": ["degrees"],
    }
    form = {"type": "json_schema", "schema": schema}
    async with ClaudeSDKClient(options(upstream, output_format=form)) as client:
        turn = await ask(client, '[[tool StructuredOutput {"degrees": 22}]]')
        assert turn.result.structured_output == {"degrees": 22}, turn.result


@suite.case_with("responses")
async def wrong_key(upstream: Upstream) -> None:
    async with ClaudeSDKClient(options(upstream, key=WRONG_KEY)) as client:
        turn = await ask(client, "Hi")
        assert turn.result.is_error, turn.messages
        assert turn.result.api_error_status == 401, turn.result


@suite.case_with("chat")
async def exhausted(upstream: Upstream) -> None:
    spent = options(upstream, model=upstream.setting.exhausted)
    async with ClaudeSDKClient(spent) as client:
        turn = await ask(client, "Hi")
        assert turn.result.is_error, turn.messages
        assert turn.result.api_error_status == 429, turn.result


if __name__ == "__main__":
    os.environ.pop("CLAUDECODE", None)
    suite.main()
