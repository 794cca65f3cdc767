"""A demo gateway whose configuration is a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.config.snapshot import Configuration, load
from antigravity.plugins import PluginHost

ADMIN = "sk-admin-key-of-the-tests"
TEXT = f"""\
# The gateway of the office.
[proxy]
listen = ["tcp:0:interface=127.0.0.1"]
admin_key = "{ADMIN}"  # secret

[proxy.custom_mapping]
"old-*" = "gemini-2.5-flash"  # from before
"""


class FileCase(TestCase):
    """Starts a demo gateway that reads its configuration from a file."""

    gateway: Gateway | None

    async def start(self, text: str = TEXT) -> None:
        """Start a gateway over a file with a text."""
        self.home = Path(self.mktemp())
        self.home.mkdir()
        self.file = self.home / "antigravity.toml"
        self.file.write_text(text)
        self.file.chmod(0o600)
        self.plugins = PluginHost()
        self.plugins.load(installed=False)
        first = self.configure(None)
        self.gateway = gateway = Gateway(
            reactor,
            first.settings,
            self.home,
            self.plugins,
            source=first.source,
            demo=True,
            configure=self.configure,
        )
        self.addCleanup(gateway.stopService)
        await gateway.startService()

    def configure(self, in_force: Configuration | None) -> LoadedConfiguration:
        """Return the configuration of the file as it is now."""
        found = load(self.home, environ=dict(os.environ))
        return LoadedConfiguration(found.settings, self.plugins, found)

    async def ask(self, method: str, path: str, key: str = ADMIN, **more: Any) -> tuple[int, Any]:
        """Return status and JSON of a response."""
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        headers = {"Authorization": f"Bearer {key}"}
        url = f"http://127.0.0.1:{port}{path}"
        response = await treq.request(method, url, headers=headers, persistent=False, **more)
        return response.code, await response.json()
