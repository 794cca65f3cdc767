"""The records of a worker: sent soon, in batches, and kept until they are taken."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads, ReplayRoute
from antigravity.interfaces.state import StateError
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ledger.payload_queue import PayloadQueue
from antigravity.workers.commands import Batch, decode_arguments, encode
from antigravity.workers.records import BATCH, QUEUE_LIMIT, SEND_DELAY, WorkerRecords


def record(number: int = 0, **more: Any) -> ExchangeRecord:
    return ExchangeRecord(f"req_{number}", "anthropic", "messages", "m", 1.0, **more)


class RecordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[Batch] = []
        self.reply: Any = lambda: succeed(None)
        self.records = WorkerRecords(self.clock, self.send)

    def send(self, batch: Batch) -> Deferred[None]:
        self.sent.append(batch)
        reply: Deferred[None] = self.reply()
        return reply

    def test_records_are_sent_together_after_a_moment(self) -> None:
        for number in range(3):
            self.records.add(record(number))
        self.records.add_refusal("invalid_api_key")
        self.records.add_refusal("invalid_api_key")
        self.assertEqual(self.sent, [])
        self.clock.advance(SEND_DELAY)
        (batch,) = self.sent
        self.assertEqual([each.id for each in batch.records], ["req_0", "req_1", "req_2"])
        self.assertEqual(batch.refusals, {"invalid_api_key": 2})
        self.assertEqual((len(self.records), self.clock.getDelayedCalls()), (0, []))

    def test_moment_is_less_than_what_a_killed_process_may_lose(self) -> None:
        self.assertLessEqual(SEND_DELAY, 0.2)

    def test_full_batch_is_sent_at_once(self) -> None:
        for number in range(BATCH + 1):
            self.records.add(record(number))
        self.clock.advance(0)
        self.assertEqual([len(batch.records) for batch in self.sent], [BATCH])
        self.clock.advance(SEND_DELAY)
        self.assertEqual([len(batch.records) for batch in self.sent], [BATCH, 1])

    def test_batch_that_is_not_taken_is_sent_again_in_its_order(self) -> None:
        self.reply = lambda: fail(StateError("gone"))
        self.records.add(record(1))
        self.records.add_refusal("a")
        self.clock.advance(SEND_DELAY)
        self.records.add(record(2))
        self.records.add_refusal("a")
        self.reply = lambda: succeed(None)
        self.clock.pump([0.5] * 4)
        batch = self.sent[-1]
        self.assertEqual([each.id for each in batch.records], ["req_1", "req_2"])
        self.assertEqual((batch.refusals, len(self.records)), ({"a": 2}, 0))

    def test_oldest_records_make_room_and_are_counted(self) -> None:
        self.reply = lambda: fail(StateError("gone"))
        for number in range(QUEUE_LIMIT + 5):
            self.records.add(record(number))
        self.assertEqual((len(self.records), self.records.lost), (QUEUE_LIMIT, 5))
        self.reply = lambda: succeed(None)
        self.clock.advance(0)
        self.assertEqual(self.sent[-1].lost, 5)
        self.clock.advance(SEND_DELAY)
        self.assertEqual(self.sent[-1].lost, 0, "they are reported once")

    def test_stop_sends_all(self) -> None:
        for number in range(BATCH + 1):
            self.records.add(record(number))
        self.assertIsNone(self.successResultOf(self.records.stop()))
        self.assertEqual(sum(len(batch.records) for batch in self.sent), BATCH + 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.records.add(record())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_ends_although_the_main_process_is_gone(self) -> None:
        self.reply = lambda: fail(StateError("gone"))
        self.records.add(record())
        self.assertIsNone(self.successResultOf(self.records.stop()))
        self.assertEqual(len(self.records), 1)

    def test_bodies_are_released_once_they_are_taken(self) -> None:
        queue = self.records.payloads = PayloadQueue(self.records.payloads_ready)
        body = RawBody([b"abc", memoryview(b"defg")], [], 7, reserved=7)
        self.assertTrue(queue.reserve(7))
        route = ReplayRoute("anthropic", "POST", "/v1/messages")
        queue.put(RawPayloads("req_1", route, [RawMessage("from_client", body=body)], 12.3456789))
        self.clock.advance(SEND_DELAY)
        (batch,) = self.sent
        self.assertEqual((len(queue), queue._used), (0, 0))
        (found,) = decode_arguments("keep", encode([batch]))
        (payloads,) = found.payloads
        self.assertEqual(b"".join(payloads.messages[0].body.head), b"abcdefg")
        self.assertEqual((payloads.reserved, payloads.route.path), (7, route.path))
        self.assertEqual(payloads.started, 12.3456789)

    def test_records_arrive_as_they_were(self) -> None:
        attempts = [AttemptRecord("u", "m", "c", "openai_chat", False, 0.1, 0.2, 500, "bad")]
        sent = record(1, attempts=attempts, outcome="error", error="bad", duration=0.3)
        (found,) = decode_arguments("keep", encode([Batch([sent])]))
        self.assertEqual(list(found.records), [sent])
