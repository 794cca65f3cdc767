"""An end without content is an end; only what is a mistake is tried again, once."""

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
    reason_of,
    sse,
    stream_reply,
    text_of,
    whole_reply,
    wrapped,
)

PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
#: Reasons of each protocol, and what kind of end they are for clients.
REASONS = {
    "openai_chat": {
        "stop": "stop",
        "length": "length",
        "content_filter": "filter",
        "a_reason_of_next_year": "stop",
    },
    "openai_responses": {
        "completed": "stop",
        "max_output_tokens": "length",
        "content_filter": "filter",
    },
    "anthropic": {
        "end_turn": "stop",
        "max_tokens": "length",
        "refusal": "filter",
        "model_context_window_exceeded": "length",
        "a_reason_of_next_year": "stop",
    },
    "gemini": {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "filter",
        "PROHIBITED_CONTENT": "filter",
        "IMAGE_SAFETY": "filter",
        "NO_IMAGE": "stop",
        "OTHER": "stop",
        "A_REASON_OF_NEXT_YEAR": "stop",
    },
    "gemini_interactions": {
        "completed": "stop",
        "incomplete": "length",
        "budget_exceeded": "length",
        "requires_continuation": "length",
    },
}
#: How clients say these kinds.
SAID: dict[str, dict[str, set[str]]] = {
    "openai_chat": {"stop": {"stop"}, "length": {"length"}, "filter": {"content_filter"}},
    "openai_completions": {"stop": {"stop"}, "length": {"length"}, "filter": {"content_filter"}},
    "openai_responses": {
        "stop": {"completed"},
        "length": {"max_output_tokens"},
        "filter": {"content_filter"},
    },
    "anthropic": {"stop": {"end_turn"}, "length": {"max_tokens"}, "filter": {"refusal"}},
    "gemini": {"stop": {"STOP"}, "length": {"MAX_TOKENS"}, "filter": {"SAFETY"}},
    "gemini_interactions": {
        "stop": {"completed"},
        "length": {"incomplete"},
        "filter": {"incomplete"},
    },
}
MISTAKES = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE")


class EmptyEnds(ScriptedCase):
    async def check(
        self, client: str, upstream: str, reason: str, kind: str, *, stream: bool
    ) -> None:
        make = stream_reply if stream or UPSTREAMS[upstream] != client else whole_reply
        self.script(ScriptedResponse(make(upstream, text="", reason=reason)))
        answer = await self.ask_model(client, upstream, stream=stream)
        where = (client, upstream, reason, stream, answer.status, answer.body)
        self.assertEqual(answer.status, 200, where)
        self.assertEqual(self.calls, 1, where)
        self.assertEqual(text_of(client, answer, stream=stream), "", where)
        allowed = SAID[client][kind]
        if UPSTREAMS[upstream] == client or client == "gemini":
            allowed = allowed | {reason}  # the upstream's own word
        self.assertIn(reason_of(client, answer, stream=stream), allowed, where)

    async def check_client(self, client: str) -> None:
        await self.start()
        for upstream, protocol in UPSTREAMS.items():
            for reason, kind in REASONS[protocol].items():
                for stream in (True, False):
                    await self.check(client, upstream, reason, kind, stream=stream)

    async def test_unusual_ends_reach_chat_clients(self) -> None:
        await self.check_client("openai_chat")

    async def test_unusual_ends_reach_completions_clients(self) -> None:
        await self.check_client("openai_completions")

    async def test_unusual_ends_reach_responses_clients(self) -> None:
        await self.check_client("openai_responses")

    async def test_unusual_ends_reach_anthropic_clients(self) -> None:
        await self.check_client("anthropic")

    async def test_unusual_ends_reach_gemini_clients(self) -> None:
        await self.check_client("gemini")

    async def test_unusual_ends_reach_interactions_clients(self) -> None:
        await self.check_client("gemini_interactions")


class Mistakes(ScriptedCase):
    async def check(self, model: str, first: Any, second: Any, calls: int) -> None:
        """Assert that ``first`` is answered by ``second`` after so many requests."""
        await self.start()
        for client in CLIENTS:
            for upstream in ("google", "assist"):
                for stream in (True, False):
                    if client == "gemini" and not stream and not model.startswith("gemini"):
                        continue  # passed on as it is
                    replies = [sse(wrapped(upstream, each)) for each in (first, second)]
                    if client == "gemini" and not stream:
                        replies = [dumps(wrapped(upstream, each)) for each in (first, second)]
                    self.script(*map(ScriptedResponse, replies))
                    answer = await self.ask_model(client, upstream, stream=stream, model=model)
                    where = (client, upstream, stream, answer.status, answer.body)
                    self.assertEqual(answer.status, 200, where)
                    self.assertEqual(self.calls, calls, where)
                    text_of(client, answer, stream=stream)

    async def test_empty_gemini_stop_is_retried_once_then_delivered(self) -> None:
        empty = events_of("gemini", text="")[0]
        await self.check("gemini-2.5-flash", empty, empty, 2)

    async def test_response_of_second_attempt_is_delivered(self) -> None:
        await self.check(
            "gemini-2.5-flash", events_of("gemini", text="")[0], events_of("gemini")[0], 2
        )

    async def test_empty_stop_of_other_models_is_delivered_at_once(self) -> None:
        empty = events_of("gemini", text="")[0]
        await self.check("some-model-1", empty, empty, 1)

    async def test_other_gemini_finish_reasons_are_delivered_at_once(self) -> None:
        for reason in ("OTHER", "NO_IMAGE", "SAFETY"):
            ended = events_of("gemini", text="", reason=reason)[0]
            await self.check("gemini-2.5-flash-image", ended, ended, 1)

    async def test_malformed_finish_reasons_are_retried_once_then_delivered(self) -> None:
        for reason in MISTAKES:
            ended = events_of("gemini", text="", reason=reason)[0]
            if reason == MISTAKES[0]:
                await self.check("some-model-1", ended, events_of("gemini")[0], 2)
            await self.start()
            for client in ("openai_chat", "anthropic", "gemini"):
                self.script(ScriptedResponse(sse(ended)))
                answer = await self.ask_model(client, "google", stream=True)
                self.assertEqual((answer.status, self.calls), (200, 2), (client, answer.body))

    async def test_stream_without_content_is_an_error(self) -> None:
        await self.start()
        self.script(ScriptedResponse(b"data: [DONE]\n\n", "text/event-stream"))
        answer = await self.ask_model("openai_chat", "chat", stream=True)
        check_refusal("openai_chat", answer, 502)


class MissingEnds(ScriptedCase):
    """Last events that servers forget; a cut stays one."""

    async def check(self, upstream: str, body: bytes, *, complete: bool = True) -> None:
        await self.start()
        for client in CLIENTS:
            for stream in (True, False):
                self.script(ScriptedResponse(body, "text/event-stream"))
                answer = await self.ask_model(client, upstream, stream=stream)
                where = (client, stream, answer.status, answer.body)
                if complete:
                    self.assertEqual(text_of(client, answer, stream=stream), "hello", where)
                    self.assertEqual(self.calls, 1, where)
                elif stream:
                    check_broken_stream(client, answer)
                else:
                    check_refusal(client, answer, 502)

    async def test_chat_stream_without_reason_is_complete_after_usage(self) -> None:
        first, _, usage = events_of("openai_chat")
        await self.check("chat", sse(first, usage))

    async def test_chat_stream_without_reason_is_complete_after_done(self) -> None:
        first = events_of("openai_chat")[0]
        await self.start()
        for client in ("openai_responses", "anthropic", "gemini"):
            self.script(ScriptedResponse(sse(first, done=True)))
            answer = await self.ask_model(client, "chat", stream=True)
            self.assertEqual(text_of(client, answer, stream=True), "hello")

    async def test_chat_stream_without_done_is_complete(self) -> None:
        await self.check("chat", sse(*events_of("openai_chat")))

    async def test_chat_stream_without_reason_usage_or_done_is_broken(self) -> None:
        await self.check("chat", sse(events_of("openai_chat")[0]), complete=False)

    async def test_anthropic_stream_without_message_stop_is_complete(self) -> None:
        await self.check("claude", sse(*events_of("anthropic")[:-1]))

    async def test_anthropic_stream_without_reason_is_broken(self) -> None:
        await self.check("claude", sse(*events_of("anthropic")[:-2]), complete=False)

    async def test_responses_stream_without_last_event_is_complete(self) -> None:
        await self.check("responses", sse(*events_of("openai_responses")[:-1]))

    async def test_responses_stream_with_open_item_is_broken(self) -> None:
        await self.check("responses", sse(*events_of("openai_responses")[:-2]), complete=False)

    async def test_gemini_stream_without_reason_is_broken(self) -> None:
        chunk = events_of("gemini")[0]
        del chunk["candidates"][0]["finishReason"]
        await self.check("google", sse(chunk), complete=False)
