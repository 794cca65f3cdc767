"""Clients on the gateway's machine, connected and disconnected by the admin API and the page."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from html import unescape
from pathlib import Path
from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from antigravity.app import connections as connections_module
from antigravity.app.connection_plans import ConnectionPlans
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.connect import connections as file_module
from tests.service.account_fixture import MODEL, reactor
from tests.service.dashboard_fixture import ADMIN, DashboardCase

CLIENT_KEY = "sk-client-key-of-these-tests"
THEIRS = "sk-ant-0123456789abcdefghij-somebody-elses"
SETTINGS = {
    "env": {"ANTHROPIC_BASE_URL": "https://elsewhere.test", "ANTHROPIC_AUTH_TOKEN": THEIRS},
    "apiKeyHelper": "print-it",
    "model": "opus",
}


class ConnectionCase(DashboardCase):
    """A gateway, and the home directory of its user."""

    async def open_home(self, **proxy: Any) -> None:
        self.user = Path(self.mktemp()).absolute()
        self.user.mkdir()
        empty = {"HOME": str(self.user), "USERPROFILE": str(self.user), "PATH": ""}
        folders = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "APPDATA")
        self.patch(os, "environ", {k: v for k, v in os.environ.items() if k not in folders} | empty)
        self.file = self.user / ".claude" / "settings.json"
        await self.open(**proxy)

    def write_settings(self) -> bytes:
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps(SETTINGS, indent=2) + "\n")
        return self.file.read_bytes()

    async def api(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        """Return status and JSON of a request."""
        response = await treq.request(
            method,
            f"{self.address}/admin/connections{path}",
            json=body,
            headers={"Authorization": f"Bearer {ADMIN}", **headers},
            persistent=False,
        )
        return response.code, await response.json()

    async def preview(self, client: str = "claude-code", **body: str) -> Any:
        code, found = await self.api("POST", f"/{client}/preview", body)
        self.assertEqual(code, 200, found)
        return found

    async def apply(self, action: str, token: str, client: str = "claude-code") -> Any:
        return await self.api("POST", f"/{client}/{action}", {"token": token})

    async def state(self, client: str = "claude-code") -> Any:
        code, found = await self.api("GET")
        self.assertEqual(code, 200, found)
        return next(each for each in found["connections"] if each["client"] == client)


class ConnectionTests(ConnectionCase):
    async def test_client_is_connected_and_has_its_file_back(self) -> None:
        await self.open_home()
        before = self.write_settings()
        state = await self.state()
        self.assertEqual(
            (state["state"], state["address"], state["way"], state["installed"]),
            ("elsewhere", "https://elsewhere.test", "files", True),
        )
        preview = await self.preview()
        self.assertEqual((preview["changes"], preview["files"]), (True, [str(self.file)]))
        self.assertIn(self.address, preview["diff"])
        self.assertIn("+++ ~/.claude/settings.json\n", preview["diff"])
        self.assertEqual(self.file.read_bytes(), before)
        code, done = await self.apply("connect", preview["token"])
        self.assertEqual(code, 200, done)
        self.assertEqual(done["connection"]["state"], "connected")
        self.assertEqual(done["connection"]["address"], self.address)
        written = json.loads(self.file.read_bytes())
        self.assertEqual(written["env"]["ANTHROPIC_BASE_URL"], self.address)
        self.assertEqual(written["model"], "opus")
        self.assertFalse((await self.preview())["changes"])
        preview = await self.preview(action="disconnect")
        code, done = await self.apply("disconnect", preview["token"])
        self.assertEqual((code, done["connection"]["state"]), (200, "elsewhere"), done)
        self.assertEqual(self.file.read_bytes(), before)

    async def test_secrets_are_masked_in_the_preview_only(self) -> None:
        await self.open_home(auth_mode="strict", api_key=Secret(CLIENT_KEY))
        self.write_settings()
        preview = await self.preview()
        shown = json.dumps(preview)
        self.assertNotIn(THEIRS, shown)
        self.assertNotIn(CLIENT_KEY, shown)
        self.assertIn("(the gateway's key)", preview["diff"])
        self.assertIn("[redacted]", preview["diff"])
        code, done = await self.apply("connect", preview["token"])
        self.assertEqual(code, 200, done)
        self.assertNotIn(CLIENT_KEY, json.dumps(done))
        written = json.loads(self.file.read_bytes())
        self.assertEqual(written["env"]["ANTHROPIC_AUTH_TOKEN"], CLIENT_KEY)
        undone = json.dumps(await self.preview(action="disconnect"))
        self.assertNotIn(THEIRS, undone)
        self.assertNotIn(CLIENT_KEY, undone)

    async def test_new_file_is_private(self) -> None:
        await self.open_home()
        preview = await self.preview()
        self.assertEqual((await self.apply("connect", preview["token"]))[0], 200)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)

    async def test_file_that_has_changed_since_the_preview_is_not_written(self) -> None:
        await self.open_home()
        self.write_settings()
        token = (await self.preview())["token"]
        self.file.write_text(self.file.read_text().replace("opus", "sonnet"))
        changed = self.file.read_bytes()
        code, found = await self.apply("connect", token)
        self.assertEqual((code, found["error"]["code"]), (409, "preview_outdated"), found)
        self.assertEqual(self.file.read_bytes(), changed)
        self.assertEqual((await self.state())["state"], "elsewhere")

    async def test_token_is_for_one_change_of_one_client(self) -> None:
        await self.open_home()
        before = self.write_settings()
        token = (await self.preview())["token"]
        other = (await self.preview(model="another-model"))["token"]
        self.assertNotEqual(token, other)
        for action, given, client in (
            ("connect", other, "claude-code"),
            ("connect", token, "codex"),
            ("connect", "", "claude-code"),
            ("disconnect", token, "claude-code"),
        ):
            code, found = await self.apply(action, given, client)
            self.assertEqual(code, 409, found)
        self.assertEqual(self.file.read_bytes(), before)
        self.assertFalse((self.user / ".codex").exists())

    async def test_clients_that_are_unknown_or_have_no_file_are_refused(self) -> None:
        await self.open_home()
        for client, status in (("nobody", 404), ("cursor", 409), ("copilot-cli", 409)):
            code, found = await self.api("POST", f"/{client}/preview", {})
            self.assertEqual(code, status, found)
        code, found = await self.api("POST", "/claude-code/preview", {"action": "disconnect"})
        self.assertEqual(code, 409, found)
        self.assertEqual((await self.state("copilot-cli"))["way"], "variables")
        self.assertEqual((await self.state("cursor"))["way"], "hand")

    async def test_unlisted_model_is_a_warning(self) -> None:
        await self.open_home()
        preview = await self.preview(model="no-such-model")
        self.assertIn("No model no-such-model is listed", preview["warnings"][0])
        self.assertIn("no-such-model", preview["diff"])
        self.assertIn("asks for models called gpt", (await self.preview("codex"))["warnings"][0])
        self.assertEqual((await self.preview(model=MODEL))["warnings"], [])

    async def test_large_and_malformed_files_stay(self) -> None:
        await self.open_home()
        self.file.parent.mkdir()
        for content in (b" " * 600_000, b"{", b"\xff"):
            self.file.write_bytes(content)
            code, found = await self.api("POST", "/claude-code/preview", {})
            self.assertEqual(code, 409, found)
            self.assertEqual((await self.state())["state"], "unreadable")
            self.assertEqual(self.file.read_bytes(), content)

    async def test_first_file_is_put_back_if_the_second_cannot_be_written(self) -> None:
        await self.open_home()
        folder = self.user / ".gemini"
        folder.mkdir()
        (folder / ".env").write_text("OTHER=1\n")
        token = (await self.preview("gemini-cli"))["token"]
        write = file_module.write_file

        def fail_later(path: Path, data: bytes, mode: int | None) -> None:
            if path.name == "settings.json":
                raise OSError(28, "No space left on device")
            write(path, data, mode)

        self.patch(file_module, "write_file", fail_later)
        code, found = await self.apply("connect", token, "gemini-cli")
        self.assertEqual(code, 409, found)
        self.assertIn("No space left", found["error"]["message"])
        self.assertEqual((folder / ".env").read_text(), "OTHER=1\n")
        self.assertEqual((await self.state("gemini-cli"))["state"], "not connected")


class RefusalTests(ConnectionCase):
    async def test_other_machines_are_refused(self) -> None:
        await self.open_home()
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            for method, path in (
                ("GET", ""),
                ("POST", "/claude-code/preview"),
                ("POST", "/claude-code/connect"),
                ("POST", "/claude-code/disconnect"),
            ):
                body = None if method == "GET" else {"token": "x"} if "ect" in path else {}
                code, found = await self.api(method, path, body, **{header: "203.0.113.7"})
                self.assertEqual(code, 403, found)
        code, _ = await self.api("GET", Authorization="Bearer sk-wrong")
        self.assertEqual(code, 401)

    async def test_shared_gateway_changes_no_files(self) -> None:
        await self.open_home()
        assert self.gateway is not None
        runtime = self.gateway.runtime
        ledger = LedgerSettings(url=Secret("postgresql://nobody@127.0.0.1/none"))
        settings = replace(runtime.settings, ledger=ledger)
        self.patch(type(runtime), "settings", settings)
        code, found = await self.api("GET")
        self.assertEqual(code, 200)
        self.assertIn("shares its state or its ledger", found["problem"])
        code, found = await self.api("POST", "/claude-code/preview", {})
        self.assertEqual((code, found["error"]["code"]), (409, "not_on_this_machine"))

    async def test_home_of_another_user_is_not_changed(self) -> None:
        await self.open_home()
        self.patch(os, "geteuid", lambda: 54321)
        code, found = await self.api("GET")
        self.assertEqual((code, found["connections"]), (200, []))
        self.assertIn("runs as another user", found["problem"])
        code, found = await self.api("POST", "/claude-code/preview", {})
        self.assertEqual(code, 409, found)

    async def test_gateway_whose_key_is_not_stored_says_so(self) -> None:
        await self.open_home(auth_mode="strict")
        _, found = await self.api("GET")
        self.assertIn("proxy.api_key is not set", found["problem"])

    async def test_changes_wait_for_each_other_but_not_for_ever(self) -> None:
        await self.open_home()
        self.patch(connections_module, "LONGEST_WAIT", 0.2)
        entered, release = threading.Event(), threading.Event()
        preview = ConnectionPlans.preview

        def slow(plans: Any, *arguments: Any) -> Any:
            entered.set()
            release.wait(30)
            return preview(plans, *arguments)

        self.patch(ConnectionPlans, "preview", slow)
        self.addCleanup(release.set)
        first = self.api_later()
        while not entered.is_set():
            await deferLater(reactor, 0.01)
        code, found = await self.api("POST", "/claude-code/preview", {})
        self.assertEqual(code, 503, found)
        first.cancel()  # its thread goes on, and keeps the lock
        code, found = await self.api("POST", "/claude-code/preview", {})
        self.assertEqual(code, 503, found)
        release.set()
        self.patch(connections_module, "LONGEST_WAIT", 10.0)
        code, found = await self.api("POST", "/claude-code/preview", {})
        self.assertEqual(code, 200, found)

    def api_later(self) -> Deferred[Any]:
        later = Deferred.fromCoroutine(self.api("POST", "/claude-code/preview", {}))
        return later.addErrback(lambda failure: None)

    async def test_damaged_record_is_an_answer(self) -> None:
        await self.open_home()
        record = self.home / "state" / "connections.json"
        record.parent.mkdir(exist_ok=True)
        record.write_text("{")
        code, found = await self.api("GET")
        self.assertEqual(code, 409, found)
        self.assertIn("cannot be read", found["error"]["message"])
        self.assertIn("cannot be read", await self.page("/dashboard/connect"))


class PageTests(ConnectionCase):
    async def send(self, path: str, **form: str) -> Any:
        form["csrf"] = await self.csrf()
        return await self.fetch(f"/dashboard/connect/{path}", "POST", form)

    async def test_client_is_connected_on_the_page(self) -> None:
        await self.open_home(auth_mode="strict", api_key=Secret(CLIENT_KEY))
        before = self.write_settings()
        shown = await self.page("/dashboard/connect?client=claude-code")
        self.assertIn("points elsewhere", shown)
        self.assertNotIn("Show what undoing changes", shown)
        preview = await self.send("claude-code/preview", action="connect", model="<b>model")
        self.assertEqual(preview.code, 200)
        self.assertIn("Connecting changes this", preview.text)
        self.assertIn("No model &lt;b&gt;model is listed", preview.text)
        preview = await self.send("claude-code/preview", action="connect", model="")
        for secret in (THEIRS, CLIENT_KEY):
            self.assertNotIn(secret, preview.text)
        done = await self.send("claude-code/connect", token=self.token(preview.text), model="")
        self.assertEqual(done.code, 303, done.text)
        self.assertEqual(done.header("location"), "/dashboard/connect?client=claude-code")
        shown = unescape(await self.page(done.header("location")))
        self.assertIn("Claude Code is connected.", shown)
        self.assertIn("✓ connected", shown)
        preview = await self.send("claude-code/preview", action="disconnect", model="")
        self.assertIn("Undoing changes this", preview.text)
        done = await self.send("claude-code/disconnect", token=self.token(preview.text), model="")
        self.assertEqual(done.code, 303, done.text)
        self.assertEqual(self.file.read_bytes(), before)

    def token(self, page: str) -> str:
        found = re.search(r'name="token" value="([^"]+)"', page)
        assert found is not None, page
        return found[1]

    async def test_outdated_preview_is_refused_with_the_reason(self) -> None:
        await self.open_home()
        self.write_settings()
        done = await self.send("claude-code/connect", token="outdated")
        self.assertEqual(done.code, 409)
        self.assertIn("has changed since the preview", done.text)

    async def test_form_without_the_token_of_the_session_is_refused(self) -> None:
        await self.open_home()
        preview = await self.send("claude-code/preview", action="connect")
        form = {"token": self.token(preview.text)}
        done = await self.fetch("/dashboard/connect/claude-code/connect", "POST", form)
        self.assertEqual(done.code, 403)
        self.assertFalse(self.file.exists())

    async def test_browser_on_another_machine_gets_texts_only(self) -> None:
        await self.open_home()
        self.write_settings()
        page = await self.fetch("/dashboard/connect", X_Forwarded_For="203.0.113.7")
        self.assertIn("The browser is on another machine", page.text)
        self.assertIn("ANTHROPIC_BASE_URL", page.text)
        self.assertNotIn("elsewhere.test", page.text)
        self.assertNotIn("/preview", page.text)
        form = {"csrf": await self.csrf(), "action": "connect"}
        sent = await self.fetch(
            "/dashboard/connect/claude-code/preview", "POST", form, X_Forwarded_For="203.0.113.7"
        )
        self.assertEqual(sent.code, 403)
        self.assertIn("own machine only", sent.text)

    async def test_unknown_client_and_action_are_not_found(self) -> None:
        await self.open_home()
        self.assertEqual((await self.send("nobody/preview", action="connect")).code, 404)
        self.assertEqual((await self.send("codex/explode")).code, 404)
