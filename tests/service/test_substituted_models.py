"""Model names that are served by another model of the client's own protocol."""

from __future__ import annotations

import json
from typing import Any

from tests.service.dispatch_fixture import DispatchCase

OLD, NEW, SMALL = "claude-sonnet-4-5", "claude-opus-4-8", "claude-haiku-4-5"
BUDGET = {"type": "enabled", "budget_tokens": 2000}
ADAPTIVE = {"type": "adaptive"}
BETA = "context-management-2025-06-27"


class SubstitutedModelTests(DispatchCase):
    async def begin(self, **mapping: str) -> None:
        """Start with one upstream for Claude and one for OpenAI's chat."""
        upstreams = {
            "claude": self.upstream("anthropic", "sk-1"),
            "chat": self.upstream("openai", "sk-1"),
            "google": self.upstream("gemini_api", "g-1"),
        }
        table = {name.replace("_", "-"): model for name, model in mapping.items()}
        await self.start(upstreams, custom_mapping=table, debug_headers=True)

    def sent(self) -> Any:
        return self.reached()[-1].body

    async def test_request_valid_for_both_models_passes_unchanged(self) -> None:
        await self.begin(mine=SMALL, claude_sonnet_4_5=SMALL)
        more = {"thinking": BUDGET, "max_tokens": 4000, "temperature": 1}
        answer = await self.message(model=OLD, **more)
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, SMALL))
        self.assertTrue(self.record.attempts[0].passed_through)
        self.assertEqual(
            self.sent(),
            {"model": SMALL, "messages": [{"role": "user", "content": "hello"}], **more},
        )
        self.assertNotIn("x-antigravity-warnings", answer.headers)

    async def test_thinking_budget_becomes_effort(self) -> None:
        await self.begin(claude_sonnet_4_5=NEW)
        for stream in (False, True):
            answer = await self.message(
                model=OLD, thinking=BUDGET, max_tokens=4000, temperature=1, stream=stream
            )
            self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, NEW))
            self.assertFalse(self.record.attempts[0].passed_through)
            self.assertEqual(self.sent()["thinking"]["type"], "adaptive")
            self.assertNotIn("temperature", self.sent())
            self.assertIn("thinking", answer.headers["x-antigravity-warnings"])

    async def test_effort_becomes_thinking_budget(self) -> None:
        await self.begin(claude_opus_4_8=OLD)
        answer = await self.message(model=NEW, thinking=ADAPTIVE, max_tokens=8000)
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.sent()["thinking"]["type"], "enabled")

    async def test_unknown_fields_and_headers_are_kept(self) -> None:
        await self.begin(claude_opus_4_8=OLD)
        body = {
            "model": NEW,
            "max_tokens": 8000,
            "thinking": ADAPTIVE,
            "inference_geo": "eu",
            "metadata": {"user_id": "me"},
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
                    ],
                }
            ],
        }
        answer = await self.ask("/v1/messages", body, anthropic_beta=BETA)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertFalse(self.record.attempts[0].passed_through)
        sent = self.sent()
        for name in ("inference_geo", "metadata", "messages"):
            self.assertEqual(sent[name], body[name])
        self.assertEqual(self.reached()[-1].headers["anthropic-beta"], BETA)

    async def test_conversation_may_alternate_between_passing_and_translation(self) -> None:
        await self.begin(claude_sonnet_4_5=NEW)
        tool = {"name": "f", "input_schema": {"type": "object"}}
        more: dict[str, Any] = {"model": OLD, "max_tokens": 9000, "tools": [tool]}
        first: dict[str, Any] = {"role": "user", "content": "[[think hm]][[tool f {}]]"}
        for thinking in ({}, {"thinking": BUDGET}):
            turn = await self.ask("/v1/messages", {**more, **thinking, "messages": [first]})
            content = turn.json()["content"]
            call = next(block for block in content if block["type"] == "tool_use")
            result = {"type": "tool_result", "tool_use_id": call["id"], "content": "done"}
            history = [
                first,
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]
            for again in ({}, {"thinking": BUDGET}):
                answer = await self.ask("/v1/messages", {**more, **again, "messages": history})
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(self.record.attempts[0].passed_through, not again)
                self.assertEqual(len(self.record.attempts), 1)

    async def test_substituted_openai_model(self) -> None:
        await self.begin(mine="gpt-5", gpt_4o="gpt-5")
        answer = await self.chat(model="gpt-4o", temperature=0.2, max_tokens=999, stop=["END"])
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, "gpt-5"))
        self.assertEqual(self.sent()["max_completion_tokens"], 999)
        self.assertEqual({"temperature", "stop", "max_tokens"} & set(self.sent()), set())
        answer = await self.chat(model="mine", temperature=0.2)
        self.assertEqual(answer.status, 200)
        answer = await self.chat(model="gpt-4o")
        self.assertEqual(self.record.route, ("custom_mapping: gpt-4o: gpt-4o -> gpt-5",))
        self.assertTrue(self.record.attempts[0].passed_through)

    async def test_stop_sequences_still_apply(self) -> None:
        await self.begin(gpt_4o="gpt-5")
        answer = await self.chat("[[say one END two]]", model="gpt-4o", stop=["END"])
        self.assertEqual(answer.json()["choices"][0]["message"]["content"], "one ")

    async def test_request_for_model_itself_is_not_changed(self) -> None:
        await self.begin()
        for name in (NEW, f"claude/{NEW}"):
            answer = await self.message(model=name, thinking=BUDGET, max_tokens=4000)
            self.assertEqual(answer.status, 400)
            self.assertTrue(self.record.attempts[0].passed_through)

    async def test_token_count_is_adapted_too(self) -> None:
        await self.begin(claude_sonnet_4_5=NEW)
        body = {
            "model": OLD,
            "messages": [{"role": "user", "content": "hello"}],
            "thinking": BUDGET,
        }
        answer = await self.ask("/v1/messages/count_tokens", body)
        self.assertEqual(answer.headers["x-token-count-source"], "upstream")
        (request,) = (e for e in self.simulator.log if e.path.endswith("count_tokens"))
        self.assertEqual(request.body["thinking"]["type"], "adaptive")

    async def test_substitute_at_zai_gets_its_own_fields(self) -> None:
        await self.start({}, self.zai("exclusive"))
        answer = await self.message(
            model=NEW, thinking=ADAPTIVE, output_config={"effort": "high"}, max_tokens=9000
        )
        self.assertEqual(answer.headers["x-mapped-model"], "glm-4.7")
        self.assertEqual(self.sent()["thinking"]["type"], "enabled")
        self.assertNotIn("output_config", json.dumps(self.sent()))
        await self.message(model=NEW)
        self.assertTrue(self.record.attempts[0].passed_through)

    async def test_substituted_gemini_model(self) -> None:
        await self.begin(gemini_3_pro_preview="gemini-2.5-pro")
        config = {"thinkingConfig": {"thinkingLevel": "HIGH"}}
        said = [{"role": "user", "parts": [{"text": "hello"}]}]
        path = "/v1beta/models/gemini-3-pro-preview:generateContent"
        answer = await self.ask(path, {"contents": said, "generationConfig": config})
        self.assertEqual(answer.status, 200)
        self.assertEqual(
            self.sent()["generationConfig"]["thinkingConfig"], {"thinkingBudget": 24576}
        )
        await self.ask(path, {"contents": said})
        self.assertTrue(self.record.attempts[0].passed_through)

    async def test_fields_refused_by_upstream_are_removed(self) -> None:
        quirks = ["no_user", "no_max_completion_tokens"]
        upstream = self.upstream("openai", "sk-1", models=["mistral-*"], quirks=quirks)
        mapping = {"gpt-4.1": "mistral-large"}
        await self.start({"chat": upstream}, custom_mapping=mapping)
        said = [{"role": "user", "content": "hi"}]
        for more, passed in ((({"temperature": 0.5}), True), ({"max_completion_tokens": 9}, False)):
            body = {"model": "gpt-4.1", "messages": said, **more}
            self.assertEqual((await self.ask("/v1/chat/completions", body)).status, 200)
            self.assertIs(self.record.attempts[0].passed_through, passed)
        self.assertEqual(self.sent()["max_tokens"], 9)
        body = {"model": "mistral-large", "messages": said, "user": "u"}
        self.assertEqual((await self.ask("/v1/chat/completions", body)).status, 200)
        self.assertEqual(self.sent()["user"], "u")  # the client wrote it for this model

    async def test_newer_model_of_same_line_gets_accepted_fields(self) -> None:
        mapping = {"gpt-5.1": "gpt-5.5", "gpt-5.2": "gpt-5.6-sol", "gpt-4.1": "o3"}
        await self.start({"chat": self.upstream("openai", "sk-1")}, custom_mapping=mapping)
        said = [{"role": "user", "content": "hi"}]
        tools = [{"type": "function", "function": {"name": "f"}}]
        for model, more in (
            ("gpt-5.1", {"temperature": 0.5}),
            ("gpt-5.2", {"tools": tools}),
            ("gpt-4.1", {"tools": tools, "parallel_tool_calls": False}),
        ):
            body = {"model": model, "messages": said, **more}
            answer = await self.ask("/v1/chat/completions", body)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertFalse(self.record.attempts[0].passed_through)

    async def test_prefill_is_not_sent_to_gemini_that_refuses_it(self) -> None:
        mapping = {"gemini-2.5-pro": "gemini-3.6-flash"}
        upstreams = {"google": self.upstream("gemini_api", "g-1")}
        await self.start(upstreams, custom_mapping=mapping)
        said = {"role": "user", "parts": [{"text": "hi"}]}
        begun = {"role": "model", "parts": [{"text": "Well,"}]}
        for contents, passed in (([said], True), ([said, begun], False)):
            body = {"contents": contents}
            answer = await self.ask("/v1beta/models/gemini-2.5-pro:generateContent", body)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertIs(self.record.attempts[0].passed_through, passed)

    async def test_forms_refused_by_upstream_are_converted(self) -> None:
        quirks = ["call_ids_9", "no_tool_choice_required", "no_json_schema", "low_temperature"]
        upstream = self.upstream("openai", "sk-1", models=["other-*"], quirks=quirks)
        await self.start({"chat": upstream}, custom_mapping={"gpt-4.1": "other-large"})
        tools = [{"type": "function", "function": {"name": "f"}}]
        call = {"id": "call_123456", "type": "function", "function": tools[0]["function"]}
        call = {**call, "function": {"name": "f", "arguments": "{}"}}
        said: list[Any] = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_123456", "content": "done"},
        ]
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
        more = {"tool_choice": "required", "response_format": form, "temperature": 1.5}
        body = {"model": "gpt-4.1", "messages": said, "tools": tools, **more}
        answer = await self.ask("/v1/chat/completions", body)
        self.assertEqual(answer.status, 200, answer.body)
        sent = self.sent()
        self.assertEqual(sent["tool_choice"], "auto")
        self.assertEqual(sent["temperature"], 1)
        self.assertEqual(sent["response_format"], {"type": "json_object"})
        (tool,) = (each for each in sent["messages"] if each["role"] == "tool")
        self.assertEqual(len(tool["tool_call_id"]), 9)
