"""A gateway with accounts, for which a simulator stands in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    OAuthSettings,
    ProxySettings,
    Settings,
    UpstreamSettings,
)
from antigravity.plugins import PluginHost
from antigravity.simulator.service import build_simulator

reactor: Any = default_reactor
MODEL = "gemini-2.5-flash"


class AccountCase(TestCase):
    """Starts both, and ends both."""

    async def start(self, *secrets: str, extra: Any = (), **proxy: Any) -> None:
        """Start a simulator, and a gateway with one account for each secret.

        :param extra: plugins, with their names.
        :param proxy: settings of the door.
        """
        self.simulator = build_simulator(reactor)
        port = reactor.listenTCP(0, Site(self.simulator.resource()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self.simulator.stop)
        address = f"http://127.0.0.1:{port.getHost().port}"
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.files = AccountFiles(self.home)
        for number, secret in enumerate(secrets):
            self.files.save(
                AccountRecord(
                    f"codeassist-{number}", "codeassist", Secret(secret), created=float(number)
                )
            )
        oauth = OAuthSettings("client", Secret("secret"), f"{address}/token")
        upstream = UpstreamSettings("codeassist", base_url=address, oauth=oauth)
        self.settings = Settings(
            ProxySettings(listen=["tcp:0:interface=127.0.0.1"], **proxy), {"codeassist": upstream}
        )
        self.plugins = PluginHost()
        self.plugins.load(installed=False, extra=extra)
        self.addCleanup(self.stop)
        self.gateway: Gateway | None = None
        await self.run_gateway()

    async def run_gateway(self) -> None:
        """Start a gateway with what was kept of the last one."""
        self.gateway = Gateway(
            reactor,
            self.settings,
            self.home,
            self.plugins,
            configure=lambda _: LoadedConfiguration(self.settings, self.plugins),
        )
        await self.gateway.startService()

    async def stop(self) -> None:
        """Stop the gateway, if one runs."""
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            await gateway.stopService()

    async def ask(self, text: str = "hi", model: str = MODEL) -> int:
        """Return the status of the answer to a question."""
        response = await self.post(text, model)
        await response.content()
        return int(response.code)

    async def post(self, text: str = "hi", model: str = MODEL, **fields: Any) -> Any:
        """Return the response to a question, its body unread."""
        assert self.gateway is not None
        listener = self.gateway.listener
        assert listener is not None
        url = f"http://127.0.0.1:{listener.ports[0].getHost().port}/v1/chat/completions"
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return await treq.post(url, json=body, persistent=False)
