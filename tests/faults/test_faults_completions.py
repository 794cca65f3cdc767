"""Legacy completions that are passed on to who has them, and those that are not."""

from __future__ import annotations

from typing import Any

from openai.types import Completion

from tests.faults.fixtures import FaultCase, HttpResponse, check_broken_stream, check_refusal

BASE = "openai_chat-to-openai_chat/gpt-4.1"
CHAT = "openai_completions-to-openai_chat/gpt-4.1"
CLAUDE = "openai_chat-to-anthropic/claude-sonnet-4-5"
GLM = "openai_chat-to-openai_chat/glm-4.7"


class PassedCompletions(FaultCase):
    async def asked(self, model: str = BASE, **fields: Any) -> HttpResponse:
        reading = await self.send(
            "/v1/completions", {"model": model, "prompt": "[[say one]]", **fields}
        )
        await reading.closed
        return HttpResponse(reading.data)

    @property
    def logged(self) -> Any:
        return self.simulator.state.log[-1]

    async def setup(self) -> None:
        await self.start(upstream={"apis": ["chat", "completions"]})

    async def test_native_completions_fields_pass(self) -> None:
        await self.setup()
        for fields in (
            {"prompt": [1, 2, 3]},
            {"prompt": [[1, 2], [3]]},
            {"suffix": "the end"},
            {"best_of": 3, "n": 2},
            {"echo": True, "logprobs": 5},
            {"prompt": ["a", "b"], "logit_bias": {"50256": -100}},
        ):
            answer = await self.asked(**fields)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(self.logged.path, "/v1/completions")
            sent = {"prompt": "[[say one]]", **fields, "model": "gpt-4.1"}
            self.assertEqual(self.logged.body, sent)
            Completion.model_validate_json(answer.body)

    async def test_native_completions_stream_passes_and_is_counted(self) -> None:
        await self.setup()
        records = self.watched()
        answer = await self.asked(
            prompt=[7, 8, 9], stream=True, stream_options={"include_usage": True}
        )
        self.assertEqual(answer.events()[-1][1], "[DONE]")
        (record,) = records
        self.assertTrue(record.attempts[0].passed_through)
        self.assertGreater(record.usage.output, 0)

    async def test_broken_completions_stream_ends_with_error(self) -> None:
        await self.setup()
        answer = await self.asked(prompt="[[cut 2]] [[say a b c d e]]", stream=True)
        check_broken_stream("openai_completions", answer)

    async def test_several_choices_pass_to_native_completions(self) -> None:
        """What a chat model of that name gives at once says nothing of this endpoint."""
        await self.setup()
        answer = await self.asked(GLM, n=3)
        self.assertEqual(len(answer.json()["choices"]), 3)
        self.assertEqual(self.logged.body["n"], 3)

    async def test_chat_model_rejects_native_completions_fields(self) -> None:
        await self.start()
        for fields in ({"prompt": [1, 2]}, {"suffix": "x"}, {"best_of": 2}):
            for model in (CHAT, CLAUDE):
                error = check_refusal("openai_chat", await self.asked(model, **fields), 400)
                self.assertEqual(error["param"], next(iter(fields)))
        answer = await self.asked(CLAUDE, prompt=["[[say a]]", "[[say b]]"], n=2)
        self.assertEqual([c["text"] for c in answer.json()["choices"]], ["a", "a", "b", "b"])
        self.assertEqual(self.simulator.state.stats.requests, 4)
