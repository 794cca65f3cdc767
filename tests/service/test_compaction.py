"""What an upstream gets of conversations that the gateway compacts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import GatewayUnderTest, start_gateway

reactor: Any = default_reactor

OPENAI = "demo-openai-responses/gpt-5.1"
#: A model behind each other protocol.
TRANSLATED = (
    "demo-openai-chat/gpt-5.1",
    "demo-anthropic/claude-sonnet-4-6",
    "demo-gemini_api/gemini-3-pro-preview",
    "demo-codeassist/gemini-3-flash",
)
TRIGGER = {"type": "compaction_trigger"}
HISTORY: list[dict[str, Any]] = [
    {"role": "developer", "content": "Speak SOFTLY."},
    {"role": "user", "content": "Build a shed. [[say THE SUMMARY]]"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "PONDERING"}],
        "encrypted_content": "ag1.claude.SIGNATURE",
    },
    {"role": "assistant", "content": "The shed stands."},
    {"role": "user", "content": [{"type": "input_text", "text": "Paint it."}]},
    {
        "type": "function_call",
        "call_id": "call_done",
        "name": "paint",
        "arguments": '{"colour": "red"}',
    },
    {"type": "function_call_output", "call_id": "call_done", "output": "It is PAINTED."},
    {"type": "function_call", "call_id": "call_open", "name": "dry", "arguments": '{"h": 7}'},
]
TOOLS = [{"type": "function", "name": each, "parameters": {}} for each in ("paint", "dry")]
GO_ON: list[dict[str, Any]] = [
    {"type": "function_call_output", "call_id": "call_open", "output": "DRIED"},
    {"role": "assistant", "content": "It is dry."},
    {"role": "user", "content": "What next? [[say well]]"},
]
LONG: list[dict[str, Any]] = [
    {"role": "developer", "content": "Speak SOFTLY."},
    {"role": "user", "content": "Read it. [[say THE SUMMARY]] FIRST " + "log " * 3000},
    {"role": "assistant", "content": "It is READ."},
    {"role": "user", "content": "Go on. [[say well]]"},
]
MANAGED = [{"type": "compaction", "compact_threshold": 2000}]


class CompactionCase(TestCase):
    """A gateway with the demo's upstreams."""

    gateway: GatewayUnderTest

    async def start(self, home: Path | None = None, config: str = "") -> None:
        self.gateway = gateway = await start_gateway(
            reactor, home or Path(self.mktemp()), config=config
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Return the JSON of a reply; the simulator's log has only its requests."""
        self.gateway.simulator.log.clear()
        answer = await self.gateway.request("POST", path, body)
        self.assertEqual(answer.status, status, answer.text)
        return json.loads(answer.text)

    async def create(self, model: str, items: Any, **fields: Any) -> Any:
        return await self.post("/v1/responses", {"model": model, "input": items, **fields})

    def sent(self) -> list[str]:
        """Return the bodies that upstreams got since the last request."""
        bodies = [json.dumps(logged.body) for logged in self.gateway.simulator.log if logged.body]
        turns = ('"messages"', '"contents"', '"input"')
        return [body for body in bodies if any(name in body for name in turns)]

    async def each(self, check: Callable[[str], Awaitable[None]]) -> None:
        await self.start()
        for model in TRANSLATED:
            await check(model)


class SummaryTests(CompactionCase):
    async def test_model_that_serves_summarises(self) -> None:
        async def check(model: str) -> None:
            await self.post("/v1/responses/compact", {"model": model, "input": HISTORY})
            (sent,) = self.sent()
            self.assertIn("<transcript>", sent)
            for kept in ("Build a shed.", "The shed stands.", "PAINTED", "colour"):
                self.assertIn(kept, sent)
            for left_out in ("call_open", "PONDERING", "SIGNATURE", '"tools"'):
                self.assertNotIn(left_out, sent)

        await self.each(check)

    async def test_compacted_conversation_goes_on(self) -> None:
        async def check(model: str) -> None:
            made = await self.post("/v1/responses/compact", {"model": model, "input": HISTORY})
            self.assertEqual(
                [item.get("role", item["type"]) for item in made["output"]],
                ["user", "user", "compaction"],
            )
            await self.create(model, [*made["output"], *GO_ON], tools=TOOLS)
            (sent,) = self.sent()
            for kept in ("THE SUMMARY", "Build a shed.", "Paint it.", "SOFTLY", "dry", "DRIED"):
                self.assertIn(kept, sent, model)
            for left_out in ("PAINTED", "The shed stands.", "PONDERING", "ag1.", "compaction"):
                self.assertNotIn(left_out, sent, model)

        await self.each(check)

    async def test_conversation_goes_on_after_trigger(self) -> None:
        async def check(model: str) -> None:
            made = await self.create(model, [*HISTORY, TRIGGER], tools=TOOLS)
            (item,) = made["output"]
            for before in ([], HISTORY, HISTORY[:2]):
                await self.create(model, [*before, item, *GO_ON], tools=TOOLS)
                self.check_continued(model)
            await self.create(model, GO_ON, previous_response_id=made["id"], tools=TOOLS)
            self.check_continued(model)

        await self.each(check)

    def check_continued(self, model: str) -> None:
        (sent,) = self.sent()
        for kept in ("THE SUMMARY", "DRIED"):
            self.assertIn(kept, sent, model)
        self.assertEqual(sent.count("SOFTLY"), 1, model)
        for left_out in ("PAINTED", "The shed stands.", "ag1.", "compaction"):
            self.assertNotIn(left_out, sent, model)

    async def test_long_history_is_compacted_first(self) -> None:
        async def check(model: str) -> None:
            made = await self.create(model, LONG, context_management=MANAGED)
            asked, sent = self.sent()
            self.assertIn("<transcript>", asked)
            self.assertIn("FIRST", asked)
            self.assertIn("THE SUMMARY", sent)
            self.assertIn("Go on.", sent)
            self.assertIn("SOFTLY", sent)
            self.assertNotIn("READ", sent)
            self.assertEqual(made["output"][0]["type"], "compaction")
            for before in (LONG, []):
                await self.create(
                    model, [*before, *made["output"], *GO_ON[1:]], context_management=MANAGED
                )
                (again,) = self.sent()
                for kept in ("THE SUMMARY", "Go on.", "well", "What next?"):
                    self.assertIn(kept, again, model)
                self.assertEqual(again.count("SOFTLY"), 1, model)
                self.assertNotIn("FIRST", again, model)

        await self.each(check)

    async def test_summary_is_summarised_again(self) -> None:
        async def check(model: str) -> None:
            made = await self.create(model, [*HISTORY, TRIGGER])
            more = [*made["output"], *GO_ON, TRIGGER]
            await self.create(model, more, tools=TOOLS)
            (asked,) = self.sent()
            self.assertIn("THE SUMMARY", asked)
            self.assertIn("DRIED", asked)

        await self.each(check)

    async def test_records_have_usage_of_summary(self) -> None:
        await self.start()
        model = TRANSLATED[1]
        made = await self.create(model, [*HISTORY, TRIGGER])
        self.assertGreater(made["usage"]["input_tokens"], 100)
        self.assertGreater(made["usage"]["output_tokens"], 0)


class OpenAITests(CompactionCase):
    async def test_requests_pass_unchanged(self) -> None:
        await self.start()
        history = [item for item in HISTORY if item.get("type") != "reasoning"]
        for path, body in (
            ("/v1/responses/compact", {"input": history}),
            ("/v1/responses", {"input": [*history, TRIGGER]}),
            ("/v1/responses", {"input": LONG, "context_management": MANAGED}),
        ):
            made = await self.post(path, {"model": OPENAI, **body})
            (sent,) = [each for each in self.gateway.simulator.log if each.path == path]
            self.assertEqual(sent.path, path)
            self.assertEqual(sent.body, {"model": "gpt-5.1", **body})
            kinds = [item["type"] for item in made["output"]]
            self.assertEqual(kinds.count("compaction"), 1)

    async def test_conversation_moves_to_openai(self) -> None:
        await self.start()
        path = "/v1/responses/compact"
        made = await self.post(path, {"model": TRANSLATED[1], "input": HISTORY})
        await self.create(OPENAI, [*made["output"], *GO_ON], tools=TOOLS)
        (sent,) = self.sent()
        self.assertIn("THE SUMMARY", sent)
        self.assertNotIn("ag1.", sent)
        again = await self.create(OPENAI, [*made["output"], *GO_ON, TRIGGER], tools=TOOLS)
        self.assertEqual([item["type"] for item in again["output"]], ["compaction"])
        self.assertTrue(again["output"][0]["encrypted_content"].startswith("gAAAA"))


class RefusalTests(CompactionCase):
    async def test_foreign_compaction_names_item(self) -> None:
        async def check(model: str) -> None:
            foreign = {"type": "compaction", "encrypted_content": "gAAAAforeign"}
            for end in ([], [TRIGGER]):
                body = {"model": model, "input": [GO_ON[-1], foreign, GO_ON[-1], *end]}
                made = await self.post("/v1/responses", body, status=400)
                self.assertEqual(made["error"]["param"], "input[1].encrypted_content")
                self.assertEqual(self.sent(), [])

        await self.each(check)

    async def test_key_is_shared_by_processes_of_home(self) -> None:
        home = Path(self.mktemp())
        await self.start(home)
        made = await self.create(TRANSLATED[1], [*HISTORY, TRIGGER])
        await self.gateway.stop()
        key = home / "state" / "compaction.key"
        self.assertEqual((len(key.read_bytes()), key.stat().st_mode & 0o777), (32, 0o600))
        await self.start(home)
        await self.create(TRANSLATED[1], [*made["output"], *GO_ON], tools=TOOLS)
        await self.start()
        body = {"model": TRANSLATED[1], "input": [*made["output"], *GO_ON], "tools": TOOLS}
        refused = await self.post("/v1/responses", body, status=400)
        self.assertEqual(refused["error"]["code"], "invalid_encrypted_content")
        self.assertEqual(refused["error"]["param"], "input[0].encrypted_content")

    async def test_settings_of_compaction_are_checked(self) -> None:
        await self.start()
        for wrong, param in (
            (["other"], "context_management"),
            (
                [{"type": "compaction", "compact_threshold": 0}],
                "context_management[0].compact_threshold",
            ),
            (7, "context_management"),
        ):
            body = {"model": TRANSLATED[0], "input": "Hi", "context_management": wrong}
            made = await self.post("/v1/responses", body, status=400)
            self.assertEqual(made["error"]["param"], param)

    async def test_endpoint_needs_model_and_input(self) -> None:
        await self.start()
        path = "/v1/responses/compact"
        made = await self.post(path, {"input": HISTORY}, status=400)
        self.assertEqual(made["error"]["param"], "model")
        made = await self.post(path, {"model": TRANSLATED[1]}, status=400)
        self.assertEqual(made["error"]["param"], "input")

    async def test_corrected_paths_are_served(self) -> None:
        await self.start()
        for path in ("/responses/compact", "/v1/v1/responses/compact", "/v1/responses/compact/"):
            made = await self.post(path, {"model": TRANSLATED[1], "input": HISTORY})
            self.assertEqual(made["object"], "response.compaction")
