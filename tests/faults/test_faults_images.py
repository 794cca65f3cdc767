"""Images whose upstreams or clients fail on the way."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from antigravity.config.settings import TimeoutSettings
from tests.faults.fixtures import ClientConnection, FaultCase, HttpResponse, check_refusal
from tests.support.conditions import eventually

GEMINI = "gemini-to-gemini/gemini-3.1-flash-image"
OPENAI = "openai_chat-to-openai_chat/gpt-image-1"
PATH = "/v1/images/generations"
SHORT = TimeoutSettings(connect=2.0, first_byte=0.4, idle=0.4, total=3.0)


def drawn(answer: HttpResponse) -> list[tuple[str, Any]]:
    """Return the events of an answer, but for their pictures."""
    return [(name, {**event, "b64_json": None}) for name, event in answer.events()]


class ImageFaults(FaultCase):
    async def setup(self, **more: Any) -> None:
        await self.start(upstream={"apis": ["chat", "images"]}, **more)

    async def begun(self, model: str, prompt: str, **fields: Any) -> ClientConnection:
        return await self.send(PATH, {"model": model, "prompt": prompt, **fields})

    async def drawing(self, model: str, prompt: str, **fields: Any) -> HttpResponse:
        reading = await self.begun(model, prompt, **fields)
        await reading.closed
        return HttpResponse(reading.data)

    async def test_disconnect_cancels_all_upstream_requests(self) -> None:
        await self.setup()
        for stream in (False, True):
            reading = await self.begun(GEMINI, "[[ttft 30]] cats", n=4, stream=stream)
            stats = self.simulator.state.stats
            await eventually(lambda stats=stats: stats.open_streams == 4)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await eventually(lambda stats=stats: stats.open_streams == 0)

    async def test_disconnect_in_stream_cancels_remaining_requests(self) -> None:
        await self.setup()
        reading = await self.begun(GEMINI, "[[ttft 0.05]] cats", n=10, stream=True)
        await reading.until(b"image_generation.completed")
        before = self.simulator.state.stats.answered
        reading.transport.abortConnection()  # type: ignore[union-attr]
        await eventually(lambda: self.simulator.state.stats.open_streams == 0)
        self.assertLess(before, 10)
        self.assertLessEqual(self.simulator.state.stats.answered, before + 4)

    async def test_parallel_requests_are_limited(self) -> None:
        await self.setup()
        most = 0

        def look() -> bool:
            nonlocal most
            most = max(most, self.simulator.state.stats.open_streams)
            return self.simulator.state.stats.answered == 10

        done = Deferred.fromCoroutine(self.drawing(GEMINI, "[[ttft 0.05]] cats", n=10))
        await eventually(look)
        answer = await done
        self.assertEqual(len(answer.json()["data"]), 10)
        self.assertEqual(most, 4)

    async def test_image_stream_reports_failures(self) -> None:
        await self.setup()
        answer = await self.drawing(GEMINI, "[[error 400 times=1]] x", n=3, stream=True)
        names = sorted(name for name, _ in answer.events())
        self.assertEqual(names, ["image_generation.completed"] * 2 + ["image_generation.failed"])
        failures = [event["failure"] for name, event in answer.events() if "failure" in event]
        self.assertIn("Simulated", failures[0]["message"])
        counted = [e["usage"]["total_tokens"] for n, e in answer.events() if "usage" in e]
        self.assertEqual(len(set(counted)), 1, "each event tells what its own image cost")

    async def test_images_fail_with_status_when_all_fail(self) -> None:
        await self.setup()
        for fields in ({"stream": True}, {"stream": True, "n": 3}, {}, {"n": 3}):
            answer = await self.drawing(GEMINI, "[[error 400]]", **fields)
            check_refusal("openai_chat", answer, 400)

    async def test_broken_image_response_is_retried(self) -> None:
        """Of a whole answer nothing was sent yet, so it is asked for again."""
        await self.setup()
        answer = await self.drawing(GEMINI, "[[cut 0 times=1]] x")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(len(answer.json()["data"]), 1)

    async def test_broken_passed_image_stream_ends_with_error(self) -> None:
        await self.setup()
        answer = await self.drawing(OPENAI, "[[cut 1]] x", stream=True, partial_images=2)
        self.assertTrue(answer.whole)
        (first, _), (last, event) = drawn(answer)
        self.assertEqual((first, last), ("image_generation.partial_image", "error"))
        self.assertTrue(event["error"]["message"])

    async def test_silent_image_upstream_times_out(self) -> None:
        await self.setup(timeouts=SHORT)
        for model in (GEMINI, OPENAI):
            answer = await self.drawing(model, "[[stall 0]] x")
            check_refusal("openai_chat", answer, 504)

    async def test_missing_image_path_locks_no_account(self) -> None:
        await self.setup()
        model = "openai_chat-to-openai_chat/gpt-4.1"
        answers = await gatherResults(
            [Deferred.fromCoroutine(self.drawing(model, "x")) for _ in range(3)]
        )
        for answer in answers:
            check_refusal("openai_chat", answer, 404)
        body = {"model": model, "messages": [{"role": "user", "content": "[[say fine]]"}]}
        reading = await self.send("/v1/chat/completions", body)
        await reading.closed
        self.assertIn(b"fine", HttpResponse(reading.data).body)

    async def test_record_lists_every_attempt(self) -> None:
        await self.setup()
        records = self.watched()
        await self.drawing(GEMINI, "[[error 503 times=1]] x", n=2, quality="hd", size="300x100")
        (record,) = records
        self.assertEqual((record.outcome, record.mapped_model), ("ok", "gemini-3.1-flash-image"))
        self.assertEqual(len(record.attempts), 3)
        self.assertEqual(sorted(a.status or 0 for a in record.attempts), [200, 200, 503])
        self.assertEqual([loss.field for loss in record.warnings], ["size"])
        self.assertGreater(record.usage.output, 0)

    async def test_forms_pass_unchanged(self) -> None:
        await self.setup()
        picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2000
        parts = [
            ('name="model"', OPENAI.encode()),
            ('name="prompt"', b"a hat"),
            ('name="image[]"; filename="a.png"', picture),
        ]
        body = b"".join(
            b"--b\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), data)
            for head, data in parts
        )
        reading = await self.connect()
        head = (
            "POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(body) + 7}\r\n\r\n"
        )
        reading.transport.write(head.encode() + body + b"--b--\r\n")  # type: ignore[union-attr]
        await reading.closed
        answer = HttpResponse(reading.data)
        self.assertEqual(answer.status, 200, answer.body)
        logged = self.simulator.state.log[-1]
        self.assertEqual(logged.body["model"], "gpt-image-1")
        self.assertEqual(logged.body["image[]"]["size"], len(picture))
        self.assertEqual(json.loads(answer.body)["output_format"], "png")
