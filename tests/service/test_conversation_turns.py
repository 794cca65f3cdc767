"""Conversations take turns in the lease queue, however many requests one of them has."""

from __future__ import annotations

from typing import Any

import treq
from twisted.internet.defer import Deferred, gatherResults

from antigravity.config.secret import Secret
from antigravity.config.settings import SchedulingSettings
from tests.service.account_fixture import MODEL, AccountCase
from tests.support.conditions import eventually

MANY = 40


class ConversationTurnTests(AccountCase):
    async def ask_as(self, done: list[str], name: str, body: Any, **headers: str) -> None:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        response = await treq.post(url, json=body, headers=headers, persistent=False)
        text = await response.text()
        self.assertEqual(response.code, 200, text)
        done.append(name)

    async def try_it(self, *secrets: str, named: bool) -> None:
        """Send many requests of one conversation, then one of another."""
        scheduling = SchedulingSettings(max_concurrency=1)
        await self.start(*secrets, scheduling=scheduling)
        done: list[str] = []

        def body(text: str) -> dict[str, Any]:
            return {"model": MODEL, "messages": [{"role": "user", "content": text}]}

        def sent(name: str) -> Deferred[None]:
            headers = {"x-session-id": name} if named else {}
            text = f"[[ttft 30ms]] I am {name}."
            return Deferred.fromCoroutine(self.ask_as(done, name, body(text), **headers))

        many = [sent("many") for _ in range(MANY)]
        await eventually(lambda: self.waiting() >= MANY - 4)
        one = sent("one")
        await gatherResults([*many, one])
        place = done.index("one")
        began = MANY - 4
        self.assertLess(place, MANY - began + 8, f"it came after {place} of {MANY}")

    def waiting(self) -> int:
        assert self.gateway is not None
        return self.gateway.accounts.pool.status().queue.waiting

    async def test_named_conversations_alternate_at_one_account(self) -> None:
        await self.try_it("good-1", named=True)

    async def test_unnamed_conversations_alternate_at_one_account(self) -> None:
        await self.try_it("good-1", named=False)

    async def test_conversations_alternate_at_several_accounts(self) -> None:
        await self.try_it("good-1", "good-2", named=True)

    async def test_api_keys_alternate_before_conversations(self) -> None:
        scheduling = SchedulingSettings(max_concurrency=1)
        await self.start("good-1", scheduling=scheduling, auth_mode="off", api_key=Secret("k"))
        done: list[str] = []
        body = {"model": MODEL, "messages": [{"role": "user", "content": "[[ttft 30ms]] hi"}]}

        def sent(key: str, session: str) -> Deferred[None]:
            headers = {"authorization": f"Bearer {key}", "x-session-id": session}
            return Deferred.fromCoroutine(self.ask_as(done, key, body, **headers))

        many = [sent("sk-many", f"talk {number}") for number in range(MANY)]
        await eventually(lambda: self.waiting() >= MANY - 4)
        one = sent("sk-one", "talk")
        await gatherResults([*many, one])
        self.assertLess(done.index("sk-one"), 12)
