"""The header with the account that served a request, and who gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

BODY = {
    "model": "claude-sonnet-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hello"}],
}


class AccountHeaderTests(TestCase):
    """An account in a file serves; its label is an e-mail address."""

    async def serve(self, expose: str, **headers: str) -> Any:
        """Return the response of a gateway with one account."""
        simulator = build_simulator(reactor)
        self.addCleanup(simulator.stop)
        port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Site(simulator.resource())
        )
        self.addCleanup(port.stopListening)
        home = Path(self.mktemp())
        prepare_home(home)
        address = f"http://127.0.0.1:{port.getHost().port}"
        AccountFiles(home).save(
            AccountRecord(
                "one", "anthropic", Secret("sk-one"), label="me@mail.test", base_url=address
            )
        )
        host = PluginHost()
        host.load(installed=False)
        proxy = ProxySettings(
            listen=["tcp:0:interface=127.0.0.1"],
            expose_account=expose,  # type: ignore[arg-type]
        )
        gateway = Gateway(reactor, Settings(proxy), home, host)
        self.addCleanup(gateway.stopService)
        await gateway.startService()
        assert gateway.listener is not None
        url = f"http://127.0.0.1:{gateway.listener.ports[0].getHost().port}/v1/messages"
        response = await treq.post(url, json=BODY, headers=headers, persistent=False)
        await response.content()
        self.assertEqual(response.code, 200)
        return response.headers.getRawHeaders("x-account-email")

    async def test_local_client_gets_account_header_by_default(self) -> None:
        self.assertEqual(await self.serve("loopback"), ["me@mail.test"])

    async def test_client_behind_proxy_gets_no_account_header(self) -> None:
        forwarded = {"x-forwarded-for": "203.0.113.9"}
        self.assertIsNone(await self.serve("loopback", **forwarded))

    async def test_account_header_can_be_off_or_for_all(self) -> None:
        self.assertIsNone(await self.serve("never"))
        forwarded = {"x-forwarded-for": "203.0.113.9"}
        self.assertEqual(await self.serve("always", **forwarded), ["me@mail.test"])
