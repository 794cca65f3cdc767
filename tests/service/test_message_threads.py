"""Message threads stay at the account that holds them, and leave it when it cannot serve."""

from __future__ import annotations

from typing import Any

from tests.service.dispatch_fixture import CLAUDE, Answer, DispatchCase

HOLDING = ["message_threads"]
BETA = "message-threads-2026-08-12"


class MessageThreadTests(DispatchCase):
    async def send(self, text: str, thread: dict[str, Any] | None, **more: Any) -> Answer:
        body = {
            "model": CLAUDE,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": text}],
            "thread": thread,
            **more,
        }
        return await self.ask("/v1/messages", body, anthropic_beta=BETA)

    def keys(self) -> list[str]:
        return [sent.headers["x-api-key"] for sent in self.reached()]

    async def test_thread_stays_at_its_account(self) -> None:
        await self.start(
            {"claude": self.upstream("anthropic", "sk-1", "sk-2", "sk-3", quirks=HOLDING)}
        )
        previous = (await self.send("one", {"type": "create"})).json()["id"]
        for word in ("two", "three", "four"):
            thread = {"type": "continue", "previous_message_id": previous}
            answer = await self.send(f"[[say {word}]]", thread)
            self.assertEqual(answer.status, 200, answer.body)
            previous = answer.json()["id"]
        self.assertEqual(len(set(self.keys())), 1)

    async def test_thread_of_account_that_cannot_serve_is_not_found(self) -> None:
        """The SDK then sends the whole conversation, and another account serves it."""
        await self.start({"claude": self.upstream("anthropic", "sk-1", "sk-2", quirks=HOLDING)})
        made = await self.send("one", {"type": "create"})
        thread = {"type": "continue", "previous_message_id": made.json()["id"]}
        self.simulator.state.refused.add(self.keys()[0])
        for _ in range(2):  # at once, and while the account is locked
            answer = await self.send("two", thread)
            self.assertEqual(answer.status, 404, answer.body)
            details = answer.json()["error"]["details"]
            self.assertEqual(details, {"error_code": "thread_not_found"})
        again = await self.send("one two", {"type": "create"})
        self.assertEqual(again.status, 200)
        thread = {"type": "continue", "previous_message_id": again.json()["id"]}
        self.assertEqual((await self.send("three", thread)).status, 200)

    async def test_error_of_request_reaches_client(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "sk-1", "sk-2", quirks=HOLDING)})
        made = await self.send("one", {"type": "create"})
        thread = {"type": "continue", "previous_message_id": made.json()["id"]}
        answer = await self.send("two", thread, temperature=7)
        self.assertEqual(answer.status, 400)

    async def test_gateway_holds_thread_for_upstream_that_does_not(self) -> None:
        """Other services ignore the field, and would get a conversation without its beginning."""
        await self.start({"other": self.upstream("anthropic", "sk-1", "sk-2")})
        made = await self.send("one", {"type": "create"}, system="Be brief.")
        self.assertEqual(made.status, 200, made.body)
        self.simulator.state.refused.add(self.keys()[0])
        thread = {"type": "continue", "previous_message_id": made.json()["id"]}
        answer = await self.send("two", thread)
        self.assertEqual(answer.status, 200, answer.body)
        sent = self.reached()[-1].body
        self.assertNotIn("thread", sent)
        self.assertIn("Be brief.", str(sent["system"]))
        self.assertEqual([turn["role"] for turn in sent["messages"]], ["user", "assistant", "user"])
        plain = await self.send("one", None)
        self.assertEqual(plain.status, 200)
        self.assertTrue(self.record.attempts[-1].passed_through)
