"""Several answers from models that give one, whoever fails or leaves on the way."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.config.settings import SchedulingSettings
from tests.faults.fixtures import (
    ClientConnection,
    FaultCase,
    HttpResponse,
    check_broken_stream,
    check_refusal,
)
from tests.support.conditions import eventually

CLAUDE = "openai_chat-to-anthropic/claude-sonnet-4-5"
RESPONSES = "anthropic-to-openai_responses/gpt-4.1"
CHAT = "/v1/chat/completions"


def user_message(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def choices(answer: HttpResponse) -> list[str]:
    """Return the texts of a streamed answer, in the order of their indexes."""
    texts: dict[int, str] = defaultdict(str)
    finished: set[int] = set()
    for _, chunk in answer.events():
        for choice in chunk["choices"] if isinstance(chunk, dict) else ():
            assert choice["index"] not in finished, "nothing follows the end of a choice"
            texts[choice["index"]] += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                finished.add(choice["index"])
    assert finished == set(texts), "every choice has an end"
    assert sorted(texts) == list(range(len(texts)))
    return [texts[index] for index in sorted(texts)]


class ChoicesFaults(FaultCase):
    async def begun(
        self, prompt: str, n: int, model: str = CLAUDE, **fields: Any
    ) -> ClientConnection:
        return await self.send(
            CHAT, {"model": model, "messages": user_message(prompt), "n": n, **fields}
        )

    async def asked(self, prompt: str, n: int, model: str = CLAUDE, **fields: Any) -> HttpResponse:
        reading = await self.begun(prompt, n, model, **fields)
        await reading.closed
        return HttpResponse(reading.data)

    @property
    def stats(self) -> Any:
        return self.simulator.state.stats

    async def test_choices_have_requested_number(self) -> None:
        await self.start()
        for model in (CLAUDE, RESPONSES):
            whole = (await self.asked("[[say one]]", 5, model)).json()
            self.assertEqual([c["index"] for c in whole["choices"]], list(range(5)))
            self.assertEqual({c["message"]["content"] for c in whole["choices"]}, {"one"})
            answer = await self.asked("[[say one]]", 5, model, stream=True)
            self.assertEqual(choices(answer), ["one"] * 5)
            self.assertEqual(answer.events()[-1][1], "[DONE]")

    async def test_gemini_clients_get_several_candidates(self) -> None:
        await self.start()
        body = {
            "contents": [{"parts": [{"text": "[[say one]]"}]}],
            "generationConfig": {"candidateCount": 3},
        }
        for verb in ("generateContent", "streamGenerateContent?alt=sse"):
            reading = await self.send(f"/v1beta/models/{CLAUDE}:{verb}", body)
            await reading.closed
            answer = HttpResponse(reading.data)
            last = answer.json() if "stream" not in verb else answer.events()[-1][1]
            self.assertEqual([c["index"] for c in last["candidates"]], [0, 1, 2])
            self.assertEqual({c["finishReason"] for c in last["candidates"]}, {"STOP"})
        reading = await self.send(
            f"/v1beta/models/{CLAUDE}:generateContent",
            {**body, "generationConfig": {"candidateCount": 9}},
        )
        await reading.closed
        error = check_refusal("gemini", HttpResponse(reading.data), 400)
        self.assertIn("candidateCount", error["message"])

    async def test_usage_counts_prompt_once(self) -> None:
        await self.start()
        records = self.watched()
        one = (await self.asked("[[say one two three]]", 1)).json()["usage"]
        for stream in (False, True):
            options = {"stream_options": {"include_usage": True}} if stream else {}
            answer = await self.asked("[[say one two three]]", 3, stream=stream, **options)
            usage = answer.events()[-2][1]["usage"] if stream else answer.json()["usage"]
            self.assertEqual(usage["prompt_tokens"], one["prompt_tokens"])
            self.assertEqual(usage["completion_tokens"], 3 * one["completion_tokens"])
            self.assertEqual(records[-1].usage.input_total, 3 * one["prompt_tokens"])
            self.assertEqual(records[-1].usage.output, 3 * one["completion_tokens"])

    async def test_disconnect_cancels_all_upstream_requests(self) -> None:
        await self.start()
        records = self.watched()
        for stream in (False, True):
            reading = await self.begun("[[ttft 30]] x", 4, stream=stream)
            await eventually(lambda: self.stats.open_streams == 4)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await eventually(lambda: self.stats.open_streams == 0)
            await eventually(lambda: records)
            record = records.pop()
            self.assertEqual(record.outcome, "cancelled")
            self.assertEqual(len(record.attempts), 4)
            self.assertTrue(all(attempt.ended is not None for attempt in record.attempts))

    async def test_disconnect_in_stream_cancels_remaining_requests(self) -> None:
        await self.start()
        records = self.watched()
        reading = await self.begun("[[chunks 200]] [[delay 0.05]] [[tokens 400]]", 8, stream=True)
        await reading.until(b'"content":"')
        await eventually(lambda: self.stats.open_streams == 4)
        reading.transport.abortConnection()  # type: ignore[union-attr]
        await eventually(lambda: self.stats.open_streams == 0)
        await eventually(lambda: records)
        self.assertEqual(records[0].outcome, "cancelled")
        self.assertEqual(self.stats.requests, 4, "those that waited were never asked for")

    async def test_parallel_requests_are_limited(self) -> None:
        await self.start(parallel_choices=2)
        most = 0

        def look() -> bool:
            nonlocal most
            most = max(most, self.stats.open_streams)
            return bool(self.stats.answered == 6)

        done = Deferred.fromCoroutine(self.asked("[[ttft 0.05]] x", 6, stream=True))
        await eventually(look)
        self.assertEqual(len(choices(await done)), 6)
        self.assertEqual(most, 2)

    async def test_choice_that_fails_before_first_byte_is_retried(self) -> None:
        await self.start()
        records = self.watched()
        for stream in (False, True):
            for how in ("[[error 503 times=1]]", "[[cut 0 times=1]]", "[[empty times=1]]"):
                prompt = f"{how} [[say fine]] {stream}"
                answer = await self.asked(prompt, 3, stream=stream)
                self.assertEqual(answer.status, 200, answer.body)
                if stream:
                    texts = choices(answer)
                else:
                    texts = [c["message"]["content"] for c in answer.json()["choices"]]
                self.assertEqual(texts, ["fine"] * 3)
                self.assertEqual(records[-1].outcome, "ok")
                self.assertEqual(len(records[-1].attempts), 4, how)

    async def test_choice_that_breaks_off_is_retried_or_ends_stream(self) -> None:
        """Of a whole reply nothing was sent, so it is asked for again; a stream has to end."""
        await self.start()
        records = self.watched()
        prompt = "[[cut 2 times=1]] [[chunks 6]] [[delay 0.02]] [[say a b c d e f]]"
        answer = await self.asked(prompt, 3)
        texts = [c["message"]["content"] for c in answer.json()["choices"]]
        self.assertEqual(texts, ["a b c d e f"] * 3)
        answer = await self.asked(f"{prompt} again", 3, stream=True)
        check_broken_stream("openai_chat", answer)
        await eventually(lambda: self.stats.open_streams == 0)
        self.assertEqual([record.outcome for record in records], ["ok", "error"])

    async def test_response_fails_when_all_choices_fail(self) -> None:
        await self.start()
        for stream in (False, True):
            before = self.stats.requests
            answer = await self.asked(f"[[error 529]] {stream}", 8, stream=stream)
            check_refusal("openai_chat", answer, 503)
            self.assertLessEqual(self.stats.requests - before, 12, "the rest was not even tried")

    async def test_permanent_failure_is_not_retried(self) -> None:
        await self.start()
        answer = await self.asked("[[error 400]]", 4, stream=True)
        check_refusal("openai_chat", answer, 400)
        self.assertLessEqual(self.stats.requests, 4)

    async def test_choices_wait_for_accounts_with_one_request_at_a_time(self) -> None:
        """Those for whom there is no account while others are served come behind them."""

        scheduling = SchedulingSettings(max_wait_seconds=0, max_concurrency=1)
        await self.start(scheduling=scheduling)
        for stream in (False, True):
            answer = await self.asked("[[ttft 0.05]] [[say fine]]", 2, stream=stream)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.body.count(b'"fine"'), 2)
