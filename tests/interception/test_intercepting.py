"""Warm-ups and background tasks on their whole way, over sockets."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter
from antigravity.ir.parts import Text
from tests.interception.fixtures import BACKGROUND, CLAUDE_CODE, GatewayCase, message

CHAT = {"model": "gpt-5.1", "messages": [{"role": "user", "content": "Warmup"}]}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Warmup"}]}]}
TITLE = message(
    "Mend the roof",
    thinking={"type": "adaptive"},
    max_tokens=2048,
    output_config={
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"title": {"type": "string"}},
                "required": ["title"],
                "additionalProperties": False,
            },
        }
    },
)
SUGGESTION = {
    "model": "claude-sonnet-5",
    "max_tokens": 4096,
    "stream": True,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "tools": [{"name": "Read", "description": "Read", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "Mend the roof"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "tiles"}],
        },
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "[SUGGESTION MODE: Suggest what comes next.]"},
    ],
}


class WarmupTests(GatewayCase):
    """Warm-ups are answered here, in whatever protocol."""

    def intercepted(self, answer: Any) -> None:
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["x-warmup-intercepted"], "true")
        self.assertNotIn("x-mapped-model", answer.headers)
        self.assertEqual(self.asked(), [])
        record = self.record
        self.assertEqual((record.intercepted, record.outcome), ("warmup:claude-code", "ok"))
        self.assertEqual((record.attempts, record.status), ([], 200))
        assert record.usage is not None
        self.assertGreater(record.usage.input_total, 0)

    async def test_warmup_is_intercepted_for_anthropic(self) -> None:
        await self.start()
        answer = await self.post("/v1/messages", message("Warmup"))
        self.intercepted(answer)
        body = answer.json()
        self.assertEqual(body["content"], [{"type": "text", "text": "OK"}])
        self.assertEqual((body["model"], body["stop_reason"]), ("claude-sonnet-5", "end_turn"))
        assert self.record.usage is not None
        self.assertEqual(body["usage"]["input_tokens"], self.record.usage.input_total)
        self.assertEqual(body["usage"]["output_tokens"], 1)

    async def test_streamed_warmup_is_intercepted_for_anthropic(self) -> None:
        await self.start()
        answer = await self.post("/v1/messages?beta=true", message("Warmup", stream=True))
        self.intercepted(answer)
        self.assertTrue(answer.headers["content-type"].startswith("text/event-stream"))
        self.assertEqual(
            [event["type"] for event in answer.events()],
            [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop",
            ],
        )
        start, _, delta, _, end, _ = answer.events()
        assert self.record.usage is not None
        usage = self.record.usage
        self.assertEqual(start["message"]["usage"]["input_tokens"], usage.input_total)
        self.assertEqual(delta["delta"], {"type": "text_delta", "text": "OK"})
        self.assertEqual(end["usage"]["output_tokens"], 1)

    async def test_warmup_is_intercepted_for_openai_chat(self) -> None:
        await self.start()
        answer = await self.post("/v1/chat/completions", CHAT)
        self.intercepted(answer)
        choice = answer.json()["choices"][0]
        self.assertEqual((choice["message"]["content"], choice["finish_reason"]), ("OK", "stop"))
        answer = await self.post("/v1/chat/completions", {**CHAT, "stream": True})
        self.intercepted(answer)
        self.assertTrue(answer.body.endswith(b"data: [DONE]\n\n"))

    async def test_intercepted_response_can_be_continued(self) -> None:
        await self.start()
        body = {"model": "claude-sonnet-5", "input": "Warmup"}
        answer = await self.post("/v1/responses", body)
        self.intercepted(answer)
        later = {**body, "previous_response_id": answer.json()["id"], "input": "[[show request]]"}
        answer = await self.post("/v1/responses", later)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIsNone(self.record.intercepted)
        self.assertIn("OK", str(self.asked()[-1].body["messages"]))

    async def test_warmup_is_intercepted_for_gemini(self) -> None:
        await self.start()
        path = "/v1beta/models/gemini-2.5-flash:"
        answer = await self.post(f"{path}generateContent", CONTENTS)
        self.intercepted(answer)
        (candidate,) = answer.json()["candidates"]
        self.assertEqual(candidate["content"]["parts"], [{"text": "OK"}])
        self.assertEqual(candidate["finishReason"], "STOP")
        answer = await self.post(f"{path}streamGenerateContent?alt=sse", CONTENTS)
        self.intercepted(answer)
        self.assertEqual(answer.events()[-1]["candidates"][0]["finishReason"], "STOP")

    async def test_other_clients_and_other_texts_reach_the_model(self) -> None:
        await self.start()
        for body, headers in (
            (message("Warmup"), {"user-agent": "curl/8.9"}),
            (message("."), CLAUDE_CODE),
            (message("the word Warmup"), CLAUDE_CODE),
        ):
            answer = await self.post("/v1/messages", body, headers)
            self.assertEqual(answer.status, 200)
            self.assertNotIn("x-warmup-intercepted", answer.headers)
            self.assertIsNone(self.record.intercepted)
        self.assertEqual(len(self.asked()), 3)

    async def test_invalid_body_passes_to_upstream(self) -> None:
        await self.start()
        answer = await self.post("/v1/messages", message(7, system="Warmup"))
        self.assertEqual(answer.status, 400)
        self.assertEqual(len(self.asked()), 1)

    async def test_disabled_interception_passes_the_warmup(self) -> None:
        for settings in (
            {"warmup": False},
            {"blocked": ("claude-code",)},
            {"clients": ["other/*"]},
        ):
            await self.start(**settings)
            answer = await self.post("/v1/messages", message("Warmup"))
            self.assertNotIn("x-warmup-intercepted", answer.headers)
            self.assertEqual(len(self.asked()), 1, settings)

    async def test_warmup_is_intercepted_for_configured_clients(self) -> None:
        await self.start(clients=["claude-cli/*"])
        self.intercepted(await self.post("/v1/messages", message("Warmup")))


class BackgroundTests(GatewayCase):
    """Background tasks go to the model that is meant for them."""

    async def test_background_task_is_sent_to_mapped_model(self) -> None:
        await self.start(mapping={BACKGROUND: "gpt-5-mini"})
        answer = await self.post("/v1/messages", TITLE)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["x-background-task"], "title")
        self.assertEqual(answer.headers["x-mapped-model"], "gpt-5-mini")
        self.assertEqual(answer.json()["model"], "claude-sonnet-5")
        self.assertIn('"title"', answer.json()["content"][0]["text"])
        record = self.record
        self.assertEqual(record.intercepted, "background:title")
        self.assertEqual((record.model, record.mapped_model), ("claude-sonnet-5", "gpt-5-mini"))

    async def test_background_model_is_mapped_by_alias(self) -> None:
        await self.start(aliases=True)
        answer = await self.post("/v1/messages", TITLE)
        self.assertEqual(answer.headers["x-mapped-model"], "gemini-2.5-flash")

    async def test_background_task_is_sent_without_tools_and_thinking(self) -> None:
        await self.start(mapping={BACKGROUND: "claude-haiku-4-5"})
        answer = await self.post("/v1/messages", SUGGESTION)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["x-background-task"], "suggestion")
        self.assertEqual(answer.events()[-1]["type"], "message_stop")
        (asked,) = self.asked()
        self.assertEqual(asked.path, "/v1/messages")
        self.assertEqual(asked.body["model"], "claude-haiku-4-5")
        for field in ("tools", "tool_choice", "context_management"):
            self.assertNotIn(field, asked.body)
        self.assertEqual(asked.body["thinking"], {"type": "disabled"})
        self.assertNotIn("tool_use", str(asked.body["messages"]))
        self.assertIn("tiles", str(asked.body["messages"]))

    async def test_background_task_without_mapped_model_passes(self) -> None:
        for settings in (
            {},
            {"mapping": {"internal-*": "gpt-5-mini"}},
            {"mapping": {BACKGROUND: "a-model-that-nobody-has"}},
            {"mapping": {BACKGROUND: "gpt-5-mini"}, "background_tasks": False},
            {"mapping": {BACKGROUND: "gpt-5-mini"}, "blocked": ("claude-code",)},
            {"mapping": {BACKGROUND: "gpt-5-mini"}, "clients": ["other/*"]},
        ):
            await self.start(**settings)  # type: ignore[arg-type]
            answer = await self.post("/v1/messages", TITLE)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.headers["x-mapped-model"], "claude-sonnet-5", settings)
            self.assertNotIn("x-background-task", answer.headers)
            self.assertEqual(self.asked()[0].body, TITLE)

    async def test_requests_of_users_are_not_rerouted(self) -> None:
        await self.start(mapping={BACKGROUND: "gpt-5-mini"})
        body = message("Mend the roof")
        answer = await self.post("/v1/messages", body)
        self.assertEqual(answer.headers["x-mapped-model"], "claude-sonnet-5")
        self.assertEqual(self.asked()[0].body, body)


@implementer(IWarmupFilter)
class Pings:
    """Another client's way to warm up."""

    name = "pings"
    marks = ()

    def may_match(self, headers: Any) -> bool:
        return bool(headers.get("user-agent") == "pinger/1")

    def matches(self, request: Any, headers: Any) -> bool:
        return bool(request.messages[-1].parts == (Text("ping"),))


@implementer(IWarmupFilter, IBackgroundDetector)
class Broken:
    """A plugin's object that fails whatever it is asked."""

    name = "broken"
    marks = ()

    def may_match(self, headers: Any) -> bool:
        return True

    def matches(self, request: Any, headers: Any) -> bool:
        raise RuntimeError("on purpose")

    def detect(self, request: Any, headers: Any) -> str | None:
        raise RuntimeError("on purpose")


class Chores:
    """A plugin that registers everything that it can."""

    @hookimpl
    def register_warmup_filters(self, register: Any) -> None:
        register(Broken())
        register(Pings())

    @hookimpl
    def register_background_detectors(self, register: Any) -> None:
        register(Broken())


class PluginTests(GatewayCase):
    """What plugins register counts like what is built in."""

    async def test_filter_of_plugin_intercepts_requests(self) -> None:
        await self.start(Chores())
        headers = {"user-agent": "pinger/1"}
        answer = await self.post("/v1/messages", message("ping"), headers)
        self.assertEqual(answer.headers["x-warmup-intercepted"], "true")
        self.assertEqual(self.record.intercepted, "warmup:pings")
        self.assertEqual(self.asked(), [])
        self.assertIn("on purpose", str(self.flushLoggedErrors(RuntimeError)))
        await self.post("/v1/messages", message("pong"), headers)
        self.assertIsNone(self.record.intercepted)
        self.flushLoggedErrors(RuntimeError)

    async def test_failing_filter_does_not_affect_requests(self) -> None:
        await self.start(Chores(), mapping={BACKGROUND: "gpt-5-mini"})
        answer = await self.post("/v1/messages", TITLE)
        self.assertEqual(answer.headers["x-background-task"], "title")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        answer = await self.post("/v1/messages", message("Mend the roof"))
        self.assertEqual(
            (answer.status, answer.headers["x-mapped-model"]), (200, "claude-sonnet-5")
        )
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    async def test_registered_rules_are_listed_by_plugin(self) -> None:
        await self.start(Chores())
        host = self.gateway.parts.runtime.configuration.plugins
        found = {plugin.name: plugin for plugin in host.plugins()}
        self.assertEqual(found["extra-0"].registered["warmup_filters"], ("broken", "pings"))
        self.assertEqual(found["claude-code"].registered["background_detectors"], ("claude-code",))

    async def test_invalid_filter_is_refused(self) -> None:
        await self.start()
        registry = self.gateway.parts.runtime.configuration.plugins.registry
        with self.assertRaises(ValueError):
            registry.warmup_filters.add(object())
        with self.assertRaises(ValueError):
            registry.background_detectors.add(Pings())
        with self.assertRaises(ValueError):
            registry.warmup_filters.add(registry.warmup_filters["claude-code"])
