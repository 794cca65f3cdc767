"""A small coding agent of the Anthropic protocol; it keeps its history as real ones do."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.chaos.requests import events

Send = Callable[[str, Any, str], Awaitable[tuple[int, bytes]]]
Between = Callable[[], Awaitable[None]]

TOOLS = [
    {
        "name": "Read",
        "description": "Reads a file.",
        "input_schema": {
            "type": "object",
            "properties": {"path": {"type": "string"}},
            "required": ["path"],
        },
    }
]


class Agent:
    """Asks, runs tools, and sends back all that was said, block by block."""

    def __init__(self, send: Send, model: str, name: str) -> None:
        self._send = send
        self._model = model
        self._name = name
        self.messages: list[dict[str, Any]] = []
        self.requests = 0

    async def task(self, number: int, between: Sequence[Between] = ()) -> str:
        """Have a file read and something said of it: two turns; return what was said.

        ``between`` is called while the tool runs.
        """
        call = json.dumps({"path": f"file-{number}.py"})
        prompt = f"[[tool Read {call}]] [[then]] [[say done {number}]]"
        self.messages.append({"role": "user", "content": [{"type": "text", "text": prompt}]})
        blocks = await self._turn()
        calls = [block for block in blocks if block["type"] == "tool_use"]
        assert [block["input"] for block in calls] == [{"path": f"file-{number}.py"}]
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": f"# {number}"}
            for block in calls
        ]
        for happens in between:
            await happens()
        self.messages.append({"role": "user", "content": results})
        blocks = await self._turn()
        return "".join(block["text"] for block in blocks if block["type"] == "text")

    async def drop_thinking(self) -> None:
        """Lose the thinking of the last turn with a tool call, signature and all."""
        for message in reversed(self.messages):
            if any(block["type"] == "tool_use" for block in message["content"]):
                kept = [block for block in message["content"] if block["type"] != "thinking"]
                message["content"] = kept
                return

    async def _turn(self) -> list[dict[str, Any]]:
        self.requests += 1
        body = {
            "model": self._model,
            "max_tokens": 8000,
            "stream": True,
            "system": [{"type": "text", "text": "You are an agent."}],
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "tools": TOOLS,
            "messages": self.messages,
            "metadata": {"user_id": f"user_1_account__session_{self._name}"},
        }
        status, answer = await self._send("/v1/messages", body, f"{self._name}-{self.requests}")
        assert status == 200, answer
        blocks = read(answer)
        self.messages.append({"role": "assistant", "content": blocks})
        return blocks


def read(answer: bytes) -> list[dict[str, Any]]:
    """Return the blocks of a streamed answer.

    :raises AssertionError: if it did not end in order.
    """
    blocks: list[dict[str, Any]] = []
    found = events(answer)
    for name, event in found:
        assert name != "error", event
        if name == "content_block_start":
            blocks.append(dict(event["content_block"]))
            arguments = ""
        elif name == "content_block_delta":
            delta = event["delta"]
            match delta["type"]:
                case "text_delta":
                    blocks[-1]["text"] += delta["text"]
                case "thinking_delta":
                    blocks[-1]["thinking"] += delta["thinking"]
                case "signature_delta":
                    blocks[-1]["signature"] = delta["signature"]
                case "input_json_delta":
                    arguments += delta["partial_json"]
        elif name == "content_block_stop" and blocks[-1]["type"] == "tool_use":
            blocks[-1]["input"] = json.loads(arguments or "{}")
    assert found[-1][0] == "message_stop"
    return blocks
