"""The admin API changes the accounts of a running gateway."""

from __future__ import annotations

import json
from typing import Any

import treq

from antigravity.config.secret import Secret
from tests.service.account_fixture import AccountCase

KEY = "sk-admin"


class AdminAccountTests(AccountCase):
    async def start(self, *secrets: str, extra: Any = (), **proxy: Any) -> None:
        await super().start(*secrets, extra=extra, admin_key=Secret(KEY), **proxy)

    async def call(
        self, method: str, path: str, body: object = None, status: int = 200, key: str = KEY
    ) -> Any:
        """Return the JSON response of the admin API."""
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.request(
            method,
            f"http://127.0.0.1:{port}/admin/{path}",
            headers={"x-api-key": key},
            data=None if body is None else json.dumps(body).encode(),
            persistent=False,
        )
        text = await response.text()
        self.assertEqual(response.code, status, text)
        return json.loads(text)

    async def states(self) -> dict[str, str]:
        listed = await self.call("GET", "accounts")
        return {each["id"]: each["state"] for each in listed["accounts"]}

    async def test_changes_are_idempotent(self) -> None:
        await self.start("one", "two")
        for _ in range(2):
            done = await self.call("POST", "accounts/codeassist-0/disable", {"reason": "holidays"})
            self.assertEqual(done, {"account": "codeassist-0", "problem": ""})
        self.assertEqual(await self.states(), {"codeassist-1": "ready", "codeassist-0": "disabled"})
        for _ in range(2):
            await self.call("POST", "accounts/codeassist-0/enable")
        self.assertEqual(await self.states(), {"codeassist-0": "ready", "codeassist-1": "ready"})
        await self.call("DELETE", "accounts/codeassist-0")
        self.assertEqual(await self.states(), {"codeassist-1": "ready"})
        gone = await self.call("DELETE", "accounts/codeassist-0", status=404)
        self.assertEqual(gone["error"]["code"], "account_not_found")

    async def test_enabling_ends_locks(self) -> None:
        await self.start("one")
        await self.ask("[[error 429 retry=3600s times=1]] hello")
        self.assertNotEqual(await self.states(), {"codeassist-0": "ready"})
        await self.call("POST", "accounts/codeassist-0/enable")
        self.assertEqual(await self.states(), {"codeassist-0": "ready"})

    async def test_refused_secret_is_not_saved_and_not_repeated(self) -> None:
        await self.start("one")
        new = {"kind": "codeassist", "secret": "revoked-secret"}
        refused = await self.call("POST", "accounts", new, status=400)
        self.assertEqual(refused["error"]["code"], "credential_refused")
        self.assertNotIn("revoked-secret", json.dumps(refused))
        added = await self.call("POST", "accounts", {**new, "check": False})
        self.assertEqual((added["outcome"], added["works"]), ("added", None))

    async def test_new_account_serves_at_once(self) -> None:
        await self.start()
        self.assertEqual(await self.ask(), 503)
        added = await self.call("POST", "accounts", {"kind": "codeassist", "secret": "one"})
        self.assertEqual((added["outcome"], added["works"]), ("added", True))
        self.assertEqual(await self.ask(), 200)

    async def test_accounts_are_checked(self) -> None:
        await self.start("one", "two")
        checks = (await self.call("POST", "accounts/refresh"))["accounts"]
        self.assertEqual([each["works"] for each in checks], [True, True])
        self.assertIn("gemini-2.5-flash", checks[0]["models"])
        one = await self.call("POST", "accounts/refresh", {"account": "codeassist-1"})
        self.assertEqual([each["account"] for each in one["accounts"]], ["codeassist-1"])
        await self.call("POST", "accounts/refresh", {"account": "none"}, status=404)

    async def test_login_returns_to_loopback_only(self) -> None:
        await self.start("one")
        wanted = {"redirect_uri": "http://127.0.0.1:8045/dashboard/logged-in"}
        started = await self.call("POST", "logins", wanted)
        self.assertEqual(started["upstream"], "codeassist")
        for uri in (
            "https://example.org/",
            "http://127.0.0.1.example.org/",
            "nonsense",
            "http://[",
        ):
            await self.call("POST", "logins", {"redirect_uri": uri}, status=400)
        await self.call("POST", "logins/none", {"response": "x"}, status=404)

    async def test_changes_need_admin_key(self) -> None:
        await self.start("one")
        for method, path in (
            ("GET", "accounts"),
            ("POST", "accounts"),
            ("POST", "accounts/codeassist-0/disable"),
            ("DELETE", "accounts/codeassist-0"),
        ):
            await self.call(method, path, {}, status=401, key="sk-wrong")
        self.assertEqual(await self.states(), {"codeassist-0": "ready"})
