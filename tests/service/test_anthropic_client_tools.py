"""Tools of Anthropic's API that the client runs: other models call them, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import start_gateway

reactor: Any = default_reactor

MODELS = (
    "demo-openai-chat/gpt-5.1",
    "demo-openai-responses/gpt-5.1",
    "demo-gemini_api/gemini-3-pro-preview",
    "demo-codeassist/gemini-3-flash",
)
NATIVE = "demo-anthropic/claude-sonnet-4-6"
#: Type, name, and the input of a call.
TOOLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("bash_20250124", "bash", {"command": "ls"}),
    ("text_editor_20250728", "str_replace_based_edit_tool", {"command": "view", "path": "/a"}),
    ("memory_20250818", "memory", {"command": "view", "path": "/memories"}),
)


class ClientToolTests(TestCase):
    async def test_other_models_call_tools(self) -> None:
        await self.start()
        for kind, name, arguments in TOOLS:
            for model in MODELS:
                prompt = f"Go on. [[tool {name} {json.dumps(arguments)}]]"
                messages: list[Any] = [{"role": "user", "content": prompt}]
                made = await self.post(model, kind, name, messages)
                call = made["content"][-1]
                self.assertEqual(call["type"], "tool_use", model)
                self.assertEqual((call["name"], call["input"]), (name, arguments), model)
                result = {"type": "tool_result", "tool_use_id": call["id"], "content": "OUT-7"}
                messages += [
                    {"role": "assistant", "content": made["content"]},
                    {"role": "user", "content": [result]},
                ]
                again = await self.post(model, kind, name, messages)
                self.assertIn("OUT-7", again["content"][-1]["text"], model)

    async def test_declarations_pass_to_anthropic(self) -> None:
        await self.start()
        for kind, name, _ in TOOLS:
            await self.post(NATIVE, kind, name, [{"role": "user", "content": "Go on."}])
            bodies = [each.body for each in self.gateway.simulator.log if each.body]
            declared = [body["tools"] for body in bodies if "tools" in body]
            self.assertEqual(declared[-1], [{"type": kind, "name": name}])

    async def start(self) -> None:
        self.gateway = gateway = await start_gateway(
            reactor, Path(self.mktemp()), config="[proxy]\ndebug_headers = true\n"
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))

    async def post(self, model: str, kind: str, name: str, messages: list[Any]) -> Any:
        """Return a response, for which nothing was lost."""
        tools = [{"type": kind, "name": name}]
        body = {"model": model, "max_tokens": 5000, "messages": messages, "tools": tools}
        answer = await self.gateway.request("POST", "/v1/messages", body)
        self.assertEqual(answer.status, 200, f"{model} {kind}: {answer.text}")
        self.assertNotIn("tool", answer.headers.get("x-antigravity-warnings", ""), model)
        return answer.json()
