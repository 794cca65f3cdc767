"""Account events of a running gateway reach plugins, whose failures do not harm it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from antigravity.config.secret import Secret
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.accounts import AccountChange
from antigravity.plugins import PluginHost
from tests.service.account_fixture import MODEL, AccountCase
from tests.support.conditions import eventually


class EventPlugin:
    """A plugin that writes down what it sees, and reacts in the way that it is told."""

    def __init__(self, reaction: Any = None) -> None:
        self.changes: list[AccountChange] = []
        self._reaction = reaction

    @hookimpl
    def account_changed(self, change: AccountChange) -> object:
        self.changes.append(change)
        if isinstance(self._reaction, Exception):
            raise self._reaction
        return self._reaction


class AccountEventTests(AccountCase):
    async def test_plugin_sees_locked_disabled_and_enabled_accounts(self) -> None:
        complaints: list[str] = []

        class Log:
            def error(self, _: str, *, plugin: str, hook: str, error: BaseException) -> None:
                complaints.append(f"{plugin} {hook} {error}")

        self.patch(PluginHost, "log", Log())
        first, last = EventPlugin(RuntimeError("boom")), EventPlugin(Deferred())
        await self.start("revoked-1", "good-1", extra=[("first", first), ("last", last)])
        for _ in range(3):
            self.assertEqual(await self.ask(), 200)
        await eventually(lambda: not self.files.find("codeassist-0").enabled)
        disabled = [change for change in last.changes if change.state == "disabled"]
        self.assertEqual([change.account for change in disabled], ["codeassist-0"])
        self.assertIn("revoked or has expired", disabled[0].reason)

        self.assertEqual(await self.ask("[[error 429 retry=2s times=1]]"), 200)
        (locked,) = [change for change in last.changes if change.account == "codeassist-1"]
        self.assertEqual((locked.state, locked.model, locked.reason), ("locked", MODEL, "rate"))

        record = self.files.find("codeassist-0")
        self.files.save(replace(record, enabled=True, secret=Secret("good-2")))
        assert self.gateway is not None
        await self.gateway.reload()
        self.assertEqual(last.changes[-1], AccountChange("enabled", "codeassist", "codeassist-0"))
        self.assertEqual(first.changes, last.changes)
        self.assertEqual(complaints, ["first account_changed boom"] * len(first.changes))
