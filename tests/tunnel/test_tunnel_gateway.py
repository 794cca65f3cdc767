"""A gateway with a tunnel, from the settings to the request that comes through it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet import error as network_error
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.cli.main import antigravity
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, TunnelSettings
from antigravity.plugins import PluginHost
from tests.tunnel.fake_cloudflared import (
    BAD_TOKEN,
    REGISTERED,
    TOKEN,
    FakeCloudflared,
    configured,
    quick,
)

ADMIN, CLIENT = "sk-admin", "sk-client"
CHAT_PATH = "/v1/chat/completions"
CHAT = {"model": "gpt-5.1", "messages": [{"role": "user", "content": "hello"}]}
LOCKED = ProxySettings(
    listen=["tcp:0:interface=127.0.0.1"],
    admin_key=Secret(ADMIN),
    auth_mode="strict",
    api_key=Secret(CLIENT),
)


class GatewayTests(TestCase):
    """One demo gateway, and a stand-in for cloudflared."""

    async def start(self, *plays: Any, proxy: ProxySettings = LOCKED, **tunnel: Any) -> None:
        """Start the gateway; ``tunnel`` are settings."""
        self.cloudflared = FakeCloudflared(Path(self.mktemp()).absolute(), *plays)
        self.tunnel = TunnelSettings(executable=str(self.cloudflared.path), **tunnel)
        self.settings = Settings(proxy=proxy, tunnel=self.tunnel)
        self.plugins = PluginHost()
        self.plugins.load(installed=False)
        self.events: list[str] = []
        note = lambda event: self.events.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.gateway = Gateway(
            reactor,
            self.settings,
            Path(self.mktemp()),
            self.plugins,
            demo=True,
            configure=lambda _: LoadedConfiguration(self.settings, self.plugins),
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()
        assert self.gateway.listener is not None
        self.port = self.gateway.listener.ports[0].getHost().port

    async def reload(self, *, proxy: ProxySettings = LOCKED, **tunnel: Any) -> None:
        self.settings = Settings(proxy=proxy, tunnel=replace(self.tunnel, **tunnel))
        await self.gateway.reload()

    async def ask(
        self, method: str, path: str, key: str = CLIENT, port: int = 0, host: str = "", **more: Any
    ) -> tuple[int, Any]:
        headers = {"x-api-key": key}
        if host:
            headers["host"] = host
        url = f"http://127.0.0.1:{port or self.port}{path}"
        response = await treq.request(method, url, headers=headers, persistent=False, **more)
        return response.code, await treq.json_content(response)

    async def status(self, method: str = "GET", path: str = "", **body: Any) -> Any:
        more = {"json": body} if body else {}
        return (await self.ask(method, f"/admin/tunnel{path}", ADMIN, **more))[1]

    async def until(self, state: str) -> Any:
        tries = 1000
        while (status := await self.status())["state"] != state:
            tries -= 1
            self.assertTrue(tries, f"not {state}: {status}")
            await deferLater(reactor, 0.02)
        return status

    def origin(self, run: int = 0) -> int:
        """Return the port that cloudflared was given."""
        argv = self.cloudflared.seen(run)["argv"]
        return int(argv[argv.index("--url") + 1].rpartition(":")[2])

    def is_gone(self, run: int = 0) -> bool:
        try:
            os.kill(self.cloudflared.seen(run)["pid"], 0)
        except ProcessLookupError:
            return True
        return False

    async def test_tunnel_requests_have_no_local_privileges(self) -> None:
        await self.start(quick("a-b", ["stay"]), enabled=True)
        status = await self.until("up")
        self.assertEqual(status["addresses"], ["https://a-b.trycloudflare.com"])
        way = {"port": self.origin(), "host": "a-b.trycloudflare.com"}
        self.assertEqual((await self.ask("POST", CHAT_PATH, json=CHAT, **way))[0], 200)
        self.assertEqual((await self.ask("GET", "/v1/models", "", **way))[0], 401)
        for path in ("/admin/status", "/admin/tunnel", "/v1/admin/status", "/%61dmin/status"):
            self.assertEqual((await self.ask("GET", path, ADMIN, **way))[0], 404, path)
        way["host"] = "evil.example"
        self.assertEqual((await self.ask("GET", "/v1/models", **way))[0], 403)

    async def test_cloudflared_ends_with_gateway(self) -> None:
        await self.start(quick("a-b", ["stay"]), enabled=True)
        await self.until("up")
        await self.gateway.stopService()
        self.assertTrue(self.is_gone())

    async def test_tunnel_ends_when_authentication_is_disabled(self) -> None:
        await self.start(quick("a-b", ["stay"]), enabled=True)
        await self.until("up")
        port = self.origin()
        waiting = self.ask("GET", "/v1/models", port=port, host="a-b.trycloudflare.com")
        self.assertEqual((await waiting)[0], 200)
        await self.reload(proxy=replace(LOCKED, auth_mode="off"))
        status = await self.status()
        self.assertEqual(status["state"], "refused")
        self.assertIn("auth_mode", status["reason"])
        with self.assertRaises(network_error.ConnectionRefusedError):
            await self.ask("GET", "/v1/models", port=port)
        self.assertTrue(any("the tunnel is stopped" in event for event in self.events))
        refused = await self.ask("POST", "/admin/tunnel/start", ADMIN)
        self.assertEqual(refused[0], 409)
        self.assertIn("--insecure", str(refused[1]))
        await self.reload()
        await self.until("up")
        self.assertTrue(self.is_gone(0))

    async def test_insecure_tunnel_starts_when_requested(self) -> None:
        await self.start(quick("a-b", ["stay"]), proxy=replace(LOCKED, auth_mode="off"))
        self.assertEqual((await self.ask("POST", "/admin/tunnel/start", ADMIN))[0], 409)
        await self.status("POST", "/start", insecure=True)
        await self.until("up")
        self.assertTrue(any("INSECURE" in event for event in self.events))
        way = {"port": self.origin(), "host": "a-b.trycloudflare.com"}
        self.assertEqual((await self.ask("GET", "/v1/models", "", **way))[0], 200)
        self.assertEqual((await self.ask("GET", "/admin/status", ADMIN, **way))[0], 404)

    async def test_tunnel_follows_reloaded_settings(self) -> None:
        await self.start(quick("a-b", ["stay"]), quick("c-d", ["stay"]))
        self.assertEqual((await self.status())["state"], "off")
        await self.reload(enabled=True)
        await self.until("up")
        self.assertNotIn("--protocol", self.cloudflared.seen()["argv"])
        await self.reload(enabled=True, protocol="http2")
        status = await self.until("up")
        self.assertEqual(status["addresses"], ["https://c-d.trycloudflare.com"])
        self.assertIn("http2", self.cloudflared.seen(1)["argv"])
        self.assertTrue(self.is_gone(0))
        await self.reload(enabled=False)
        await self.status("POST", "/stop")
        self.assertTrue(self.is_gone(1))

    async def test_token_is_in_no_log_status_or_arguments(self) -> None:
        line = f"2026-01-01T00:00:00Z INF Settings: map[token:{TOKEN}]"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            number = probe.getsockname()[1]
        names = configured(("llm.example.org", f"http://localhost:{number}"))
        await self.start(
            [["say", line], ["say", REGISTERED], ["say", names], ["stay"]],
            enabled=True,
            mode="token",
            token=Secret(TOKEN),
            origin_port=number,
        )
        status = await self.until("up")
        while not status["addresses"]:
            status = await self.status()
        self.assertEqual(status["addresses"], ["https://llm.example.org"])
        way = {"port": number, "host": "llm.example.org"}
        self.assertEqual((await self.ask("GET", "/v1/models", **way))[0], 200)
        seen = self.cloudflared.seen()
        self.assertEqual(seen["environ"]["TUNNEL_TOKEN"], TOKEN)
        self.assertNotIn(TOKEN, str(seen["argv"]))
        self.assertNotIn(TOKEN, "\n".join(self.events))
        self.assertTrue(any("[redacted]" in event for event in self.events))

    async def test_invalid_token_is_reported(self) -> None:
        await self.start(
            [["sleep", 0.2], ["say", BAD_TOKEN], ["exit", 1]],
            enabled=True,
            mode="token",
            token=Secret(TOKEN),
        )
        status = await self.until("failed")
        self.assertEqual(status["reason"], BAD_TOKEN)

    async def test_tunnel_commands_work(self) -> None:
        await self.start([["sleep", 0.3], *quick("a-b", ["stay"])])
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        (home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )

        def run(*arguments: str) -> Any:
            return CliRunner().invoke(antigravity, ["tunnel", *arguments, "--home", str(home)])

        self.assertIn("is off", (await deferToThread(run, "status")).output)
        started = await deferToThread(run, "start")
        self.assertEqual(started.exit_code, 0, started.output)
        self.assertIn("https://a-b.trycloudflare.com", started.output)
        self.assertIn("is up", (await deferToThread(run, "status")).output)
        self.assertEqual((await deferToThread(run, "stop")).exit_code, 0)
        self.assertTrue(self.is_gone())
        self.cloudflared.path.unlink()
        missing = await deferToThread(run, "start")
        self.assertEqual(missing.exit_code, 1)
        self.assertIn("tunnel.executable", missing.output)
