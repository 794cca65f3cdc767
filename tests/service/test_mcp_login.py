"""A client, the gateway, and a server behind a login: from the first call to a revoked login."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from antigravity.cli.main import antigravity
from antigravity.config.secret import Secret
from antigravity.mcp.client import federated_server, server_login
from antigravity.oauth.grants import GrantFile
from antigravity.testing.gateway import start_gateway
from tests.support import sdks
from tests.support.oauth_listeners import OAuthListeners

SDK_SERVER = Path(__file__).parents[1] / "support" / "sdk_oauth_server.py"
ADMIN = {"authorization": "Bearer sk-admin"}
#: A browser that logs in by following redirects.
BROWSER = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=30).read()"
REMEDY = "run 'antigravity mcp login far'"


class LoginCase(TestCase):
    """One gateway with a server ``far``."""

    timeout = 120

    async def start_gateway(self, tables: str) -> None:
        self.patch(federated_server, "FIRST_PAUSE", 0.1)
        self.patch(server_login, "POLL", 0.05)
        self.log: list[str] = []
        note = lambda event: self.log.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.home = Path(self.mktemp()).absolute()
        config = f'[proxy]\nadmin_key = "sk-admin"\n{tables}'
        self.gateway = await start_gateway(reactor, self.home, config=config, simulated=False)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))

    async def status(self, name: str = "far") -> dict[str, Any]:
        answer = await self.gateway.request("GET", "/admin/status", None, ADMIN)
        servers = {each["name"]: each for each in answer.json()["mcp"]["servers"]}
        found: dict[str, Any] = servers[name]
        return found

    async def until(self, state: str, name: str = "far") -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (status := await self.status(name))["state"] != state:
            assert time.monotonic() < deadline, status
            await deferLater(reactor, 0.05)
        return status

    async def call(self, name: str, arguments: Any = None) -> Any:
        """Call a tool as a client does; return the text of the result, and whether it failed."""
        params = {"name": name, "arguments": {"a": 1} if arguments is None else arguments}
        result = await self.gateway.mcp("tools/call", params)
        return result["content"][0]["text"], bool(result.get("isError"))

    async def row(self) -> str:
        """Return the line of the server in the output of ``antigravity status``."""
        port = self.gateway.url.rpartition(":")[2]
        file = self.home / "status.toml"
        file.write_text(f'[proxy]\nadmin_key = "sk-admin"\nport = {port}\n')
        arguments = ["status", "--config", str(file)]
        said = await deferToThread(CliRunner().invoke, antigravity, arguments)
        return next(line for line in said.output.splitlines() if line.startswith("far "))

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``antigravity mcp``, with a browser that logs in."""
        script = self.home / "browser.py"
        script.write_text(BROWSER)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ANTIGRAVITY_")}
        run: Callable[[], Any] = lambda: subprocess.run(  # noqa: E731
            [sys.executable, "-m", "antigravity", "mcp", *arguments, "--home", str(self.home)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**clean, "BROWSER": f"{sys.executable} {script} %s"},
        )
        done: subprocess.CompletedProcess[str] = await deferToThread(run)
        return done

    def stored(self) -> Any:
        return GrantFile(self.home, "far").read()


class LoginTests(LoginCase):
    """The server ``far`` is protected, and ``near`` is open."""

    async def start(self) -> None:
        self.far, self.near = OAuthListeners(reactor), OAuthListeners(reactor)
        self.near.server.open_methods = ("server/discover", "tools/list", "tools/call")
        self.addCleanup(self.far.stop)
        self.addCleanup(self.near.stop)
        await self.start_gateway(self.far.table() + self.near.table("near"))

    async def log_in(self, *scopes: str) -> None:
        """Store another login, as a command of another process does."""
        grant = self.first
        client = grant.registered.client.id
        found = self.far.authorization.issue(client, grant.resource, frozenset(scopes))
        access, refresh = Secret(found["access_token"]), Secret(found["refresh_token"])
        fresh = replace(grant, access=access, refresh=refresh, scopes=scopes)
        GrantFile(self.home, "far").write(fresh)
        await self.until("ready")

    async def test_login_expiry_renewal_and_revocation(self) -> None:
        await self.start()
        await self.until("ready", "near")
        # Before a login, the call names the remedy, and others work.
        status = await self.until("needs login")
        self.assertIn(REMEDY, status["reason"])
        text, failed = await self.call("near__echo")
        self.assertEqual((json.loads(text), failed), ({"a": 1}, False))
        # Logged in by a command of another process; the gateway notices it by itself.
        done = await self.command("login", "far")
        self.assertEqual(done.returncode, 0, done.stderr)
        await self.until("ready")
        self.first = self.stored()
        self.assertEqual(await self.call("far__echo"), ('{"a": 1}', False))
        self.assertRegex(await self.row(), r"^far +ready .* logged in, renews in \d+ min$")
        login = (await self.status())["login"]
        self.assertEqual((login["state"], login["renews"]), ("active", True))
        # The token expires at the server: the client sees nothing of it.
        self.far.ahead += 4000
        calls = [Deferred.fromCoroutine(self.call("far__echo")) for _ in range(20)]
        for call in calls:
            self.assertEqual(await call, ('{"a": 1}', False))
        self.assertEqual(len(set(self.far.server.calls)), 2)
        self.assertEqual(len(self.far.authorization.grants), 2, "one renewal for all")
        # A tool that needs more than was granted.
        text, failed = await self.call("far__store")
        self.assertTrue(failed)
        self.assertIn("does not permit this (write)", text)
        status = await self.status()
        self.assertEqual(status["state"], "ready")
        self.assertEqual(status["login"]["missing_scopes"], ["write"])
        await self.log_in("read", "write")
        self.assertEqual(await self.call("far__store"), ('{"a": 1}', False))
        # The login is revoked: only this server needs another one.
        secrets = self.first.secrets() | self.stored().secrets()
        self.far.authorization.revoke_all()
        text, failed = await self.call("far__echo")
        self.assertTrue(failed)
        self.assertIn(REMEDY, text)
        await self.until("needs login")
        self.assertRegex(await self.row(), r"^far +needs login .* needed +far needs a login")
        self.assertEqual(await self.call("near__echo"), ('{"a": 1}', False))
        tools = {tool["name"] for tool in (await self.gateway.mcp("tools/list"))["tools"]}
        self.assertEqual(tools, {"far__echo", "far__store", "near__echo", "near__store"})
        await self.log_in("read")
        self.assertEqual(await self.call("far__echo"), ('{"a": 1}', False))
        # Logged out: the next call says what to do.
        GrantFile(self.home, "far").remove()
        text, failed = await self.call("far__echo")
        self.assertTrue(failed)
        self.assertIn(REMEDY, text)
        self.check_strict()
        shown = "\n".join(self.log) + json.dumps(await self.status()) + done.stdout + done.stderr
        for secret in (*secrets, "-secret"):
            self.assertNotIn(secret, shown)

    def check_strict(self) -> None:
        refusals = [each for each in self.far.authorization.refusals if "not valid" not in each]
        self.assertEqual(refusals, [])
        self.assertEqual(self.far.server.refusals, [])
        for request in self.far.server.requests:
            self.assertNotIn("sk-", request.headers.get("authorization", ""))


class SdkLoginTests(LoginCase):
    """The server is made with the official SDK, and is its own authorization server."""

    def setUp(self) -> None:
        if not sdks.are_installed():
            sdks.skip()

    async def test_login_to_sdk_server(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            number = listening.fileno()
            origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
            server = subprocess.Popen(
                [sys.executable, SDK_SERVER, str(number), origin], pass_fds=[number]
            )
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        await self.start_gateway(f'[mcp.servers.far]\nurl = "{origin}/mcp"\n')
        await self.until("needs login")
        done = await self.command("login", "far")
        self.assertEqual(done.returncode, 0, done.stderr)
        await self.until("ready")
        first = self.stored()
        self.assertEqual(await self.call("far__forget", {}), ("forgotten", False))
        self.assertEqual(await self.call("far__forget", {}), ("forgotten", False))
        self.assertNotEqual(self.stored().access, first.access)
        done = await self.command("logout", "far")
        self.assertIn("has revoked it", done.stdout)
        text, failed = await self.call("far__forget", {})
        self.assertTrue(failed)
        self.assertIn(REMEDY, text)
