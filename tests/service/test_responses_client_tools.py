"""Tools of the Responses API that the client runs: other models call them, too."""

from __future__ import annotations

import json
from typing import Any

from antigravity.testing.responses import GatewayResponse
from tests.service.responses_fixture import ItemsCase
from tests.service.responses_samples import TRANSLATED, Json

OWN = "demo-openai-responses/gpt-5.1"
PATCH = {"type": "update_file", "path": "a.txt", "diff": "@@\n-old\n+new"}
FOUND = {"type": "function", "name": "found", "parameters": {"type": "object", "properties": {}}}
OUTPUT = {"stdout": "OUT-7", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}

#: Declaration, arguments of the call, members of its item, and members of its result.
CASES: tuple[tuple[Json, Json, Json, Json], ...] = (
    (
        {"type": "apply_patch"},
        PATCH,
        {"type": "apply_patch_call", "operation": PATCH},
        {"type": "apply_patch_call_output", "status": "completed", "output": "OUT-7"},
    ),
    (
        {"type": "apply_patch"},
        {"type": "delete_file", "path": "a.txt"},
        {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a.txt"}},
        {"type": "apply_patch_call_output", "status": "completed", "output": "OUT-7"},
    ),
    (
        {"type": "shell", "environment": {"type": "local"}},
        {"commands": ["ls", "pwd"], "timeout_ms": 5},
        {
            "type": "shell_call",
            "action": {"commands": ["ls", "pwd"], "timeout_ms": 5, "max_output_length": None},
        },
        {"type": "shell_call_output", "output": [OUTPUT]},
    ),
    (
        {"type": "local_shell"},
        {"command": ["ls", "-l"], "env": {"A": "b"}, "working_directory": "/x"},
        {
            "type": "local_shell_call",
            "action": {
                "type": "exec",
                "command": ["ls", "-l"],
                "env": {"A": "b"},
                "working_directory": "/x",
            },
        },
        {"type": "local_shell_call_output", "output": "OUT-7"},
    ),
    (
        {"type": "tool_search", "execution": "client", "description": "Finds tools."},
        {"query": "x"},
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "x"}},
        {"type": "tool_search_output", "execution": "client", "tools": [FOUND]},
    ),
)


def events_of(answer: GatewayResponse) -> list[Any]:
    """Return the events of a stream."""
    return [
        json.loads(line.removeprefix("data: "))
        for line in answer.text.splitlines()
        if line.startswith("data: {")
    ]


def signatures_of(sent: Any) -> int:
    """Return the number of thought signatures in a request to Gemini."""
    return json.dumps(sent).count('"thoughtSignature"')


class ClientToolTests(ItemsCase):
    async def test_calls_and_results_are_translated(self) -> None:
        await self.start()
        for declaration, arguments, item, result in CASES:
            for model in (OWN, *TRANSLATED.values()):
                await self.check_loop(model, declaration, arguments, item, result)

    async def check_loop(
        self, model: str, declaration: Json, arguments: Json, item: Json, result: Json
    ) -> None:
        kind = declaration["type"]
        prompt = f"Go on. [[tool {kind} {json.dumps(arguments)}]]"
        body = {"input": [{"role": "user", "content": prompt}], "tools": [declaration]}
        made, warnings, _ = await self.post(model, body)
        self.assertEqual(warnings, "", f"{kind} of {model}")
        call = made["output"][-1]
        expected = {"id": call["id"], "call_id": call["call_id"], "status": "completed", **item}
        self.assertEqual(call, expected, model)
        self.assertEqual(await self.stream(model, body, item), call.keys())
        back = [*body["input"], *made["output"], {"call_id": call["call_id"], **result}]
        again, warnings, sent = await self.post(model, {**body, "input": back})
        # Nothing is lost: neither the signature of the call, nor the call, nor its result.
        self.assertEqual(warnings, "", f"{kind} of {model}")
        unsigned = [each for each in back if each.get("type") != "reasoning"]
        _, warnings, again_sent = await self.post(model, {**body, "input": unsigned})
        if "gemini" in model:  # the gateway has stored the signature
            self.assertEqual(warnings, "", f"{kind} of {model}")
            self.assertEqual(signatures_of(sent), signatures_of(again_sent))
        said = "found" if kind == "tool_search" else "OUT-7"
        self.assertIn(said, json.dumps(again["output"]), model)
        text = json.dumps(sent)
        for value in arguments.values():
            found = value if isinstance(value, str) else json.dumps(value)
            self.assertIn(json.dumps(found)[1:-1], text.replace("\\\\", "\\"))

    async def stream(self, model: str, body: Json, item: Json) -> Any:
        """Return the members of the item at the end of a stream."""
        answer = await self.gateway.request(
            "POST", "/v1/responses", {"model": model, "stream": True, **body}
        )
        events = events_of(answer)
        about = [event for event in events if event.get("item", {}).get("type") == item["type"]]
        self.assertEqual(
            [event["type"] for event in about],
            ["response.output_item.added", "response.output_item.done"],
        )
        added, done = (event["item"] for event in about)
        self.assertEqual((added["status"], done["status"]), ("in_progress", "completed"))
        self.assertEqual(added["id"], done["id"])
        self.assertEqual(events[-1]["type"], "response.completed")
        self.assertEqual(events[-1]["response"]["output"][-1], done)
        return done.keys()

    async def test_signature_is_found_for_large_requests(self) -> None:
        await self.start()
        model, tools = TRANSLATED["gemini"], [{"type": "shell"}]
        user = {"role": "user", "content": 'Go on. [[tool shell {"commands": ["ls"]}]]'}
        made, _, _ = await self.post(model, {"input": [user], "tools": tools})
        call = made["output"][-1]
        outputs = [OUTPUT] * 2000  # so many values are not decoded in the event loop
        result = {"type": "shell_call_output", "call_id": call["call_id"], "output": outputs}
        items = [user, call, result]  # without the reasoning, whose signature is the call's
        _, warnings, sent = await self.post(model, {"input": items, "tools": tools})
        self.assertEqual(warnings, "")
        self.assertEqual(signatures_of(sent), 1)

    async def test_choice_forces_tool(self) -> None:
        await self.start()
        for model in TRANSLATED.values():
            made, _, _ = await self.post(
                model,
                {
                    "input": "Go on.",
                    "tools": [{"type": "shell"}, {"type": "apply_patch"}],
                    "tool_choice": {"type": "apply_patch"},
                },
            )
            self.assertEqual(made["output"][-1]["type"], "apply_patch_call", model)

    async def test_function_of_same_name_stays_apart(self) -> None:
        await self.start()
        function = {
            "type": "function",
            "name": "shell",
            "parameters": {"type": "object", "properties": {}},
        }
        tools = [function, {"type": "shell"}]
        for model in TRANSLATED.values():
            for name, kind in (("shell", "function_call"), ("shell_tool", "shell_call")):
                call = f'[[tool {name} {{"commands": ["ls"]}}]]'
                made, _, _ = await self.post(model, {"input": f"Go on. {call}", "tools": tools})
                self.assertEqual(made["output"][-1]["type"], kind, model)
