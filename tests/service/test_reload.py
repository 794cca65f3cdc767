"""Reload: a changed configuration applies without a restart, an invalid one changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.errors import ConfigurationError
from antigravity.config.file_watcher import INTERVAL, FileWatcher
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.selection import ISelectionPolicy, Selection, SelectionContext
from antigravity.plugins import PluginHost

CHAT = {"model": "gpt-5.1", "messages": [{"role": "user", "content": "hello"}]}
SLOW = {
    **CHAT,
    "stream": True,
    "messages": [{"role": "user", "content": "[[chunks 3]] [[delay .2]]"}],
}


def plugins(*blocked: str) -> PluginHost:
    host = PluginHost({"blocked": list(blocked)})
    host.load(installed=False)
    return host


class ReloadTests(TestCase):
    """One gateway with the simulator inside, configured anew while it runs."""

    async def start(self) -> None:
        """Start the gateway on a free port."""
        self.settings = Settings(ProxySettings(listen=["tcp:0:interface=127.0.0.1"]))
        self.next: Any = None

        def configure(in_force: object) -> LoadedConfiguration:
            if isinstance(self.next, Exception):
                raise self.next
            return self.next  # type: ignore[no-any-return]

        self.gateway = Gateway(
            reactor, self.settings, Path(self.mktemp()), plugins(), demo=True, configure=configure
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    def url(self, path: str = "/v1/chat/completions") -> str:
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}{path}"

    async def status(self, url: str, **headers: str) -> int:
        response = await treq.post(url, json=CHAT, headers=headers, persistent=False)
        await response.content()
        return int(response.code)

    def proxy(self, **fields: Any) -> Settings:
        return replace(self.settings, proxy=replace(self.settings.proxy, **fields))

    async def test_new_api_key_applies_at_once(self) -> None:
        await self.start()
        self.assertEqual(await self.status(self.url()), 200)
        settings = self.proxy(auth_mode="strict", api_key=Secret("sk-new"))
        self.next = LoadedConfiguration(settings, plugins())
        await self.gateway.reload()
        self.assertEqual(await self.status(self.url()), 401)
        self.assertEqual(await self.status(self.url(), **{"x-api-key": "sk-new"}), 200)

    async def test_port_changes_during_running_response(self) -> None:
        await self.start()
        before = self.url()
        running = await treq.post(before, json=SLOW, persistent=False)
        self.next = LoadedConfiguration(
            self.proxy(listen=["tcp:0:interface=127.0.0.1:backlog=51"]), plugins()
        )
        await self.gateway.reload()
        self.assertNotEqual(self.url(), before)
        self.assertEqual(await self.status(self.url()), 200)
        with self.assertRaises(Exception):  # noqa: B017 - whichever way a port refuses
            await self.status(before)
        self.assertIn(b"[DONE]", await running.content())

    async def test_invalid_configuration_changes_nothing(self) -> None:
        await self.start()
        self.next = ConfigurationError("no", key="proxy.port")
        with self.assertRaises(ConfigurationError):
            await self.gateway.reload()
        self.assertEqual(await self.status(self.url()), 200)

    async def test_port_in_use_changes_nothing(self) -> None:
        await self.start()
        taken = self.url().rsplit(":", 1)[1].split("/")[0]
        settings = self.proxy(
            listen=[f"tcp:{taken}:interface=127.0.0.1"], auth_mode="strict", api_key=Secret("k")
        )
        self.next = LoadedConfiguration(settings, plugins())
        with self.assertRaises(Exception):  # noqa: B017
            await self.gateway.reload()
        self.assertEqual(await self.status(self.url()), 200)

    async def test_blocked_plugin_is_unloaded(self) -> None:
        await self.start()
        messages = self.url("/v1/messages")
        body = {**CHAT, "max_tokens": 9, "model": "gpt-5.1"}
        response = await treq.post(messages, json=body, persistent=False)
        self.assertEqual((response.code, bool(await response.content())), (200, True))
        blocked = plugins("anthropic")
        settings = replace(self.settings, plugins={"blocked": ["anthropic"]})
        self.next = LoadedConfiguration(settings, blocked)
        with self.assertRaises(ConfigurationError) as caught:
            await self.gateway.reload()
        self.assertIn("anthropic", str(caught.exception))  # the demo has an upstream of that kind

    async def test_policy_of_plugin_is_used_and_cannot_be_unloaded_meanwhile(self) -> None:
        await self.start()
        scheduling = replace(self.settings.proxy.scheduling, mode="FirstAccountPolicy")
        settings = self.proxy(scheduling=scheduling)
        self.next = LoadedConfiguration(settings, plugins())
        with self.assertRaises(ConfigurationError) as caught:
            await self.gateway.reload()
        for name in ("'FirstAccountPolicy'", "Balance, CacheFirst, PerformanceFirst"):
            self.assertIn(name, str(caught.exception))
        self.assertEqual(self.mode(), "Balance")

        host, policy = PluginHost(), FirstAccountPolicy()
        host.load(installed=False, extra=[("eldest", policy)])
        self.next = LoadedConfiguration(settings, host)
        await self.gateway.reload()
        self.assertEqual(self.mode(), "FirstAccountPolicy")
        self.assertEqual(await self.status(self.url()), 200)
        self.assertGreater(policy.asked, 0)

        asked = policy.asked
        host = PluginHost({"blocked": ["eldest"]})
        host.load(installed=False, extra=[("eldest", policy)])
        self.next = LoadedConfiguration(settings, host)
        with self.assertRaises(ConfigurationError):
            await self.gateway.reload()
        self.next = LoadedConfiguration(self.settings, host)
        await self.gateway.reload()
        self.assertEqual(self.mode(), "Balance")
        self.assertEqual(await self.status(self.url()), 200)
        self.assertEqual(policy.asked, asked)

    def mode(self) -> object:
        """Return the policy that is in force, as the operator sees it."""
        return self.gateway.parts.administration().status().pool.mode


@implementer(ISelectionPolicy)
class FirstAccountPolicy:
    """A plugin that is a policy: the first account serves everything."""

    name = "FirstAccountPolicy"
    sticky = False
    asked = 0

    @hookimpl
    def register_selection_policies(self, register: Any) -> None:
        register(self)

    def select(self, candidates: Any, context: SelectionContext) -> Selection:
        self.asked += 1
        return Selection(tuple(candidates))

    def moves(self, bound: Any, candidates: Any, context: SelectionContext) -> bool:
        return False


class WatcherTests(SynchronousTestCase):
    """Changes are seen, once, and only when they are complete."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "antigravity.toml"
        self.file.write_text("a")
        self.changes: list[int] = []
        self.watcher = FileWatcher(
            self.clock,
            lambda: (self.file, self.folder / "accounts"),
            lambda: self.changes.append(1),
        )
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(INTERVAL)

    def test_watcher_reports_no_change_without_one(self) -> None:
        self.look(5)
        self.assertEqual(self.changes, [])

    def test_watcher_reports_change_once(self) -> None:
        self.file.write_text("other")
        self.look(5)
        self.assertEqual(self.changes, [1])

    def test_watcher_waits_for_end_of_writing(self) -> None:
        for number in range(4):
            self.file.write_text("x" * (number + 2))
            os.utime(self.file, ns=(number + 1, number + 1))
            self.look()
        self.assertEqual(self.changes, [])
        self.look()
        self.assertEqual(self.changes, [1])

    def test_watcher_reports_new_and_removed_files(self) -> None:
        accounts = self.folder / "accounts"
        accounts.mkdir()
        self.look(2)
        (accounts / "one.json").write_text("{}")
        self.look(2)
        (accounts / "one.json").unlink()
        self.look(2)
        self.assertEqual(len(self.changes), 3)

    def test_stopped_watcher_reports_nothing(self) -> None:
        self.watcher.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
