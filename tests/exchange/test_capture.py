"""What is sent and received is captured once, in order, and within limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.capture import body as body_module
from antigravity.exchange.capture.body import BodyCapture, whole_body
from antigravity.interfaces.payloads import RawMessage, RawPayloads
from antigravity.ledger.payload_queue import PayloadQueue
from tests.exchange.fakes import FakeConsumer
from tests.exchange.offline_exchange import FakeResponse, OfflineExchange

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "model": "gpt-5",
    "created": 1,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
EVENTS = b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in (CHUNK, LAST))
EVENTS += b"data: [DONE]\n\n"


def text_of(message: RawMessage) -> bytes:
    return b"".join((*message.body.head, *message.body.tail))


class CaptureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.exchange = OfflineExchange(Path(self.mktemp()), keys=2)
        self.sink = PayloadQueue(lambda: None)
        self.sink.keeps_all = True
        self.exchange.exchange.payloads = self.sink

    def captured(self) -> RawPayloads:
        (found,) = self.sink.take()
        return found

    def assert_nothing_is_reserved(self) -> None:
        self.assertEqual(self.sink._used, 0)

    def test_whole_response(self) -> None:
        reply = self.exchange.ask()
        self.exchange.transport.respond().finish(json.dumps(WHOLE).encode())
        body = self.successResultOf(reply).body
        found = self.captured()
        self.assertEqual(found.request_id, "req_1")
        self.assertEqual(found.route.protocol, "openai_chat")
        asked, sent, received, answered = found.messages
        self.assertEqual(
            [each.direction for each in found.messages],
            ["from_client", "to_upstream", "from_upstream", "to_client"],
        )
        self.assertEqual(json.loads(text_of(asked))["messages"][0]["content"], "Hi")
        self.assertEqual((asked.method, asked.url), ("POST", "/v1/chat/completions"))
        self.assertEqual(json.loads(text_of(sent))["model"], "gpt-5")
        self.assertEqual(sent.url, "http://upstream.example/v1/chat/completions")
        self.assertEqual((sent.attempt, received.attempt), (0, 0))
        self.assertEqual((received.status, text_of(received)), (200, json.dumps(WHOLE).encode()))
        self.assertEqual((answered.status, text_of(answered)), (200, body))
        self.sink.written([found])
        self.assert_nothing_is_reserved()

    def stream(self) -> tuple[FakeResponse, Any, FakeConsumer]:
        reply = self.exchange.ask(stream=True)
        response = self.exchange.transport.respond(content_type="text/event-stream")
        first, _, _ = EVENTS.partition(b"\n\n")
        response.reader.dataReceived(first + b"\n\n")
        stream = self.successResultOf(reply).stream
        consumer = FakeConsumer()
        return response, stream.start(consumer), consumer

    def test_stream_is_recorded_as_raw_events(self) -> None:
        response, written, consumer = self.stream()
        self.assertEqual(len(self.sink), 0)
        _, _, rest = EVENTS.partition(b"\n\n")
        response.reader.dataReceived(rest)
        response.end()
        self.successResultOf(written)
        *_, received, answered = self.captured().messages
        self.assertEqual(text_of(received), EVENTS)
        self.assertEqual(text_of(answered), b"".join(consumer.written))
        self.assertIn(b"data: [DONE]", text_of(answered))

    def test_client_that_leaves_keeps_what_was_sent(self) -> None:
        _, written, _ = self.stream()
        written.cancel()
        self.failureResultOf(written, CancelledError)
        self.assertEqual(self.exchange.records[0].outcome, "cancelled")
        *_, received, answered = self.captured().messages
        self.assertIn(b"Hello", text_of(received))
        self.assertIn(b"Hello", text_of(answered))

    def test_cancelled_before_response(self) -> None:
        reply = self.exchange.ask()
        reply.cancel()
        self.failureResultOf(reply, CancelledError)
        asked, sent, received = self.captured().messages
        self.assertEqual((received.status, text_of(received)), (None, b""))
        self.assertIn(b"Hi", text_of(asked))
        self.assertIn(b"Hi", text_of(sent))

    def test_each_attempt_has_its_messages(self) -> None:
        reply = self.exchange.ask()
        self.exchange.transport.refuse(401, "no such key")
        self.exchange.transport.respond().finish(json.dumps(WHOLE).encode())
        self.successResultOf(reply)
        found = self.captured().messages
        self.assertEqual(
            [(each.direction, each.attempt, each.status) for each in found],
            [
                ("from_client", None, None),
                ("to_upstream", 0, None),
                ("from_upstream", 0, 401),
                ("to_upstream", 1, None),
                ("from_upstream", 1, 200),
                ("to_client", None, 200),
            ],
        )
        self.assertIn(b"no such key", text_of(found[2]))

    def test_only_errors_are_kept_if_wanted(self) -> None:
        self.sink.keeps_all = False
        reply = self.exchange.ask()
        self.exchange.transport.respond().finish(json.dumps(WHOLE).encode())
        self.successResultOf(reply)
        self.assertEqual(len(self.sink), 0)
        self.assert_nothing_is_reserved()
        reply = self.exchange.ask()
        self.exchange.transport.refuse(400, "bad")
        self.assertEqual(self.successResultOf(reply).status, 400)
        self.assertEqual(self.captured().messages[-1].status, 400)

    def test_malformed_requests_are_kept_too(self) -> None:
        reply = self.exchange.ask(model=3)
        self.assertEqual(self.successResultOf(reply).status, 400)
        asked, answered = self.captured().messages
        self.assertEqual((asked.direction, answered.status), ("from_client", 400))

    def test_nothing_is_wrapped_when_it_is_off(self) -> None:
        self.exchange.exchange.payloads = None
        reply = self.exchange.ask(stream=True)
        response = self.exchange.transport.respond(content_type="text/event-stream")
        response.reader.dataReceived(EVENTS)
        stream = self.successResultOf(reply).stream
        self.assertEqual(type(stream).__name__, "Pump")
        self.assertIs(response.reader, stream)

    def test_reload_does_not_disturb_running_request(self) -> None:
        response, written, _ = self.stream()
        self.exchange.exchange.payloads = None
        response.reader.dataReceived(EVENTS)
        response.end()
        self.successResultOf(written)
        self.assertEqual(len(self.captured().messages), 4)


class LimitTests(SynchronousTestCase):
    def test_middle_of_long_stream_is_left_out(self) -> None:
        self.patch(body_module, "HEAD_LIMIT", 100)
        self.patch(body_module, "TAIL_LIMIT", 50)
        sink = PayloadQueue(lambda: None)
        capture = BodyCapture(sink, "text/event-stream")
        pieces = [b"%010d" % number for number in range(100)]
        for piece in pieces:
            capture.add(piece)
        body = capture.body()
        self.assertEqual(body.size, 1000)
        self.assertEqual(b"".join(body.head), b"".join(pieces[:10]))
        self.assertEqual(b"".join(body.tail), b"".join(pieces[-5:]))
        self.assertGreaterEqual(body.reserved, 150)
        self.assertLessEqual(body.reserved, 16 * 1024)
        self.assertEqual(sink._used, body.reserved)

    def test_file_is_only_hashed(self) -> None:
        sink = PayloadQueue(lambda: None)
        capture = BodyCapture(sink, "audio/mpeg")
        capture.add(b"abc")
        capture.add(b"d" * 10_000)
        self.assertEqual(sink._used, 0)
        body = capture.body()
        self.assertEqual((body.size, len(body.digest), len(body.head)), (10_003, 64, 0))

    def test_no_room(self) -> None:
        self.patch(body_module, "_BLOCK", 30)
        sink = PayloadQueue(lambda: None, limit=100)
        capture = BodyCapture(sink, "text/plain")
        capture.add(b"a" * 20)
        self.assertEqual(sink._used, 30)
        capture.add(b"a" * 60)
        self.assertEqual(sink._used, 90)
        capture.add(b"a" * 30)
        capture.add(b"a")
        body = capture.body()
        self.assertTrue(body.is_dropped)
        self.assertEqual((body.size, body.reserved, list(body.head)), (111, 0, []))
        self.assertEqual((sink._used, sink.lost), (0, 1))
        self.assertTrue(whole_body(sink, b"a" * 101).is_dropped)
        self.assertFalse(whole_body(sink, (b"a" * 50, memoryview(b"b" * 50))).is_dropped)
