"""Requests of all protocols as real upstreams accept them, over sockets.

The simulator refuses what the services refuse, in their words.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.service.dispatch_fixture import Answer, DispatchCase

HI = {"role": "user", "content": "Hi"}
LONG = "user_" + "a" * 600
CALL_ID = "call_" + "x" * 120
TOOL_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1},
        "days": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "link": {"type": "string", "format": "uri"},
    },
    "required": ["city"],
    "additionalProperties": False,
}
#: A model of each upstream, old and new, also in other spellings.
MODELS = {
    "chat": ("gpt-4.1", "o3", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.4",
             "openai/gpt-5.1:free", "gpt-5.6-sol", "mistral-large-latest", "llama-3.3"),
    "resp": ("gpt-4.1", "gpt-5-pro", "gpt-5.1-2025-11-13", "gpt-5.6-sol", "gpt-6-astra", "o3"),
    "ant": ("claude-sonnet-4-5", "claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-8",
            "claude-sonnet-5", "claude-fable-5", "claude-opus-5-5", "claude-mythos-5-1"),
    "gem": ("gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3-pro-preview",
            "gemini-3.6-flash", "gemini-3.8-flash", "gemini-4-argon"),
    "code": ("gemini-3-flash", "gemini-2.5-flash"),
}  # fmt: skip
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class ValidUpstreamRequestTests(DispatchCase):
    async def begin(self) -> None:
        await self.start(
            {
                "chat": self.upstream("openai", "sk-1", apis=["chat"]),
                "resp": self.upstream("openai", "sk-1", apis=["responses"]),
                "ant": self.upstream("anthropic", "sk-1"),
                "gem": self.upstream("gemini_api", "g-1"),
            },
            debug_headers=True,
        )

    def models(self, *upstreams: str) -> list[str]:
        """Return the models of some upstreams, with their names before them."""
        return [f"{name}/{model}" for name in upstreams for model in MODELS[name]]

    async def chat(self, model: str, **more: Any) -> Answer:
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}
        return await self.served("/v1/chat/completions", body)

    async def respond(self, model: str, **more: Any) -> Answer:
        return await self.served("/v1/responses", {"model": model, "input": "Hi", **more})

    async def write(self, model: str, **more: Any) -> Answer:
        said = [{"role": "user", "content": "Hi"}]
        body = {"model": model, "max_tokens": 2000, "messages": said, **more}
        return await self.served("/v1/messages", body)

    async def generate(self, model: str, **more: Any) -> Answer:
        body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **more}
        return await self.served(f"/v1beta/models/{model}:generateContent", body)

    async def served(self, path: str, body: Any) -> Answer:
        """Ask, and assert that one upstream call was enough."""
        before = len(self.reached())
        answer = await self.ask(path, body)
        self.assertEqual(answer.status, 200, (body, answer.body))
        self.assertEqual(len(self.reached()), before + 1)
        return answer

    def sent(self) -> Any:
        return self.reached()[-1].body

    # Instructions only

    async def test_instructions_alone_get_a_user_turn(self) -> None:
        await self.begin()
        system = [{"role": "system", "content": "Say hello."}]
        for model in self.models("ant", "gem", "resp"):
            await self.chat(model, messages=system)
            self.assertNotIn('"messages": []', json.dumps(self.sent()))
            await self.chat(model, messages=[{"role": "developer", "content": "Say hello."}])
        for model in self.models("ant", "gem", "chat"):
            body = {"model": model, "instructions": "Say hello."}
            await self.served("/v1/responses", body)
            await self.served("/v1/responses", {**body, "input": []})
            late = [{"role": "developer", "content": "Say hello."}]
            await self.served("/v1/responses", {"model": model, "input": late})
        body = {"model": "chat/llama-3.3", "instructions": "Say hello.", "input": []}
        await self.served("/v1/responses", body)
        self.assertEqual(self.sent()["messages"][-1]["role"], "user")

    # JSON mode

    async def test_json_mode_adds_the_word_json_to_the_prompt(self) -> None:
        await self.begin()
        config = {"responseMimeType": "application/json"}
        for model in self.models("chat", "resp"):
            await self.generate(model, generationConfig=config)
            form = {"type": "json_object"}
            if model.startswith("resp/"):
                await self.chat(model, response_format=form)
            else:
                await self.respond(model, text={"format": form})
        await self.generate(
            "chat/gpt-4.1", generationConfig=config, contents=[{"parts": [{"text": "As JSON"}]}]
        )
        self.assertEqual([m["role"] for m in self.sent()["messages"]], ["user"])

    # Limits

    async def test_low_output_limits_are_raised_for_responses(self) -> None:
        await self.begin()
        for limit in (1, 15):
            await self.write("resp/gpt-4.1", max_tokens=limit)
            self.assertEqual(self.sent()["max_output_tokens"], 16)
            await self.chat("resp/gpt-4.1", max_tokens=limit)
            await self.generate("resp/gpt-4.1", generationConfig={"maxOutputTokens": limit})
        for model in self.models("chat", "resp", "gem"):
            await self.write(model, max_tokens=0)  # Anthropic's way to fill a cache
        await self.write("resp/gpt-4.1", max_tokens=17)
        self.assertEqual(self.sent()["max_output_tokens"], 17)

    async def test_output_limit_has_the_field_that_the_model_accepts(self) -> None:
        await self.begin()
        for model in MODELS["chat"]:
            await self.write(f"chat/{model}", max_tokens=50)
            new = model.split("/")[-1].startswith(("gpt-5", "o3"))
            name = "max_completion_tokens" if new else "max_tokens"
            self.assertEqual(self.sent()[name], 50, model)

    # Log probabilities

    async def test_zero_top_logprobs_are_not_requested(self) -> None:
        await self.begin()
        for model in self.models("resp", "ant", "gem"):
            await self.chat(model, logprobs=True, top_logprobs=0)
            await self.chat(model, top_logprobs=0)
            await self.chat(model, logprobs=False, top_logprobs=0)
        for model in self.models("chat", "gem"):
            await self.respond(model, top_logprobs=0)

    # Sound

    async def test_audio_output_is_requested_only_of_models_that_have_it(self) -> None:
        await self.begin()
        audio = {"voice": "alloy", "format": "wav"}
        for model in self.models("resp", "ant", "gem"):
            answer = await self.chat(model, modalities=["text", "audio"], audio=audio)
            self.assertIn("modalities", answer.headers["x-antigravity-warnings"])
            self.assertNotIn("alloy", json.dumps(self.sent()))
        speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
        for model in self.models("chat", "resp", "ant"):
            await self.generate(model, generationConfig={"speechConfig": speech})
            self.assertNotIn("Kore", json.dumps(self.sent()))

    async def test_chat_audio_from_gemini_is_a_wav_file(self) -> None:
        await self.begin()
        wish = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
        answer = await self.chat("gem/gemini-3.8-flash-lite-tts", **wish)
        sound = answer.json()["choices"][0]["message"]["audio"]["data"]
        self.assertTrue(base64.b64decode(sound).startswith(b"RIFF"))
        config = self.sent()["generationConfig"]
        self.assertEqual(config["responseModalities"], ["AUDIO"])
        voice = config["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
        self.assertEqual(voice, "Kore")

    # Identifiers

    async def test_long_user_ids_are_shortened_consistently(self) -> None:
        await self.begin()
        for model, longest in (("chat/gpt-5.1", 64), ("resp/gpt-5.1", 64), ("chat/llama-3.3", 64)):
            found = set()
            for _ in range(2):
                await self.write(model, metadata={"user_id": LONG})
                found.add(self.sent()["user"])
            (short,) = found
            self.assertLessEqual(len(short), longest)
            await self.write(model, metadata={"user_id": LONG + "b"})
            self.assertNotEqual(self.sent()["user"], short)
        for name in ("user", "safety_identifier"):
            await self.chat("ant/claude-sonnet-5", **{name: LONG})
            self.assertLessEqual(len(self.sent()["metadata"]["user_id"]), 256)
            await self.respond("ant/claude-sonnet-5", **{name: LONG})
        await self.write("chat/gpt-5.1", metadata={"user_id": "short"})
        self.assertEqual(self.sent()["user"], "short")

    async def test_long_call_ids_are_hashed_and_stay_paired(self) -> None:
        await self.begin()
        use = {"type": "tool_use", "id": CALL_ID, "name": "f", "input": {}}
        result = {"type": "tool_result", "tool_use_id": CALL_ID, "content": "done"}
        turns = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ]
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        for model in self.models("chat"):
            await self.write(model, messages=turns, tools=tools)
            said = self.sent()["messages"]
            (call,) = said[1]["tool_calls"]
            self.assertLessEqual(len(call["id"]), 40)
            self.assertEqual(said[2]["tool_call_id"], call["id"])
        for model in self.models("resp"):
            await self.write(model, messages=turns, tools=tools)

    # Strict tools

    async def test_strict_tools_keep_each_providers_rules(self) -> None:
        await self.begin()
        function = {"name": "f", "parameters": TOOL_SCHEMA, "strict": True}
        for model in self.models("ant"):
            await self.chat(model, tools=[{"type": "function", "function": function}])
            (tool,) = self.sent()["tools"]
            self.assertIs(tool["strict"], True)
            self.assertNotIn("minimum", tool["input_schema"]["properties"]["days"])
        wire = {"name": "f", "input_schema": TOOL_SCHEMA, "strict": True}
        for model in self.models("chat", "resp"):
            await self.write(model, tools=[wire])
            one = {"type": "auto", "disable_parallel_tool_use": True}
            await self.write(model, tools=[wire], tool_choice=one)
        (tool,) = self.sent()["tools"]
        self.assertEqual(tool["parameters"]["required"], ["city", "days", "link"])
        bare = {"name": "f", "input_schema": {"type": "object"}, "strict": True}
        for model in self.models("chat", "resp"):
            await self.write(model, tools=[bare])
            chat = [{"type": "function", "function": {"name": "f", "strict": True}}]
            if model.startswith("resp/"):
                await self.chat(model, tools=chat)

    async def test_tool_that_cannot_be_strict_is_reported_and_not_strict(self) -> None:
        await self.begin()
        tree = {
            "type": "object",
            "properties": {"inner": {"$ref": "#/$defs/node"}},
            "required": ["inner"],
            "additionalProperties": False,
            "$defs": {"node": {"type": "object", "additionalProperties": {"type": "string"}}},
        }
        function = {"name": "lookup", "parameters": tree, "strict": True}
        answer = await self.chat(
            "ant/claude-sonnet-5", tools=[{"type": "function", "function": function}]
        )
        self.assertNotIn("strict", self.sent()["tools"][0])
        self.assertEqual(self.sent()["tools"][0]["input_schema"], tree)
        self.assertIn("tools.lookup.strict: dropped", answer.headers["x-antigravity-warnings"])
        wire = {"name": "lookup", "input_schema": tree, "strict": True}
        answer = await self.write("chat/gpt-4.1", tools=[wire])
        self.assertNotIn("strict", self.sent()["tools"][0]["function"])
        self.assertIn("tools.lookup.strict: dropped", answer.headers["x-antigravity-warnings"])

    async def test_null_optional_argument_is_removed_from_call(self) -> None:
        await self.begin()
        said = '[[tool f {"city": "Rome", "days": null}]]'
        wire = {"name": "f", "input_schema": TOOL_SCHEMA, "strict": True}
        for model in ("chat/gpt-4.1", "resp/gpt-4.1"):
            for stream in (False, True):
                answer = await self.write(
                    model, messages=[{"role": "user", "content": said}], tools=[wire], stream=stream
                )
                text = answer.body.decode().replace('\\"', '"').replace(" ", "")
                self.assertIn('"city":"Rome"', text)
                self.assertNotIn('"days":null', text)

    # Effort, thinking, sampling, forced tools

    async def test_every_effort_fits_every_model(self) -> None:
        await self.begin()
        for model in self.models("ant", "gem", "resp"):
            for effort in EFFORTS:
                await self.chat(model, reasoning_effort=effort, temperature=0.5)
        for model in self.models("chat", "ant", "gem"):
            for effort in EFFORTS:
                await self.respond(model, reasoning={"effort": effort}, temperature=0.5)

    async def test_every_form_of_thinking_fits_every_model(self) -> None:
        await self.begin()
        forms: list[Any] = [
            {"thinking": {"type": "disabled"}},
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ]
        for model in self.models("chat", "resp", "gem"):
            for form in forms:
                await self.write(model, **form)
                await self.write(model, temperature=0.5, **form)
        for model in self.models("chat", "resp", "ant"):
            for budget in (0, 100, 512, -1):
                config = {"thinkingConfig": {"thinkingBudget": budget}, "temperature": 0.5}
                await self.generate(model, generationConfig=config)

    async def test_every_model_gets_accepted_fields(self) -> None:
        await self.begin()
        await self.write("resp/gpt-5-pro", thinking={"type": "disabled"})
        self.assertEqual(self.sent()["reasoning"]["effort"], "high")
        await self.respond("ant/claude-opus-4-8", reasoning={"effort": "xhigh"})
        self.assertEqual(self.sent()["output_config"]["effort"], "xhigh")
        await self.chat("ant/claude-fable-5", reasoning_effort="high", temperature=0.5)
        self.assertEqual(self.sent()["thinking"]["type"], "adaptive")
        self.assertNotIn("temperature", self.sent())
        await self.chat("ant/claude-opus-5-5", reasoning_effort="none")
        self.assertEqual(self.sent()["thinking"]["type"], "between_tools")
        await self.chat("ant/claude-fable-5", reasoning_effort="none")
        self.assertNotIn("thinking", self.sent())
        self.assertEqual(self.sent()["output_config"]["effort"], "low")

    async def test_forced_call_becomes_instruction_where_refused(self) -> None:
        await self.begin()
        tools = [{"type": "function", "function": {"name": "f", "parameters": TOOL_SCHEMA}}]
        named = {"type": "function", "function": {"name": "f"}}
        for model in self.models("ant", "gem", "resp"):
            for choice in ("required", named, "auto", "none"):
                await self.chat(model, tools=tools, tool_choice=choice)
        await self.chat("ant/claude-opus-5-5", tools=tools, tool_choice=named)
        self.assertEqual(self.sent()["tool_choice"]["type"], "auto")
        self.assertIn("tool f", json.dumps(self.sent()["system"]))

    async def test_prefill_is_dropped_for_models_without_it(self) -> None:
        await self.begin()
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}]
        for model in self.models("ant", "gem"):
            await self.chat(model, messages=turns)

    async def test_tools_with_thinking_use_responses_where_chat_refuses_them(self) -> None:
        await self.start({"both": self.upstream("openai", "sk-1", apis=["chat", "responses"])})
        tools = [{"name": "f", "input_schema": TOOL_SCHEMA}]
        await self.write("both/gpt-5.6-sol", tools=tools, output_config={"effort": "high"})
        self.assertIn("input", self.sent())
        await self.write("both/gpt-5.5", tools=tools)
        self.assertIn("messages", self.sent())

    async def test_chat_clients_use_responses_where_chat_refuses_their_request(self) -> None:
        await self.start({"both": self.upstream("openai", "sk-1", apis=["chat", "responses"])})
        tools = [{"type": "function", "function": {"name": "f", "parameters": TOOL_SCHEMA}}]
        for model in ("gpt-5.6-sol", "gpt-6-astra"):
            answer = await self.chat(f"both/{model}", tools=tools, reasoning_effort="high")
            self.assertEqual(answer.json()["object"], "chat.completion")
            self.assertEqual(self.reached()[-1].path, "/v1/responses")
            self.assertEqual(self.sent()["reasoning"]["effort"], "high")
            await self.chat(f"both/{model}", tools=tools, stream=True)
            self.assertEqual(self.reached()[-1].path, "/v1/responses")
        await self.chat("both/gpt-5-pro")
        self.assertEqual(self.reached()[-1].path, "/v1/responses")
        for model, more in (
            ("gpt-5.6-sol", {"tools": tools, "reasoning_effort": "none"}),
            ("gpt-5.6-sol", {"reasoning_effort": "high"}),
            ("gpt-5.5", {"tools": tools, "reasoning_effort": "high"}),
        ):
            await self.chat(f"both/{model}", **more)
            self.assertEqual(self.reached()[-1].path, "/v1/chat/completions")
            self.assertEqual(self.sent(), {**more, "model": model, "messages": [HI]})

    # Fields of OpenAI's alone

    async def test_openai_fields_are_sent_to_openai_models_only(self) -> None:
        await self.begin()
        more = {
            "text": {"verbosity": "low"},
            "service_tier": "flex",
            "metadata": {"a": "b"},
            "prompt_cache_key": "k" * 100,
            "store": True,
        }
        await self.respond("chat/llama-3.3", **more)
        for name in ("verbosity", "service_tier", "metadata", "prompt_cache_key", "store"):
            self.assertNotIn(name, self.sent())
        await self.respond("chat/gpt-5.1", **more)
        self.assertEqual(self.sent()["verbosity"], "low")
        self.assertLessEqual(len(self.sent()["prompt_cache_key"]), 64)
        self.assertNotIn("metadata", self.sent())  # chat wants it stored
        await self.respond("chat/gpt-4.1", **more)
        self.assertNotIn("verbosity", self.sent())

    # Byte order marks

    async def test_byte_order_mark_before_body_is_ignored(self) -> None:
        await self.begin()
        said = [{"role": "user", "content": "Hi"}]
        asked: dict[str, Any] = {
            "/v1/chat/completions": {"model": "ant/claude-sonnet-5", "messages": said},
            "/v1/responses": {"model": "ant/claude-sonnet-5", "input": "Hi"},
            "/v1/messages": {"model": "gem/gemini-2.5-pro", "max_tokens": 9, "messages": said},
            "/v1/messages/count_tokens": {"model": "ant/claude-sonnet-5", "messages": said},
            "/v1/completions": {"model": "chat/gpt-4.1", "prompt": "Hi"},
            "/v1/embeddings": {"model": "chat/text-embedding-3-small", "input": "Hi"},
            "/v1beta/models/chat/gpt-4.1:generateContent": {
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}]
            },
            "/v1/chat/completions?native": {"model": "chat/gpt-4.1", "messages": said},
        }
        for path, body in asked.items():
            marked = b"\xef\xbb\xbf" + json.dumps(body).encode()
            answer = await self.ask(path.partition("?")[0], marked)
            self.assertEqual(answer.status, 200, (path, answer.body))
