"""Rate limits of accounts in a running gateway in front of a simulator."""

from __future__ import annotations

import json
from typing import Any

import treq
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from antigravity.config.settings import SchedulingSettings
from tests.service.account_fixture import MODEL, AccountCase, reactor
from tests.support.conditions import eventually

#: What clients of each protocol ask, and where the error's kind stands in the answer.
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": (
        "/v1/chat/completions",
        {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "openai_responses": ("/v1/responses", {"model": MODEL, "input": "hi"}),
    "anthropic": (
        "/v1/messages",
        {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "gemini": (
        f"/v1beta/models/{MODEL}:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
}
RESET = "[[error 429 retry=7200s reason=QUOTA_EXHAUSTED times=1]]"


def kind_of(dialect: str, answer: Any) -> str:
    """Return the word for what went wrong in a protocol's error."""
    error = answer["error"]
    return str(error["status" if dialect == "gemini" else "type"])


class RateLimitTests(AccountCase):
    def calls(self, path: str) -> int:
        """Return how often the upstream was asked at a path."""
        return sum(path in each.path for each in self.simulator.log)

    def url(self, path: str) -> str:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}{path}"

    async def test_concurrent_requests_with_expired_token_share_one_refresh(self) -> None:
        await self.start("good-1")
        state = self.simulator.state
        await eventually(lambda: state.stats.tokens_issued)
        state.lifetime = 0.2
        assert self.gateway is not None
        await self.stop()
        await self.run_gateway()  # its first token lasts for an instant only
        self.assertEqual(await self.ask(), 200)
        await deferLater(reactor, 0.3)
        state.lifetime = 3599.0
        self.simulator.log.clear()
        asked = [Deferred.fromCoroutine(self.ask(f"question {n}")) for n in range(26)]
        answers = await gatherResults(asked)
        self.assertEqual(answers, [200] * 26)
        self.assertEqual(self.calls("/token"), 1)
        self.assertEqual(self.calls("enerateContent"), 26)

    async def test_limited_account_is_not_used_before_reset_time_even_after_restart(self) -> None:
        await self.start("good-1")
        self.assertEqual(await self.ask(RESET), 429)
        asked = self.calls("enerateContent")
        for _ in range(2):
            for dialect, (path, body) in DIALECTS.items():
                response = await treq.post(self.url(path), json=body, persistent=False)
                answer = await response.json()
                self.assertEqual(response.code, 429, dialect)
                (delay,) = response.headers.getRawHeaders("Retry-After")
                self.assertTrue(7190 <= int(delay) <= 7201, delay)
                expected = {"anthropic": "rate_limit_error", "gemini": "RESOURCE_EXHAUSTED"}
                word = expected.get(dialect, "insufficient_quota")
                self.assertEqual(kind_of(dialect, answer), word, dialect)
                self.assertNotIn("codeassist-0", str(answer))
            self.assertEqual(self.calls("enerateContent"), asked)
            await self.stop()
            await self.run_gateway()
        self.assertEqual(await self.ask(model="gemini-2.5-pro"), 200, "other models are free")

    async def test_other_account_serves_at_once(self) -> None:
        await self.start("good-1", "good-2")
        began = reactor.seconds()
        self.assertEqual(await self.ask(RESET), 200)
        self.assertEqual(self.calls("enerateContent"), 2)
        self.assertLess(reactor.seconds() - began, 30.0)

    async def test_model_without_capacity_locks_no_account(self) -> None:
        await self.start("good-1", "good-2", "good-3")
        text = "[[error 503 reason=MODEL_CAPACITY_EXHAUSTED retry=90s times=1]]"
        response = await self.post(text)
        await response.content()
        (delay,) = response.headers.getRawHeaders("Retry-After")
        self.assertEqual(response.code, 503)
        self.assertTrue(89 <= int(delay) <= 93, delay)
        self.assertEqual(await self.ask(), 503)
        self.assertEqual(self.calls("enerateContent"), 1)
        self.assertEqual(await self.ask(model="gemini-2.5-pro"), 200)

    async def test_bad_request_behind_429_locks_no_account(self) -> None:
        await self.start("good-1")
        body = (
            '{"error": {"code": 429, "status": "INVALID_ARGUMENT", "message": "bad schema", '
            '"details": []}}'
        )
        self.assertEqual(await self.ask(f"[[error 429 {body}]]"), 400)
        self.assertEqual(await self.ask(), 200)

    async def test_log_names_address_for_account_validation(self) -> None:
        await self.start("good-1")
        link = "https://accounts.google.com/signin/continue?plt=veiled"
        details = [{"reason": "VALIDATION_REQUIRED", "metadata": {"validation_url": link}}]
        error = {"code": 403, "status": "PERMISSION_DENIED", "message": f"See {link} to go on."}
        body = json.dumps({"error": {**error, "details": details}})
        response = await self.post(f"[[error 403 {body}]]")
        answer = await response.text()
        self.assertEqual(response.code, 503, "the client's own key is fine")
        self.assertNotIn("veiled", answer)
        for _ in range(2):
            assert self.gateway is not None
            (lock,) = self.gateway.parts.administration().status().pool.locks
            self.assertEqual((lock.account, lock.help), ("codeassist-0", link))
            assert lock.free_in is not None
            self.assertTrue(590 < lock.free_in <= 600)
            await self.stop()
            await self.run_gateway()

    async def test_api_key_with_many_requests_does_not_starve_another(self) -> None:
        await self.start("good-1", scheduling=SchedulingSettings(max_concurrency=1))
        self.assertEqual(await self.ask(), 200)
        path, body = DIALECTS["openai_chat"]
        body = {**body, "messages": [{"role": "user", "content": "[[ttft 0.05]] hi"}]}
        order: list[str] = []

        async def ask(key: str) -> None:
            response = await treq.post(
                self.url(path),
                json=body,
                headers={"Authorization": f"Bearer {key}"},
                persistent=False,
            )
            await response.content()
            order.append(key if response.code == 200 else f"{key} {response.code}")

        greedy = [Deferred.fromCoroutine(ask("greedy")) for _ in range(20)]
        await eventually(lambda: self.waiting() >= 15)
        await ask("modest")
        ahead = order.index("modest")
        self.assertLessEqual(ahead, 20 - 15 + 2)
        await gatherResults(greedy)
        self.assertEqual(sorted(order), ["greedy"] * 20 + ["modest"])

    def waiting(self) -> int:
        assert self.gateway is not None
        return self.gateway.parts.administration().status().pool.queue.waiting
