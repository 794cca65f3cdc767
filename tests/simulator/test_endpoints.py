"""All protocols over HTTP, as responses and streams, with all faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.resource import IResource
from zope.interface.verify import verifyObject

from tests.simulator.fixtures import KEYS, SimulatorTestCase, chat, contents, events, message

GEMINI = "/v1beta/models/gemini-3-flash"
TALK = '[[think hm]] [[say one two three four five six]] [[tool f {"a": 1}]]'


class EndpointTests(SimulatorTestCase):
    @inlineCallbacks
    def test_chat_completion(self) -> Any:
        _, body = yield self.ask("/v1/chat/completions", chat(TALK, n=2))
        first, second = body["choices"]
        assert first["message"]["content"] == "one two three four five six"
        assert first["message"]["reasoning_content"] == "hm"
        assert first["finish_reason"] == "tool_calls"
        assert second["message"]["content"].endswith("(choice 2)")
        usage = {"include_usage": True}
        request = chat(TALK, stream=True, stream_options=usage)
        _, raw = yield self.ask("/v1/chat/completions", request)
        *chunks, last, done = events(raw)
        assert done == "[DONE]"
        assert last["choices"] == []
        assert last["usage"]["completion_tokens_details"]["reasoning_tokens"] == 1
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("content") or "" for delta in deltas).startswith("one two")
        arguments = "".join(
            delta["tool_calls"][0]["function"].get("arguments", "")
            for delta in deltas
            if "tool_calls" in delta
        )
        assert json.loads(arguments) == {"a": 1}

    @inlineCallbacks
    def test_deferred_function_is_called_in_namespace_of_its_name(self) -> Any:
        function = {"type": "function", "name": "f", "parameters": {}, "strict": False}
        tools = [{"type": "tool_search"}, {**function, "defer_loading": True}]
        request = {"model": "gpt-5.4", "input": "[[tool f {}]]", "tools": tools}
        _, body = yield self.ask("/v1/responses", request)
        (call,) = [item for item in body["output"] if item["type"] == "function_call"]
        assert (call["name"], call["namespace"]) == ("f", "f")

    @inlineCallbacks
    def test_anthropic_messages(self) -> Any:
        _, body = yield self.ask("/v1/messages", message(TALK), "anthropic")
        assert [block["type"] for block in body["content"]] == ["thinking", "text", "tool_use"]
        _, raw = yield self.ask("/v1/messages", message(TALK, stream=True), "anthropic")
        found = events(raw)
        kinds = [event["type"] for event in found]
        assert kinds[:3] == ["message_start", "content_block_start", "ping"]
        assert kinds[-2:] == ["message_delta", "message_stop"]
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3
        assert found[-2]["delta"]["stop_reason"] == "tool_use"
        assert b"event: message_stop\n" in raw

    @inlineCallbacks
    def test_signed_thinking_is_accepted_when_sent_back(self) -> Any:
        """A round trip of thinking and a tool call is accepted, and a changed one is not."""
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        thinking = {"type": "enabled", "budget_tokens": 1024}
        request = message('[[tool f {"a": 1}]]', tools=tools, thinking=thinking)
        _, body = yield self.ask("/v1/messages", request, "anthropic")
        thought, call = body["content"]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "42"}
        request["messages"] += [
            {"role": "assistant", "content": [thought, call]},
            {"role": "user", "content": [result]},
        ]
        _, body = yield self.ask("/v1/messages", request, "anthropic")
        assert body["content"][-1]["text"] == "Result: 42"
        thought["thinking"] += "!"
        response, body = yield self.ask("/v1/messages", request, "anthropic")
        assert (response.code, body["error"]["type"]) == (400, "invalid_request_error")

    @inlineCallbacks
    def test_openai_responses(self) -> Any:
        request = {"model": "gpt-5.1", "input": TALK, "stream": True}
        _, raw = yield self.ask("/v1/responses", request)
        found = events(raw)
        assert [event["sequence_number"] for event in found] == list(range(len(found)))
        assert found[0]["type"] == "response.created"
        final = found[-1]["response"]
        assert (found[-1]["type"], final["status"]) == ("response.completed", "completed")
        kinds = [item["type"] for item in final["output"]]
        assert kinds == ["reasoning", "message", "function_call"]
        done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
        assert done == final["output"]
        output = {"type": "function_call_output", "call_id": done[2]["call_id"], "output": "42"}
        request = {"model": "gpt-5.1", "previous_response_id": final["id"], "input": [output]}
        _, body = yield self.ask("/v1/responses", request)
        assert body["output"][0]["content"][0]["text"] == "Result: 42"
        request["previous_response_id"] = "resp_x"
        _, body = yield self.ask("/v1/responses", request)
        assert body["error"]["code"] == "previous_response_not_found"

    @inlineCallbacks
    def test_gemini_generation(self) -> Any:
        _, body = yield self.ask(f"{GEMINI}:generateContent", contents(TALK), "gemini")
        parts = body["candidates"][0]["content"]["parts"]
        assert parts[0] == {"text": "hm", "thought": True}
        assert parts[2]["functionCall"]["args"] == {"a": 1}
        assert "thoughtSignature" in parts[2]
        path = "/v1/models/gemini-3-flash%3AstreamGenerateContent"
        _, raw = yield self.ask(f"{path}?alt=sse", contents(TALK), "gemini")
        assert b"\r\n\r\n" in raw
        assert events(raw)[-1]["candidates"][0]["finishReason"] == "STOP"
        _, array = yield self.ask(path, contents(TALK), "gemini")
        assert len(array) == len(events(raw))

    @inlineCallbacks
    def test_echo_describes_attachments(self) -> Any:
        data = {"mimeType": "image/png", "data": "AAAA"}
        parts = [{"text": "look"}, {"inlineData": data}]
        request = {"contents": [{"role": "user", "parts": parts}]}
        _, body = yield self.ask(f"{GEMINI}:generateContent", request, "gemini")
        text = body["candidates"][0]["content"]["parts"][0]["text"]
        assert text == "look\n[image image/png 3 bytes]"

    @inlineCallbacks
    def test_token_counts_agree_with_usage(self) -> Any:
        _, body = yield self.ask(f"{GEMINI}:countTokens", contents("x" * 40), "gemini")
        assert body["totalTokens"] == 10
        request = message("x" * 40)
        _, answer = yield self.ask("/v1/messages", request, "anthropic")
        del request["max_tokens"]
        _, body = yield self.ask("/v1/messages/count_tokens", request, "anthropic")
        assert body["input_tokens"] == answer["usage"]["input_tokens"] == 10

    @inlineCallbacks
    def test_models_are_listed_in_each_format(self) -> Any:
        _, body = yield self.ask("/v1/models", None)
        assert body["data"][0]["object"] == "model"
        _, body = yield self.ask("/v1/models?limit=2", None, "anthropic")
        assert (len(body["data"]), body["has_more"]) == (2, True)
        _, body = yield self.ask("/v1beta/models", None, "gemini")
        assert body["models"][0]["name"].startswith("models/")
        response, _ = yield self.ask("/v1beta/models/no-such", None, "gemini")
        assert response.code == 404

    @inlineCallbacks
    def test_keys_with_error_prefixes_are_refused(self) -> Any:
        for key, status in (("bad-x", 401), ("forbidden-x", 403), ("exhausted-x", 429)):
            for kind, path, body in (
                ("openai", "/v1/chat/completions", chat("x")),
                ("anthropic", "/v1/messages", message("x")),
                ("gemini", f"{GEMINI}:generateContent", contents("x")),
            ):
                name = next(iter(KEYS[kind]))
                value = f"Bearer {key}" if name == "authorization" else key
                response, answer = yield self.ask(path, body, kind, **{name: value})
                assert response.code == status
                assert "error" in answer

    @inlineCallbacks
    def test_retry_delay_is_reported_in_each_format(self) -> Any:
        text = "[[error 429 retry=2.5s]]"
        response, _ = yield self.ask("/v1/chat/completions", chat(text))
        assert response.headers.getRawHeaders("retry-after-ms") == ["2500"]
        response, _ = yield self.ask("/v1/messages", message(text), "anthropic")
        assert response.headers.getRawHeaders("retry-after") == ["2.5"]
        _, body = yield self.ask(f"{GEMINI}:generateContent", contents(text), "gemini")
        assert body["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert body["error"]["details"][-1]["retryDelay"] == "2.5s"

    @inlineCallbacks
    def test_error_with_times_ends(self) -> Any:
        request = chat("[[error 503 times=2]] hello")
        codes = []
        for _ in range(3):
            response, _body = yield self.ask("/v1/chat/completions", request)
            codes.append(response.code)
        assert codes == [503, 503, 200]

    @inlineCallbacks
    def test_flaky_account_fails_one_request_of_five(self) -> Any:
        keys = {"authorization": "Bearer flaky-1"}
        codes = []
        for number in range(60):
            try:
                response, body = yield self.ask("/v1/chat/completions", chat(f"{number}"), **keys)
            except ResponseFailed:
                codes.append("cut")
                continue
            except ValueError:
                codes.append("garbage")
                continue
            codes.append(response.code if body else "empty")
        wrong = [place for place, code in enumerate(codes) if code != 200]
        assert len({place % 5 for place in wrong}) == 1
        assert {codes[place] for place in wrong} >= {429, 500, 503, 529, "cut", "empty", "garbage"}

    @inlineCallbacks
    def test_revoked_key_is_refused(self) -> Any:
        first, _ = yield self.ask("/v1/chat/completions", chat("x"))
        self.simulator.state.refused.add("k")
        second, body = yield self.ask("/v1/chat/completions", chat("x"))
        assert (first.code, second.code) == (200, 401)
        assert body["error"]["code"] == "invalid_api_key"

    @inlineCallbacks
    def test_connection_fault_with_times_ends(self) -> Any:
        for fault in ("empty", "cut 0", "garbage 0"):
            request = message(f"[[{fault} times=1]] good {fault}", stream=True)
            try:
                _, raw = yield self.ask("/v1/messages", request, "anthropic")
            except (ResponseFailed, PotentialDataLoss):
                raw = b""
            assert b"good" not in raw
            _, raw = yield self.ask("/v1/messages", request, "anthropic")
            assert b"message_stop" in raw

    @inlineCallbacks
    def test_unknown_paths_and_methods_are_refused(self) -> Any:
        response, body = yield self.ask("/v1/nothing", {})
        assert (response.code, body["error"]["type"]) == (404, "invalid_request_error")
        response, body = yield self.ask("/v1/messages", None, "anthropic")
        assert (response.code, body["type"]) == (405, "error")
        response, body = yield self.ask("/v1beta/x", {}, "gemini")
        assert body["error"]["status"] == "NOT_FOUND"

    @inlineCallbacks
    def test_log_and_counters_report_requests(self) -> Any:
        yield self.ask("/v1/chat/completions?x=1", chat("hello"))
        (entry,) = self.simulator.log
        assert (entry.method, entry.path, entry.query) == ("POST", "/v1/chat/completions", "x=1")
        assert entry.body["messages"][0]["content"] == "hello"
        assert entry.headers["authorization"] == "Bearer k"
        _, body = yield self.ask("/_simulator/requests", None)
        assert len(body["requests"]) == 1
        response = yield self.http.delete(f"{self.base}/_simulator/requests")
        yield response.content()
        _, body = yield self.ask("/_simulator/stats", None)
        assert (len(self.simulator.log), body["answered"]) == (0, 1)

    def test_simulator_is_a_resource(self) -> None:
        verifyObject(IResource, self.simulator.resource())


class ConnectionFaultTests(SimulatorTestCase):
    @inlineCallbacks
    def test_cut_aborts_the_connection(self) -> Any:
        request = chat("[[chunks 4]] [[cut 2]]", stream=True)
        failure = yield self.assertFailure(
            self.ask("/v1/chat/completions", request), ResponseFailed, PotentialDataLoss
        )
        assert failure is not None
        assert self.simulator.stats.broken_streams == 1
        yield self.assertFailure(self.ask("/v1/chat/completions", chat("[[cut]]")), ResponseFailed)

    @inlineCallbacks
    def test_garbage_and_empty_end_the_stream(self) -> Any:
        request = message("[[garbage 1]] x", stream=True)
        _, raw = yield self.ask("/v1/messages", request, "anthropic")
        assert b"message_stop" not in raw
        assert b'"text":"x"' in raw
        with pytest.raises(ValueError):  # noqa: PT011 - whose words are another library's
            events(raw)
        request = message("[[empty]]", stream=True)
        response, raw = yield self.ask("/v1/messages", request, "anthropic")
        assert (response.code, raw) == (200, b"")
        _, body = yield self.ask("/v1/messages", message("[[empty reply]]"), "anthropic")
        assert (body["content"], body["stop_reason"]) == ([], "end_turn")

    @inlineCallbacks
    def test_late_error_is_sent_inside_the_stream(self) -> Any:
        text = "[[error 529 after=1]] hello"
        _, raw = yield self.ask("/v1/messages", message(text, stream=True), "anthropic")
        assert events(raw)[-1]["error"]["type"] == "overloaded_error"
        _, array = yield self.ask(f"{GEMINI}:streamGenerateContent", contents(text), "gemini")
        assert "candidates" in array[0]
        assert array[1]["error"]["code"] == 529
        response, _ = yield self.ask("/v1/messages", message(text), "anthropic")
        assert response.code == 529

    @inlineCallbacks
    def test_disconnect_cancels_the_stream(self) -> Any:
        for text in ("[[stall 1]] x", "[[delay 60]] [[chunks 2]]", "[[ttft 60]]"):
            body = json.dumps(chat(text, stream=True)).encode()
            asked = self.http.post(
                f"{self.base}/v1/chat/completions", headers=KEYS["openai"], data=body,
                unbuffered=True,
            )  # fmt: skip
            yield deferLater(reactor, 0.1, lambda: None)
            assert self.simulator.stats.open_streams == 1
            if text == "[[ttft 60]]":
                asked.cancel()
                yield self.assertFailure(asked, Exception)
            else:
                response = yield asked
                leaving = DisconnectingProtocol()
                response.original.deliverBody(leaving)
            yield deferLater(reactor, 0.1, lambda: None)
            assert self.simulator.stats.open_streams == 0
        assert self.simulator.stats.cancelled_streams == 3

    @inlineCallbacks
    def test_stop_aborts_open_streams(self) -> Any:
        asked = self.ask("/v1/chat/completions", chat("[[stall 1]] x", stream=True))
        yield deferLater(reactor, 0.1, lambda: None)
        self.simulator.stop()
        yield self.assertFailure(asked, ResponseFailed)
        assert self.simulator.stats.open_streams == 0

    @inlineCallbacks
    def test_chunks_arrive_separately(self) -> Any:
        """Each chunk is a write of its own, and the pauses are kept."""
        began = reactor.seconds()
        request = chat("[[say abc]] [[chunks 3]] [[delay 0.05]] [[ttft 0.1]]", stream=True)
        response = yield self.http.post(
            f"{self.base}/v1/chat/completions", headers=KEYS["openai"],
            data=json.dumps(request).encode(), unbuffered=True,
        )  # fmt: skip
        pieces: list[bytes] = []
        yield response.collect(pieces.append)
        assert reactor.seconds() - began >= 0.2
        holding = [piece for piece in pieces if b'"content":"' in piece and b"role" not in piece]
        assert [piece.count(b"data: ") for piece in holding[:2]] == [1, 1]

    @inlineCallbacks
    def test_writer_pauses_while_client_does_not_read(self) -> Any:
        request = chat("[[tokens 4000000]] [[chunks 2000]]", stream=True)
        response = yield self.http.post(
            f"{self.base}/v1/chat/completions", headers=KEYS["openai"],
            data=json.dumps(request).encode(), unbuffered=True,
        )  # fmt: skip
        yield deferLater(reactor, 0.8, lambda: None)
        assert self.simulator.stats.open_streams == 1
        received: list[int] = []
        yield response.collect(lambda piece: received.append(len(piece)))
        assert sum(received) > 16_000_000
        assert self.simulator.stats.finished_streams == 1


class DisconnectingProtocol(Protocol):
    """A reader that goes away at the first byte."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()
