"""An error with status 200 is the error that it would be with the right status."""

from __future__ import annotations

from typing import Any

from tests.faults.fixtures import check_broken_stream, check_refusal
from tests.faults.scripted_upstream import (
    CLIENTS,
    UPSTREAMS,
    ScriptedCase,
    ScriptedResponse,
    dumps,
    events_of,
    sse,
    whole_reply,
    wrapped,
)

PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
#: Bodies, the status that clients see, and how many requests they cost at the most.
ERRORS: list[tuple[Any, int, int]] = [
    ({"error": {"message": "No good.", "type": "invalid_request_error"}}, 400, 1),
    ({"error": {"message": "No good.", "code": 400}}, 400, 1),
    ({"error": "No good: invalid request"}, 400, 1),
    ({"type": "error", "error": {"type": "invalid_request_error", "message": "No good."}}, 400, 1),
    ({"object": "error", "message": "No good.", "type": "BadRequestError", "code": 400}, 400, 1),
    ({"code": 400, "message": "No good."}, 400, 1),
    ({"code": "1210", "msg": "No good.", "success": False}, 400, 1),
    ({"detail": [{"loc": ["body"], "msg": "No good.", "type": "value_error"}]}, 422, 1),
    ({"base_resp": {"status_code": 2013, "status_msg": "No good."}, "choices": None}, 400, 1),
    ({"error": {"message": "No good.", "type": "rate_limit_error"}}, 429, 3),
    ({"code": 429, "message": "No good."}, 429, 3),
    ({"error": {"code": 429, "message": "No good.", "status": "RESOURCE_EXHAUSTED"}}, 429, 3),
    ({"code": 500, "msg": "No good.", "success": False}, 502, 3),
    ({"error": {"message": "No good.", "type": "overloaded_error"}}, 529, 3),
]


def seen_by(client: str, status: int) -> int:
    """Return the status that a client sees."""
    if status == 529 and client != "anthropic":  # only Anthropic's API has it
        return 503
    return 400 if status == 422 else status


class EmbeddedErrorTests(ScriptedCase):
    async def check_all(self, make: Any, content_type: str, *, stream: bool) -> None:
        for body, status, most in ERRORS:
            await self.start()
            for client, upstream in PAIRS:
                self.script(ScriptedResponse(make(wrapped(upstream, body)), content_type))
                answer = await self.ask_model(client, upstream, stream=stream)
                where = (body, client, upstream, stream, answer.status, answer.body)
                seen = seen_by(client, status)
                if seen in (400, 502):
                    self.assertIn(b"No good", answer.body, where)
                self.assertEqual(answer.status, seen, where)
                check_refusal(client, answer)
                self.assertLessEqual(self.calls, most, where)

    async def test_error_in_json_response_is_an_error(self) -> None:
        await self.check_all(dumps, "application/json", stream=False)

    async def test_json_error_in_reply_to_stream_is_an_error(self) -> None:
        await self.check_all(dumps, "application/json", stream=True)

    async def test_error_in_first_event_is_an_error(self) -> None:
        await self.check_all(
            lambda body: b"data: %b\n\n" % dumps(body), "text/event-stream", stream=True
        )

    async def test_error_in_named_event_is_an_error(self) -> None:
        await self.check_all(
            lambda body: b"event: error\ndata: %b\n\n" % dumps(body),
            "text/event-stream",
            stream=True,
        )

    async def test_embedded_rate_limit_locks_account(self) -> None:
        await self.start()
        body = {"error": {"message": "Try again in 50s", "type": "rate_limit_error"}}
        self.script(ScriptedResponse(dumps(body)), ScriptedResponse(whole_reply("chat")))
        for _ in range(2):
            answer = await self.ask_model("anthropic", "chat", stream=False)
            self.assertEqual(answer.status, 429, answer.body)
        self.assertEqual(self.calls, 1)

    async def test_embedded_key_rejection_becomes_503(self) -> None:
        await self.start()
        body = {"error": {"message": "Bad key sk-good-key", "code": "invalid_api_key"}}
        for client, upstream in PAIRS:
            self.script(ScriptedResponse(dumps(wrapped(upstream, body))))
            answer = await self.ask_model(client, upstream, stream=False)
            check_refusal(client, answer, 503)
            self.assertNotIn(b"sk-good-key", answer.body)

    async def test_error_in_stream_ends_it_in_client_protocol(self) -> None:
        await self.start()
        oddities: list[Any] = [
            {"error": {"message": "No good.", "code": 500}},
            {"error": "No good."},
            {"detail": "No good."},
            {"code": 500, "message": "No good."},
        ]
        for client, upstream in PAIRS:
            protocol = UPSTREAMS[upstream]
            begun = events_of(protocol)[: 3 if protocol != "openai_chat" else 1]
            if protocol == "gemini":
                del begun[0]["candidates"][0]["finishReason"]
            for oddity in oddities:
                head = sse(*(wrapped(upstream, each) for each in begun))
                self.script(
                    ScriptedResponse(head + b"data: %b\n\n" % dumps(wrapped(upstream, oddity)))
                )
                answer = await self.ask_model(client, upstream, stream=True)
                self.assertIn(b"hello", answer.body, (client, upstream, oddity, answer.body))
                try:
                    error = check_broken_stream(client, answer)
                except AssertionError as failed:
                    raise AssertionError((client, upstream, oddity, answer.body)) from failed
                self.assertIn("No good", error["message"], (client, upstream, oddity))
