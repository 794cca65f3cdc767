"""A complete response is delivered in whatever form the upstream sends it, with one request."""

from __future__ import annotations

import json

from tests.faults.fixtures import check_refusal
from tests.faults.scripted_upstream import (
    CLIENTS,
    UPSTREAMS,
    ScriptedCase,
    ScriptedResponse,
    dumps,
    events_of,
    stream_reply,
    text_of,
    whole_reply,
    wrapped,
)

PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]


class Forms(ScriptedCase):
    async def check_pairs(self, make: object, content_type: str | None) -> None:
        """Assert that all pairs get the text of what ``make`` returns, streamed and whole."""
        await self.start()
        for client, upstream in PAIRS:
            for stream in (True, False):
                body = make(upstream)  # type: ignore[operator]
                self.script(ScriptedResponse(body, content_type))
                answer = await self.ask_model(client, upstream, stream=stream)
                where = (client, upstream, stream, answer.status, answer.body)
                self.assertEqual(answer.status, 200, where)
                self.assertEqual(text_of(client, answer, stream=stream), "hello", where)
                self.assertEqual(self.calls, 1, where)

    async def test_json_response_is_converted_in_all_pairs(self) -> None:
        await self.check_pairs(whole_reply, "application/json")

    async def test_json_response_is_converted_for_any_content_type(self) -> None:
        await self.check_pairs(whole_reply, "text/event-stream")

    async def test_indented_json_without_content_type_is_converted(self) -> None:
        def pretty(upstream: str) -> bytes:
            return b"\n\n" + json.dumps(json.loads(whole_reply(upstream)), indent=2).encode()

        await self.check_pairs(pretty, None)

    async def test_events_are_collected_or_passed_in_all_pairs(self) -> None:
        await self.check_pairs(stream_reply, "text/event-stream")

    async def test_events_are_read_for_any_content_type(self) -> None:
        await self.check_pairs(stream_reply, "Application/JSON; charset=UTF-8")

    async def test_events_without_content_type_are_read(self) -> None:
        await self.check_pairs(stream_reply, None)

    async def test_events_as_json_lines_are_read(self) -> None:
        def lines(upstream: str) -> bytes:
            events = [wrapped(upstream, each) for each in events_of(UPSTREAMS[upstream])]
            return b"\n".join(map(dumps, events))

        await self.check_pairs(lines, "application/x-ndjson")

    async def test_events_in_json_array_are_read(self) -> None:
        def array(upstream: str) -> bytes:
            return dumps([wrapped(upstream, each) for each in events_of(UPSTREAMS[upstream])])

        await self.check_pairs(array, "application/json")


class NoForm(ScriptedCase):
    async def check_reported_once(
        self, reply: ScriptedResponse, *words: str, passes_whole: bool = False
    ) -> None:
        """Assert that all pairs get an error with ``words`` after one request.

        ``passes_whole`` leaves out whole replies in the client's own protocol.
        """
        await self.start()
        for client, upstream in PAIRS:
            for stream in (True, False):
                if passes_whole and not stream and UPSTREAMS[upstream] == client:
                    continue
                self.script(reply)
                answer = await self.ask_model(client, upstream, stream=stream)
                error = check_refusal(client, answer, 502)
                for word in (*words, "base_url", upstream):
                    self.assertIn(word, error["message"], (client, upstream, stream))
                self.assertEqual(self.calls, 1, (client, upstream, stream))

    async def test_web_page_is_reported_without_retry(self) -> None:
        page = b"<!DOCTYPE html><html><body>Welcome</body></html>"
        await self.check_reported_once(
            ScriptedResponse(page, "text/html; charset=utf-8"), "text/html"
        )

    async def test_web_page_is_recognised_by_its_body(self) -> None:
        await self.check_reported_once(
            ScriptedResponse(b"\n <html></html>", "application/json"), "text/html"
        )

    async def test_plain_text_is_reported_without_retry(self) -> None:
        await self.check_reported_once(
            ScriptedResponse(b"It works! Nothing else does.", "text/plain"),
            "text/plain",
            "It works!",
        )

    async def test_other_json_is_reported_without_retry(self) -> None:
        await self.check_reported_once(
            ScriptedResponse(b'{"data":{"ok":true}}', "application/json"), passes_whole=True
        )

    async def test_empty_json_object_is_reported_without_retry(self) -> None:
        await self.check_reported_once(
            ScriptedResponse(b"{}", "application/json"), passes_whole=True
        )

    async def test_unreadable_response_locks_no_account(self) -> None:
        await self.start()
        self.script(
            ScriptedResponse(b"<html></html>", "text/html"), ScriptedResponse(whole_reply("chat"))
        )
        await self.ask_model("openai_chat", "chat", stream=False)
        answer = await self.ask_model("openai_chat", "chat", stream=False)
        self.assertEqual(answer.status, 200)


class OtherProtocols(ScriptedCase):
    async def test_response_in_other_protocol_is_read(self) -> None:
        await self.start()
        for client, upstream in PAIRS:
            for other in ("chat", "responses", "claude", "google"):
                if UPSTREAMS[other] == UPSTREAMS[upstream]:
                    continue
                if (upstream, other) == ("assist", "responses"):
                    continue  # its envelope is called ``response``, too
                for stream in (True, False):
                    for body in (stream_reply(other), whole_reply(other)):
                        self.script(ScriptedResponse(body))
                        answer = await self.ask_model(client, upstream, stream=stream)
                        where = (client, upstream, other, stream, answer.status, answer.body)
                        self.assertEqual(answer.status, 200, where)
                        self.assertEqual(text_of(client, answer, stream=stream), "hello", where)
                        self.assertEqual(self.calls, 1, where)
