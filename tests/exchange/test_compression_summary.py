"""The older part of a conversation becomes a summary, or is left out where there is none."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.exchange.long_conversation import (
    MODEL,
    SUMMARY_MODEL,
    LongConversationCase,
    asked,
    reactor,
    talk,
)

#: The simulated model that reads this in the transcript answers with it.
SAY = " [[say THE SUMMARY]]"
END = [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "What now?"}]


def conversation(count: int, directive: str = SAY) -> list[dict[str, object]]:
    return [*talk(count, 2_000, directive), *END]


class SummaryTests(LongConversationCase):
    """A cheap model writes it, as a request of the same client's."""

    async def test_summary_replaces_older_part(self) -> None:
        await self.start(summary=True)
        body = asked(conversation(16))
        answer = await self.post(body, x_session_id="one")
        self.assertEqual((answer.status, answer.compressed[:3]), (200, "l3;"), answer.body)
        sent = self.arrived()[0].body["messages"]
        self.assertEqual(strip(sent[0])[0], {"type": "text", "text": "Mend the roof."})
        self.assertIn("THE SUMMARY", json.dumps(sent[:2]))
        self.assertEqual(strip(sent[-1]), strip(body["messages"][-1]))
        self.assertLess(len(sent), len(body["messages"]) - 5)
        (asking,) = self.arrived(SUMMARY_MODEL)
        self.assertIn("Go on, 0.", json.dumps(asking.body))
        self.assertNotIn("tools", asking.body)

    async def test_summary_request_has_record(self) -> None:
        await self.start(summary=True)
        await self.post(asked(conversation(16)), x_request_id="req-77")
        record, mine = self.watcher.records
        self.assertEqual((record.id, record.protocol), ("req-77-summary", "internal"))
        self.assertEqual((record.intercepted, record.outcome), ("context:summary", "ok"))
        self.assertEqual(record.mapped_model, SUMMARY_MODEL)
        self.assertEqual(record.principal, mine.principal)
        assert record.usage is not None
        self.assertGreater(record.usage.input_total, 1_000)
        self.assertEqual(mine.mapped_model, MODEL)

    async def test_summary_is_reused_and_extended(self) -> None:
        await self.start(summary=True)
        for count in range(14, 26):
            answer = await self.post(asked(conversation(count)[:-2]))
            self.assertEqual(answer.status, 200)
            if count == 18:
                await self.stop()
                await self.start(summary=True)
        summaries = self.arrived(SUMMARY_MODEL)
        self.assertLessEqual(len(summaries), 3)
        self.assertGreater(len(summaries), 1)
        self.assertIn("<earlier-summary>", json.dumps(summaries[1].body))
        self.assertNotIn("Go on, 0.", json.dumps(summaries[1].body), "it was summed up before")

    async def test_failed_summary_leaves_older_part_out(self) -> None:
        await self.start(summary=True)
        answer = await self.post(asked(conversation(16, " [[error 400]]")))
        self.assertEqual((answer.status, answer.compressed[:5]), (200, "trim;"), answer.body)
        self.assertEqual(self.watcher.records[0].outcome, "error")
        self.assertIn("left out to save room", json.dumps(self.arrived()[0].body))
        again = await self.post(asked(conversation(16, " [[error 400]]")))
        self.assertEqual(again.compressed, answer.compressed)
        self.assertEqual(len(self.arrived(SUMMARY_MODEL)), 1, "it is not asked at each turn")

    async def test_empty_summary_leaves_older_part_out(self) -> None:
        await self.start(summary=True)
        answer = await self.post(asked(conversation(16, " [[empty]]")))
        self.assertEqual((answer.status, answer.compressed[:5]), (200, "trim;"), answer.body)

    async def test_slow_summary_leaves_older_part_out(self) -> None:
        await self.start(summary=True, context_summary_timeout=0.2)
        answer = await self.post(asked(conversation(16, " [[ttft 20]]")))
        self.assertEqual((answer.status, answer.compressed[:5]), (200, "trim;"), answer.body)
        self.assertIn("took longer than 0.2", str(self.watcher.records[0].error))

    async def test_unknown_summary_model_leaves_older_part_out(self) -> None:
        for experimental in (
            {},
            {"context_summary_model": ""},
            {"context_summary_model": "nobody-has-this"},
        ):
            await self.start(**experimental)  # type: ignore[arg-type]
            answer = await self.post(asked(conversation(16)), x_session_id=str(experimental))
            self.assertEqual((answer.status, answer.compressed[:5]), (200, "trim;"), answer.body)
            await self.stop()

    async def test_summary_model_may_be_named_directly(self) -> None:
        await self.start(context_summary_model="openai/gpt-5-nano")
        answer = await self.post(asked(conversation(16)))
        self.assertEqual((answer.status, answer.compressed[:3]), (200, "l3;"), answer.body)
        self.assertEqual(len(self.arrived("gpt-5-nano")), 1)

    async def test_summary_does_not_wait_for_account_of_request(self) -> None:
        await self.start(
            concurrency=1,
            context_summary_model="anthropic/claude-haiku-4-5",
            context_summary_timeout=60.0,
        )
        answer = await self.post(asked(conversation(16)))
        self.assertEqual((answer.status, answer.compressed[:3]), (200, "l3;"), answer.body)

    async def test_disconnected_client_cancels_summary(self) -> None:
        await self.start(summary=True)
        body = asked(conversation(16, " [[ttft 20]]"))
        asking: Deferred[object] = Deferred.fromCoroutine(self.post(body))
        for _ in range(3000):
            if self.arrived(SUMMARY_MODEL):
                break
            await deferLater(reactor, 0.02)
        asking.addErrback(lambda failure: None)
        asking.cancel()
        for _ in range(3000):
            if not self.watcher.running:
                break
            await deferLater(reactor, 0.02)
        self.assertEqual([r.outcome for r in self.watcher.records], ["cancelled", "cancelled"])
        self.assertEqual(self.simulator.stats.open_streams, 0)
        self.assertEqual(self.arrived(), [])


def strip(message: dict[str, object]) -> list[dict[str, object]]:
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    assert isinstance(content, list)
    return content
