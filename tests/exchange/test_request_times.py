"""The parts of a request's time, in its record and in the header of the response."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from antigravity.exchange.response_headers import OVERHEAD
from antigravity.interfaces.exchange import Reply
from antigravity.ir.record import ExchangeRecord
from tests.exchange.fakes import FakeConsumer
from tests.exchange.offline_exchange import OfflineExchange, scheduling

WHOLE = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
            }
        ],
    }
).encode()
MESSAGE = json.dumps(
    {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    data = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-5", "choices": [choice]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def overhead(reply: Reply) -> float:
    """Return the seconds that the header names."""
    return float(dict(reply.headers)[OVERHEAD]) / 1000


class RequestTimesTests(SynchronousTestCase):
    def offline(self, keys: int = 1, **proxy: Any) -> OfflineExchange:
        return OfflineExchange(Path(self.mktemp()), keys, **proxy)

    def check(
        self, record: ExchangeRecord, queue: float, translation: float, upstream: float
    ) -> None:
        times = record.times
        self.assertAlmostEqual(times.admission, 1.0)
        self.assertAlmostEqual(times.queue, queue)
        self.assertAlmostEqual(times.translation, translation)
        self.assertAlmostEqual(times.upstream, upstream)
        assert record.duration is not None
        self.assertAlmostEqual(times.queue + times.translation + times.upstream, record.duration)
        self.assertAlmostEqual(times.overhead, 1.0 + queue + translation)

    def slow(self, owner: object, name: str, offline: OfflineExchange, seconds: float) -> None:
        """Make a function take time."""
        function = getattr(owner, name)

        def slowed(*arguments: Any, **named: Any) -> Any:
            offline.compute(seconds)
            return function(*arguments, **named)

        self.patch(owner, name, slowed)

    def test_whole_response_that_passes_through(self) -> None:
        offline = self.offline()
        asking = offline.ask()
        offline.clock.advance(3.0)
        response = offline.transport.respond()
        offline.clock.advance(2.0)
        response.finish(WHOLE)
        reply = self.successResultOf(asking)
        self.check(offline.records[0], queue=0.0, translation=0.0, upstream=5.0)
        self.assertEqual(overhead(reply), 1.0)

    def test_work_on_request_and_response_is_translation(self) -> None:
        from antigravity.exchange.attempts import native

        offline = self.offline()
        self.slow(native, "_tap", offline, 0.25)  # after the head of the response
        self.slow(native, "redact_errors", offline, 0.5)  # after the end of the record
        self.slow(native, "error_in", offline, 0.125)
        asking = offline.ask()
        offline.clock.advance(3.0)
        offline.transport.respond().finish(WHOLE)
        reply = self.successResultOf(asking)
        self.check(offline.records[0], queue=0.0, translation=0.375, upstream=3.0)
        self.assertEqual(overhead(reply), 1.375)

    def test_stream_has_the_time_so_far_in_its_header_and_all_in_its_record(self) -> None:
        from antigravity.exchange.streams.passed_through import PassedThroughStream

        offline = self.offline()
        asking = offline.ask(stream=True)
        offline.clock.advance(3.0)
        response = offline.transport.respond(content_type="text/event-stream")
        self.slow(PassedThroughStream, "feed", offline, 0.25)
        offline.clock.advance(1.0)
        response.reader.dataReceived(chunk("a"))
        reply = self.successResultOf(asking)
        self.assertEqual(overhead(reply), 1.25)
        consumer = FakeConsumer()
        reply.stream.start(consumer)
        for _ in range(2):
            offline.clock.advance(2.0)
            response.reader.dataReceived(chunk("b"))
        response.reader.dataReceived(chunk("", "stop") + b"data: [DONE]\n\n")
        response.end()
        self.check(offline.records[0], queue=0.0, translation=1.0, upstream=8.0)

    def test_translated_stream(self) -> None:
        offline = self.offline()
        asking = offline.ask("anthropic", max_tokens=9, stream=True)
        offline.clock.advance(3.0)
        response = offline.transport.respond(content_type="text/event-stream")
        response.reader.dataReceived(chunk("a"))
        reply = self.successResultOf(asking)
        self.assertEqual(overhead(reply), 1.0)
        reply.stream.start(FakeConsumer())
        offline.clock.advance(2.0)
        response.reader.dataReceived(chunk("", "stop") + b"data: [DONE]\n\n")
        response.end()
        self.check(offline.records[0], queue=0.0, translation=0.0, upstream=5.0)

    def test_client_that_leaves_a_stream_ends_its_times(self) -> None:
        offline = self.offline()
        asking = offline.ask(stream=True)
        offline.clock.advance(1.0)
        response = offline.transport.respond(content_type="text/event-stream")
        response.reader.dataReceived(chunk("a"))
        reply = self.successResultOf(asking)
        reply.stream.start(FakeConsumer())
        offline.clock.advance(2.0)
        reply.stream.abandon()
        offline.clock.advance(4.0)
        self.assertEqual(offline.records[0].outcome, "cancelled")
        self.check(offline.records[0], queue=0.0, translation=0.0, upstream=3.0)

    def test_wait_for_an_account_is_queue(self) -> None:
        offline = self.offline(scheduling=scheduling(max_concurrency=1))
        first, second = offline.ask(), offline.ask()
        offline.clock.advance(3.0)
        offline.transport.respond().finish(WHOLE)
        self.successResultOf(first)
        offline.clock.advance(2.0)
        offline.transport.respond().finish(WHOLE)
        reply = self.successResultOf(second)
        self.check(offline.records[1], queue=3.0, translation=0.0, upstream=2.0)
        self.assertEqual(overhead(reply), 4.0)

    def test_wait_for_a_turn_is_queue(self) -> None:
        offline = self.offline()
        turns = offline.exchange._services.turns
        turns.reserve()
        offline.compute(1.0)
        asking = offline.ask()
        offline.compute(0.5)
        offline.clock.advance(0.0)
        offline.transport.respond().finish(WHOLE)
        self.successResultOf(asking)
        self.check(offline.records[0], queue=0.5, translation=0.0, upstream=0.0)

    def test_pause_between_attempts_is_queue(self) -> None:
        offline = self.offline(scheduling=scheduling())
        asking = offline.ask()
        offline.clock.advance(2.0)
        offline.transport.refuse(500)
        paused = 0
        while len(offline.transport.requests) == 1:
            offline.clock.advance(0.25)
            paused += 1
        offline.clock.advance(1.0)
        offline.transport.respond().finish(WHOLE)
        self.successResultOf(asking)
        times = offline.records[0].times
        self.assertAlmostEqual(times.queue, 0.25 * paused)
        self.assertAlmostEqual(times.upstream, 3.0)
        self.assertAlmostEqual(times.translation, 0.0)

    def test_error_has_the_header_too(self) -> None:
        offline = self.offline()
        asking = offline.ask()
        offline.clock.advance(3.0)
        offline.transport.refuse(400)
        reply = self.successResultOf(asking)
        self.assertEqual((reply.status, overhead(reply)), (400, 1.0))
        self.check(offline.records[0], queue=0.0, translation=0.0, upstream=3.0)
        unknown = self.successResultOf(offline.ask(model="nobody's"))
        self.assertEqual((unknown.status, overhead(unknown)), (404, 1.0))

    def test_parts_of_a_split_request_are_waited_for_as_an_upstream(self) -> None:
        offline = self.offline()
        asking = offline.ask(model="claude-sonnet-4-5", n=2)
        offline.clock.advance(3.0)
        self.assertEqual(len(offline.transport.requests), 2)
        for _ in range(2):
            offline.transport.respond().finish(MESSAGE)
        self.successResultOf(asking)
        self.check(offline.records[0], queue=0.0, translation=0.0, upstream=3.0)

    def test_setting_switches_the_header_off(self) -> None:
        offline = self.offline(overhead_header=False)
        asking = offline.ask()
        offline.transport.respond().finish(WHOLE)
        self.assertNotIn(OVERHEAD, dict(self.successResultOf(asking).headers))
        self.assertEqual(offline.records[0].times.admission, 1.0)
