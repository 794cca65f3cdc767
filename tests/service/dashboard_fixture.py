"""A gateway whose dashboard is open in a browser without scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import treq
from twisted.internet import reactor as default_reactor
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.app.process import ConfigurationReader
from antigravity.config.home import prepare_home
from antigravity.config.secret import Secret
from tests.service.account_fixture import AccountCase

reactor: Any = default_reactor
ADMIN = "sk-admin-key-of-the-tests"


class Browser(TestCase):
    """Opens pages of the dashboard of ``gateway``."""

    cookie = ""
    gateway: Gateway | None

    @property
    def address(self) -> str:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}"

    async def fetch(
        self, path: str, method: str = "GET", form: dict[str, str] | None = None, **headers: str
    ) -> Any:
        """Return a response whose ``text`` is read; redirects are not followed."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
        if form is not None:
            sent.setdefault("Origin", self.address)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        response = await treq.request(
            method,
            self.address + path,
            headers=sent,
            data=None if form is None else urlencode(form).encode(),
            allow_redirects=False,
            persistent=False,
        )
        body = await response.content()
        return Response(response.code, response.headers, body.decode())

    async def page(self, path: str) -> str:
        """Return a page that is shown without an error."""
        response = await self.fetch(path)
        self.assertEqual(response.code, 200, response.text)
        return response.text

    async def sign_in(self, key: str = ADMIN) -> Any:
        """Sign in with the form."""
        response = await self.fetch("/dashboard/sign-in", "POST", {"key": key, "to": ""})
        if response.code == 303:
            self.cookie = response.header("set-cookie").partition(";")[0]
        return response

    async def csrf(self) -> str:
        """Return the token of the session."""
        found = re.search(r'name="csrf" value="([^"]+)"', await self.page("/dashboard"))
        assert found is not None
        return found[1]


class DashboardCase(Browser, AccountCase):
    """A gateway with accounts, and its dashboard."""

    gateway: Gateway | None

    async def open(self, *secrets: str, **proxy: Any) -> None:
        """Start a gateway, and sign in."""
        await self.start(*(secrets or ("one",)), **{"admin_key": Secret(ADMIN), **proxy})
        await self.sign_in()


class Response:
    """A response with its text."""

    def __init__(self, code: int, headers: Any, text: str) -> None:
        self.code = code
        self.text = text
        self._headers = headers

    def header(self, name: str) -> str:
        return ", ".join(self._headers.getRawHeaders(name, []))


FILE = f"""\
# <script>alert(2)</script>
[proxy]
admin_key = "{ADMIN}"
api_key = "sk-client-key-of-the-tests"
listen = ["tcp:0:interface=127.0.0.1"]

[upstreams.mine]
kind = "openai"
base_url = "http://127.0.0.1:9"
api_key = "sk-upstream-key-of-tests"
"""
SECRETS = (ADMIN, "sk-client-key-of-the-tests", "sk-upstream-key-of-tests")


class FileCase(DashboardCase):
    """A gateway whose configuration is a file."""

    async def open_file(self, text: str = FILE) -> None:
        """Start a gateway with a configuration file, and sign in."""
        self.home = Path(self.mktemp())
        prepare_home(self.home)
        self.file = self.home / "antigravity.toml"
        self.file.write_text(text)
        options: dict[str, Any] = {
            "home": str(self.home), "config": None, "port": None, "listen": []
        }  # fmt: skip
        reader = ConfigurationReader(options)
        configured = reader.read()
        self.gateway = Gateway(
            reactor,
            configured.settings,
            reader.home,
            configured.plugins,
            source=configured.source,
            configure=reader.read,
        )
        self.addCleanup(self.stop)
        await self.gateway.startService()
        await self.sign_in()
