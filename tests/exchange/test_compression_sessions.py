"""Whole sessions of an agent that thinks and calls tools, far beyond the window."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from tests.exchange.long_conversation import TOOLS, WINDOW, LongConversationCase, prose

TASKS = 30


class SessionTests(LongConversationCase):
    """The simulator refuses what real upstreams refuse: torn pairs, missing signatures."""

    async def run_session(self, model: str, **experimental: Any) -> list[str]:
        """Run tasks of two turns each; return which layers had changed each request."""
        (self.home / "models.toml").write_text(
            f'[[model]]\nmatch = ["{model}"]\ncontext_window = {WINDOW}\n'
        )
        self.simulator.state.windows[model] = WINDOW + 1_000
        await self.start(
            self.upstreams(anthropic="anthropic", openai="openai", gemini="gemini_api"),
            **experimental,
        )
        messages: list[dict[str, Any]] = []
        layers: list[str] = []

        async def turn(content: Any) -> list[dict[str, Any]]:
            messages.append({"role": "user", "content": content})
            body = {
                "model": model,
                "max_tokens": 2_000,
                "thinking": {"type": "enabled", "budget_tokens": 1_024},
                "tools": TOOLS,
                "messages": messages,
            }
            answer = await self.post(body, x_session_id="one")
            self.assertEqual(answer.status, 200, answer.body)
            layers.append(answer.compressed.partition(";")[0])
            blocks: list[dict[str, Any]] = answer.json()["content"]
            messages.append({"role": "assistant", "content": blocks})
            return blocks

        for number in range(TASKS):
            call = json.dumps({"path": f"f{number}"})
            thought = f"hm {number} " * 60
            blocks = await turn(
                f"[[think {thought}]] [[tool Read {call}]] [[then]] [[say {number}]]"
            )
            called = next(block for block in blocks if block["type"] == "tool_use")
            self.assertEqual(called["input"], {"path": f"f{number}"})
            result = {"type": "tool_result", "tool_use_id": called["id"], "content": prose(1_500)}
            blocks = await turn([result])
            self.assertEqual(blocks[-1]["text"], str(number))
        return layers

    async def check(self, model: str, **experimental: Any) -> None:
        layers = await self.run_session(model, **experimental)
        self.assertEqual(layers[0], "")
        self.assertTrue(layers[-1])
        cuts = sum(earlier != later for earlier, later in pairwise(layers))
        self.assertLessEqual(cuts, 6)

    async def test_long_session_of_claude_is_compressed(self) -> None:
        await self.check("claude-sonnet-4-5")

    async def test_gemini_demands_signatures(self) -> None:
        await self.check("gemini-3-pro-preview")

    async def test_long_session_of_openai_is_compressed(self) -> None:
        await self.check("gpt-5.1")

    async def test_long_session_is_compressed_with_summaries(self) -> None:
        await self.check("claude-sonnet-4-5", summary=True)
