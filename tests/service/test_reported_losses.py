"""Content that an upstream cannot get is refused or reported to the client."""

from __future__ import annotations

import json
from typing import Any

import treq

from tests.service.dispatch_fixture import Answer, DispatchCase

SOUND = "UklGRg=="
WARNINGS = "x-antigravity-warnings"
BLOCK = "x-anthropic-billing-header: cc_version=2.1.117.48f; cc_entrypoint=cli; cch=71fea;"

CHAT_SOUND = {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}}
GEMINI_SOUND = {"inlineData": {"mimeType": "audio/wav", "data": SOUND}}
GEMINI_FILE = "https://generativelanguage.googleapis.com/v1beta/files/abc"


class ReportedLossTests(DispatchCase):
    async def begin(self, **proxy: Any) -> None:
        await self.start(
            {
                "chat": self.upstream("openai", "sk-1", apis=["chat"]),
                "resp": self.upstream("openai", "sk-1", apis=["responses"]),
                "ant": self.upstream("anthropic", "sk-1"),
                "gem": self.upstream("gemini_api", "g-1"),
            },
            **proxy,
        )

    async def chats(self, model: str, content: Any, **more: Any) -> Answer:
        body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
        return await self.ask("/v1/chat/completions", body)

    async def responds(self, model: str, content: Any, **more: Any) -> Answer:
        body = {"model": model, "input": [{"role": "user", "content": content}], **more}
        return await self.ask("/v1/responses", body)

    async def writes(self, model: str, content: Any, **more: Any) -> Answer:
        said = [{"role": "user", "content": content}]
        body = {"model": model, "max_tokens": 500, "messages": said, **more}
        return await self.ask("/v1/messages", body)

    async def generates(self, model: str, *parts: Any, **more: Any) -> Answer:
        body = {"contents": [{"role": "user", "parts": parts}], **more}
        return await self.ask(f"/v1beta/models/{model}:generateContent", body)

    def sent(self) -> Any:
        return self.reached()[-1].body

    def refused(self, answer: Answer, *words: str) -> None:
        """Assert that a request was refused, naming ``words``, and reached no upstream."""
        self.assertEqual(answer.status, 400, answer.body)
        for word in words:
            self.assertIn(word, answer.body.decode())
        self.assertEqual(self.reached(), [])

    # Media

    async def test_sole_recording_for_anthropic_is_refused(self) -> None:
        await self.begin()
        for model in ("ant/claude-sonnet-4-6", "ant/unheard-of"):
            self.refused(await self.chats(model, [CHAT_SOUND]), "audio", "messages[0].content[0]")
            self.refused(await self.generates(model, GEMINI_SOUND), "contents[0].parts[0]")

    async def test_upstream_that_can_carry_a_recording_is_preferred(self) -> None:
        await self.start(
            {
                "ant": self.upstream("anthropic", "sk-1", models=["shared"]),
                "chat": self.upstream("openai", "sk-1", apis=["chat"], models=["shared"]),
            }
        )
        answer = await self.generates("shared", GEMINI_SOUND)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual([each.path for each in self.reached()], ["/v1/chat/completions"])
        self.assertIn(SOUND, json.dumps(self.sent()))

    async def test_transcription_over_protocol_without_audio_is_refused_at_once(self) -> None:
        await self.begin()
        for model in ("ant/gemini-3-flash", "ant/gpt-4o-audio-preview"):
            answer = await self.transcribe(model)
            self.refused(answer, "audio")

    async def transcribe(self, model: str) -> Answer:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        form = (
            f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
            "Content-Type: audio/wav\r\n\r\nRIFF....WAVE\r\n--b--\r\n"
        )
        response = await treq.post(
            f"http://127.0.0.1:{port}/v1/audio/transcriptions",
            form.encode(),
            headers={"content-type": "multipart/form-data; boundary=b"},
            persistent=False,
        )
        return Answer(response.code, {}, await response.content())

    async def test_recording_beside_text_becomes_a_reported_note(self) -> None:
        await self.begin()
        words = {"type": "text", "text": "Transcribe this"}
        for stream in (False, True):
            answer = await self.chats("ant/unheard-of", [words, CHAT_SOUND], stream=stream)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertIn("audio", answer.headers[WARNINGS])
            self.assertNotIn(SOUND, json.dumps(self.sent()))
            self.assertIn("left out", json.dumps(self.sent()))

    async def test_video_for_responses_becomes_a_note(self) -> None:
        await self.begin()
        film = {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}
        answer = await self.generates("resp/unheard-of", {"text": "?"}, film)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("video", answer.headers[WARNINGS])
        self.assertIn("left out", json.dumps(self.sent()))

    async def test_recording_in_format_unknown_to_responses_is_refused(self) -> None:
        await self.begin()
        ogg = {"inlineData": {"mimeType": "audio/ogg", "data": "T2dnUw=="}}
        self.refused(await self.generates("resp/unheard-of", ogg), "contents[0].parts[0]")
        answer = await self.generates("resp/unheard-of", {"text": "?"}, ogg)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("audio", answer.headers[WARNINGS])

    async def test_recording_in_history_is_not_refused(self) -> None:
        await self.begin()
        body = {
            "model": "ant/unheard-of",
            "messages": [
                {"role": "user", "content": [CHAT_SOUND]},
                {"role": "assistant", "content": "Nice"},
                {"role": "user", "content": "Go on"},
            ],
        }
        answer = await self.ask("/v1/chat/completions", body)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("audio", answer.headers[WARNINGS])

    async def test_document_of_type_unknown_to_anthropic_is_reported(self) -> None:
        await self.begin()
        data = "data:application/msword;base64,/w=="
        file = {"type": "file", "file": {"filename": "a.doc", "file_data": data}}
        self.refused(await self.chats("ant/claude-sonnet-4-6", [file]), "document")
        words = {"type": "text", "text": "Read"}
        answer = await self.chats("ant/claude-sonnet-4-6", [words, file])
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("document", answer.headers[WARNINGS])

    async def test_lost_hints_are_reported_with_debug_headers_only(self) -> None:
        await self.begin()
        answer = await self.chats("ant/claude-sonnet-4-6", "hi", seed=1)
        self.assertEqual(answer.status, 200)
        self.assertNotIn(WARNINGS, answer.headers)
        self.assertIn("seed", " ".join(loss.field for loss in self.record.warnings))

    async def test_dropped_tool_is_reported_without_debug_headers(self) -> None:
        await self.begin()
        tools = [{"type": "file_search", "vector_store_ids": ["vs_1"]}]
        answer = await self.responds("ant/claude-sonnet-4-6", "hi", tools=tools)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("file_search", answer.headers[WARNINGS])
        self.assertLessEqual(len(answer.headers[WARNINGS]), 2000)

    # Outputs

    async def test_image_and_speech_are_refused_without_capable_protocol(self) -> None:
        await self.begin()
        for upstream in ("ant", "resp"):
            picture = {"model": f"{upstream}/gemini-3-pro-image", "prompt": "A cat"}
            self.refused(await self.ask("/v1/images/generations", picture), "image")
            speech = {"model": f"{upstream}/gemini-2.5-flash-tts", "input": "Hi", "voice": "Kore"}
            self.refused(await self.ask("/v1/audio/speech", speech), "audio")
            model = f"{upstream}/gemini-3-pro-image"
            config = {"responseModalities": ["IMAGE"]}
            drawn = await self.generates(model, {"text": "A cat"}, generationConfig=config)
            self.refused(drawn, "image")

    async def test_model_with_own_endpoint_is_refused_without_that_endpoint(self) -> None:
        await self.begin()
        for upstream in ("chat", "resp", "ant"):
            picture = {"model": f"{upstream}/gpt-image-1", "prompt": "A cat"}
            self.refused(await self.ask("/v1/images/generations", picture), "image")
            speech = {"model": f"{upstream}/tts-1", "input": "Hi", "voice": "alloy"}
            self.refused(await self.ask("/v1/audio/speech", speech), "audio")
            self.refused(await self.transcribe(f"{upstream}/whisper-1"), "audio")

    # Files at a provider

    async def test_file_of_another_provider_is_refused_and_named(self) -> None:
        await self.begin()
        file = {"type": "file", "file": {"file_id": "file-abc"}}
        words = {"type": "text", "text": "Sum up"}
        for model in ("ant/claude-sonnet-4-6", "gem/gemini-3-flash"):
            self.refused(await self.chats(model, [words, file]), "messages[0].content[1]")
            for kind in ("input_file", "input_image"):
                part = {"type": kind, "file_id": "file-abc"}
                self.refused(
                    await self.responds(model, [{"type": "input_text", "text": "?"}, part]),
                    "input[0].content[1].file_id",
                )
        self.refused(
            await self.responds("chat/qwen3", [{"type": "input_file", "file_id": "file-abc"}]),
            "input[0].content[0].file_id",
        )
        image = {"type": "image", "source": {"type": "file", "file_id": "file_011"}}
        for model in ("chat/gpt-4o", "resp/gpt-5.1", "gem/gemini-3-flash"):
            self.refused(await self.writes(model, [words, image]), "messages.0.content.1.source")
        for model in ("chat/gpt-4o", "resp/gpt-5.1", "ant/claude-sonnet-4-6"):
            for uri in (GEMINI_FILE, "gs://bucket/a.pdf"):
                part = {"fileData": {"mimeType": "application/pdf", "fileUri": uri}}
                self.refused(
                    await self.generates(model, {"text": "?"}, part), "contents[0].parts[1]"
                )

    async def test_file_in_a_tool_result_is_refused_and_named(self) -> None:
        await self.begin()
        image = {"type": "image", "source": {"type": "file", "file_id": "file_011"}}
        body = {
            "model": "gem/gemini-3-flash",
            "max_tokens": 500,
            "messages": [
                {"role": "user", "content": "Look"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t1", "name": "see", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [image]}],
                },
            ],
        }
        answer = await self.ask("/v1/messages", body)
        self.refused(answer, "messages.2.content.0.content.0.source.file_id")

    async def test_file_in_a_tool_output_of_every_protocol_is_refused_and_named(self) -> None:
        await self.begin()
        part = {"type": "input_image", "file_id": "file-abc"}
        call = {"type": "function_call", "call_id": "c1", "name": "see", "arguments": "{}"}
        body: dict[str, Any] = {
            "model": "ant/claude-sonnet-4-6",
            "input": [
                {"role": "user", "content": "Look"},
                call,
                {"type": "function_call_output", "call_id": "c1", "output": [part]},
            ],
        }
        answer = await self.ask("/v1/responses", body)
        self.refused(answer, "input[2].output[0].file_id")
        function = {"name": "see", "arguments": "{}"}
        body = {
            "model": "gem/gemini-3-flash",
            "messages": [
                {"role": "user", "content": "Look"},
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "type": "function", "function": function}],
                },
                {
                    "role": "tool",
                    "tool_call_id": "c1",
                    "content": [{"type": "file", "file": {"file_id": "file-abc"}}],
                },
            ],
        }
        answer = await self.ask("/v1/chat/completions", body)
        self.refused(answer, "messages[2].content[0]")
        file = {"fileData": {"mimeType": "image/png", "fileUri": GEMINI_FILE}}
        response = {"id": "c1", "name": "see", "response": {}, "parts": [file]}
        contents = [
            {"role": "user", "parts": [{"text": "Look"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "see"}}]},
            {"role": "user", "parts": [{"functionResponse": response}]},
        ]
        path = "/v1beta/models/ant/claude-sonnet-4-6:generateContent"
        self.refused(await self.ask(path, {"contents": contents}), "contents[2].parts[0]")

    async def test_image_stored_at_openai_is_refused_elsewhere(self) -> None:
        await self.begin()
        body = {
            "model": "gem/gemini-3-pro-image",
            "prompt": "Add a hat",
            "images": [{"file_id": "file-abc"}],
        }
        self.refused(await self.ask("/v1/images/edits", body), "images[0].file_id")

    async def test_file_passes_to_its_provider(self) -> None:
        await self.begin()
        file = {"type": "file", "file": {"file_id": "file-abc"}}
        answer = await self.chats("chat/gpt-4o", [{"type": "text", "text": "?"}, file])
        self.assertEqual(answer.status, 200, answer.body)
        part = {"type": "input_file", "file_id": "file-abc"}
        answer = await self.responds("chat/gpt-4o", [{"type": "input_text", "text": "?"}, part])
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("file-abc", json.dumps(self.sent()))

    async def test_cached_content_of_google_is_refused_elsewhere(self) -> None:
        await self.begin()
        answer = await self.generates(
            "ant/claude-sonnet-4-6", {"text": "?"}, cachedContent="cachedContents/abc"
        )
        self.refused(answer, "cachedContent")

    # Claude Code's attribution block

    async def test_attribution_block_is_sent_to_anthropic_only(self) -> None:
        await self.begin()
        system = [{"type": "text", "text": BLOCK}, {"type": "text", "text": "You help."}]
        models = ("chat/qwen3-coder", "resp/gpt-5.1", "gem/gemini-3-flash")
        for model in models:
            for stream in (False, True):
                answer = await self.writes(model, "x", system=system, stream=stream)
                self.assertEqual(answer.status, 200, answer.body)
                self.assertNotIn("billing-header", json.dumps(self.sent()))
                self.assertIn("You help.", json.dumps(self.sent()))
        answer = await self.writes("ant/claude-sonnet-4-6", "x", system=system)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.sent()["system"], system)
        again = [{"role": "user", "content": "x"}]
        count = {"model": "gem/gemini-3-flash", "system": system, "messages": again}
        answer = await self.ask("/v1/messages/count_tokens", count)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertNotIn("billing-header", json.dumps(self.simulator.log[-1].body))

    async def test_attribution_block_is_not_counted_for_others(self) -> None:
        await self.begin()
        counts = []
        for block in ([{"type": "text", "text": BLOCK}], []):
            body = {
                "model": "chat/qwen3-coder",
                "system": [*block, {"type": "text", "text": "You help."}],
                "messages": [{"role": "user", "content": "x"}],
            }
            answer = await self.ask("/v1/messages/count_tokens", body)
            self.assertEqual(answer.headers["x-token-count-source"], "estimate")
            counts.append(answer.json()["input_tokens"])
        self.assertEqual(counts[0], counts[1])

    async def test_other_texts_about_attribution_are_kept(self) -> None:
        await self.begin()
        for system in (
            [{"type": "text", "text": "You help."}, {"type": "text", "text": BLOCK}],
            [{"type": "text", "text": f"{BLOCK}\nYou help."}],
        ):
            await self.writes("chat/qwen3-coder", "x", system=system)
            self.assertIn("billing-header", json.dumps(self.sent()))

    # Web search without the web

    async def test_search_without_live_web_becomes_no_live_search(self) -> None:
        await self.begin()
        search = {"type": "web_search", "external_web_access": False}
        choice = {"type": "web_search"}
        for model in (
            "chat/gpt-4o-search-preview",
            "ant/claude-sonnet-4-6",
            "gem/gemini-2.5-flash",
        ):
            answer = await self.responds(model, "hi", tools=[search], tool_choice=choice)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertNotIn("search", json.dumps({**self.sent(), "model": ""}).lower())
            self.assertIn("web_search", answer.headers[WARNINGS])
        live = {"type": "web_search"}
        answer = await self.responds("ant/claude-sonnet-4-6", "hi", tools=[live])
        self.assertIn("web_search", json.dumps(self.sent()["tools"]))

    # Tools of Google's beside functions

    async def test_hosted_tool_beside_functions_on_gemini(self) -> None:
        await self.begin()
        tools = [
            {"type": "function", "name": "f", "parameters": SCHEMA},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ]
        answer = await self.responds("gem/gemini-3-flash", "x", tools=tools, tool_choice="auto")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(self.sent()["toolConfig"]["includeServerSideToolInvocations"])
        self.assertIn({"codeExecution": {}}, self.sent()["tools"])
        for model in ("gem/gemini-2.5-flash",):
            answer = await self.responds(model, "x", tools=tools)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertNotIn("codeExecution", json.dumps(self.sent()))
            self.assertIn("code_execution", answer.headers[WARNINGS])

    # Turns that hold nothing but thinking

    async def test_turn_with_thinking_only_is_dropped(self) -> None:
        await self.begin()
        turn = {"type": "thinking", "thinking": "hm", "signature": ""}
        models = ("chat/kimi-k2.5", "chat/deepseek-v4-pro", "resp/gpt-5.1", "gem/gemini-3-flash")
        for model in models:
            body = {
                "model": model,
                "max_tokens": 500,
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": [turn]},
                    {"role": "user", "content": "b"},
                ],
            }
            answer = await self.ask("/v1/messages", body)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(len(self.reached()), models.index(model) + 1)
            self.assertNotIn("hm", json.dumps(self.sent()))


SCHEMA = {"type": "object", "properties": {}}
