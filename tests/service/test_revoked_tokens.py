"""Access tokens that are revoked early are renewed, and lock no account."""

from __future__ import annotations

from typing import Any

import treq
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from antigravity.config.secret import Secret
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.simulator.state import BoundedDict
from tests.service.account_fixture import MODEL, AccountCase, reactor

ADMIN = "sk-admin"


class Observer:
    """A plugin that keeps records of exchanges."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class RevokedTokenTests(AccountCase):
    async def start(self, *secrets: str, extra: Any = (), **proxy: Any) -> None:
        await super().start(*secrets, extra=extra, admin_key=Secret(ADMIN), **proxy)
        self.assertEqual(await self.ask(), 200)
        await self.quotas_read(len(secrets))

    async def quotas_read(self, accounts: int) -> None:
        """Wait for the first quotas: a token revoked while one is read would look refused."""
        assert self.gateway is not None
        quotas = self.gateway.accounts.quotas
        names = [f"codeassist-{number}" for number in range(accounts)]
        while not all(quotas.quota(name) for name in names):
            await deferLater(reactor, 0.01)

    def kill(self) -> None:
        """Revoke all access tokens."""
        self.simulator.state._access = BoundedDict()

    def renewals(self) -> int:
        return len([each for each in self.simulator.log if each.path == "/token"])

    def asked(self) -> int:
        return len([each for each in self.simulator.log if "enerateContent" in each.path])

    async def locks(self) -> Any:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.get(
            f"http://127.0.0.1:{port}/admin/status",
            headers={"x-api-key": ADMIN},
            persistent=False,
        )
        return (await response.json())["pool"]["locks"]

    async def test_revoked_token_is_renewed_once_at_any_age(self) -> None:
        await self.start("good-1")
        for _ in range(3):  # one after the other, all within a second
            self.kill()
            before, asked = self.renewals(), self.asked()
            self.assertEqual(await self.ask(), 200)
            self.assertEqual((self.renewals() - before, self.asked() - asked), (1, 2))
        self.assertEqual(await self.locks(), [])

    async def test_record_shows_renewal(self) -> None:
        observer = Observer()
        await self.start("good-1", extra=[("observer", observer)])
        self.kill()
        self.assertEqual(await self.ask(), 200)
        first, second = observer.records[-1].attempts
        self.assertEqual((first.status, second.status), (401, 200))
        self.assertEqual(first.credential, second.credential)
        self.assertEqual(observer.records[-1].outcome, "ok")

    async def test_renewal_needs_no_other_account(self) -> None:
        await self.start("good-1", "good-2", "good-3")
        for number in range(6):
            self.kill()
            response = await self.post("hi", user=f"user-{number}")
            await response.content()
            self.assertEqual(response.code, 200)
        self.assertEqual(await self.locks(), [])

    async def test_requests_with_same_revoked_token_share_one_renewal(self) -> None:
        await self.start("good-1")
        self.kill()
        before = self.renewals()

        async def ask() -> int:
            return await self.ask()

        codes = await gatherResults([Deferred.fromCoroutine(ask()) for _ in range(12)])
        self.assertEqual(codes, [200] * 12)
        self.assertEqual(self.renewals() - before, 1)
        self.assertEqual(await self.locks(), [])

    async def test_token_is_renewed_for_streams_and_counts(self) -> None:
        await self.start("good-1")
        self.kill()
        response = await self.post("hi", stream=True)
        self.assertIn(b"[DONE]", await response.content())
        self.kill()
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        for path in (
            f"/v1beta/models/{MODEL}:generateContent",
            f"/v1beta/models/{MODEL}:countTokens",
        ):
            self.kill()
            body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            response = await treq.post(
                f"http://127.0.0.1:{port}{path}", json=body, persistent=False
            )
            text = await response.text()
            self.assertEqual(response.code, 200, text)
            self.assertNotIn(
                "estimate", str(response.headers.getRawHeaders("x-token-count-source"))
            )
        self.assertEqual(await self.locks(), [])

    async def test_token_is_renewed_for_quota_and_model_list(self) -> None:
        await self.start("good-1")
        assert self.gateway is not None
        ((source, credential),) = self.gateway.accounts.in_use.quota_sources()
        self.kill()
        quota = await source.quota(credential)
        self.assertTrue(quota.models)
        self.kill()
        self.assertTrue(await source.models(credential))  # type: ignore[attr-defined]

    async def test_refused_new_token_locks_account(self) -> None:
        await self.start("good-1")
        self.simulator.state.refused.add("good-1")
        before = self.renewals()
        self.assertEqual(await self.ask(), 503)
        self.assertEqual(self.renewals() - before, 1)
        (lock,) = await self.locks()
        self.assertEqual((lock["account"], lock["reason"]), ("codeassist-0", "credential"))
        for _ in range(5):
            await self.ask()
        self.assertEqual(self.renewals() - before, 1, "it is not renewed again and again")
        self.simulator.state.refused.clear()
        self.assertEqual(await self.ask(), 503, "it rests after several refusals")
        self.gateway.accounts.pool.unlock("codeassist-0")
        self.assertEqual(await self.ask(), 200)
        self.kill()
        self.assertEqual(await self.ask(), 200, "a token that has done well is renewed as any")

    async def test_token_life_is_independent_of_clock(self) -> None:
        await self.start("good-1")
        self.simulator.state.lifetime = 1e300
        self.kill()
        self.assertEqual(await self.ask(), 200)
        self.kill()
        self.assertEqual(await self.ask(), 200)
        self.assertLess(reactor.seconds(), 1e300)
