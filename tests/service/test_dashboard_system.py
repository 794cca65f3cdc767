"""The page of the installation, and the editor of the configuration."""

from __future__ import annotations

import re
from html import unescape

from antigravity.config.home import initial_text
from antigravity.plugins import PluginHost
from tests.service.dashboard_fixture import ADMIN, FILE, SECRETS, FileCase, Response

SCRIPT = "</textarea><script>alert(1)</script>"


class SystemPageTests(FileCase):
    async def editor(self) -> tuple[str, str]:
        """Return the text and the version that the editor shows."""
        page = await self.page("/dashboard/configuration")
        text = re.search(r"<textarea[^>]*>\n?(.*)</textarea>", page, re.DOTALL)
        version = re.search(r'name="version" value="([^"]*)"', page)
        assert text is not None
        assert version is not None
        return unescape(text[1]), version[1]

    async def send(self, action: str, text: str, version: str) -> Response:
        form = {"csrf": await self.csrf(), "text": text.replace("\n", "\r\n"), "version": version}
        response: Response = await self.fetch(f"/dashboard/configuration/{action}", "POST", form)
        return response

    async def test_page_shows_installation_without_secrets(self) -> None:
        await self.open_file()
        shown = unescape(await self.page("/dashboard/system"))
        for text in (
            "127.0.0.1:",
            str(self.home),
            "antigravity.toml",
            "register_protocols",
            "upstreams.mine.base_url",
            f"{self.file}:9",
            "○ off",
        ):
            self.assertIn(text, shown)
        for secret in SECRETS:
            self.assertNotIn(secret, shown)

    async def test_doctor_shows_its_findings(self) -> None:
        await self.open_file()
        done = await self.fetch("/dashboard/system/doctor", "POST", {"csrf": await self.csrf()})
        self.assertEqual(done.code, 200, done.text)
        shown = unescape(done.text)
        self.assertIn("only its owner has access", shown)
        self.assertIn("mine (openai) has 1 credential", shown)

    async def test_tunnel_that_cannot_start_says_why(self) -> None:
        await self.open_file(
            FILE.replace("[upstreams.mine]", "[tunnel]\nexecutable = '/no'\n[upstreams.mine]")
        )
        form = {"csrf": await self.csrf()}
        started = await self.fetch("/dashboard/tunnel/start", "POST", form)
        self.assertIn(started.code, (303, 409), started.text)
        stopped = await self.fetch("/dashboard/tunnel/stop", "POST", form)
        self.assertEqual(stopped.code, 303)
        self.assertIn("The tunnel is stopped.", await self.page("/dashboard/system"))

    async def test_editor_shows_no_secret_and_keeps_them(self) -> None:
        await self.open_file()
        text, version = await self.editor()
        for secret in SECRETS:
            self.assertNotIn(secret, text)
        self.assertIn("# <script>", text)
        more = '\n[log]\nlevel = "warn"\n'
        done = await self.send("save", text + more, version)
        self.assertEqual(done.code, 303, done.text)
        self.assertEqual(self.file.read_text(), FILE + more)
        backup = self.file.with_name("antigravity.toml.backup")
        self.assertEqual(backup.read_text(), FILE)
        self.assertEqual(backup.stat().st_mode & 0o777, 0o600)
        assert self.gateway is not None
        self.assertEqual(self.gateway.settings.log.level, "warn")
        self.assertIn("written and in force", await self.page("/dashboard/configuration"))

    async def test_problem_is_shown_with_its_line_and_nothing_written(self) -> None:
        await self.open_file()
        text, version = await self.editor()
        for broken, reason in (
            (text.replace('kind = "openai"', 'kind = "openia"'), "Did you mean “openai”"),
            (text.replace('kind = "openai"', "kind = "), "not valid TOML"),
            (text.replace("[upstreams.mine]", "[upstream.mine]"), "upstream"),
            (f"{text}\n# {SCRIPT}\nx = [", "not valid TOML"),
        ):
            for action, status in (("check", 200), ("save", 409)):
                done = await self.send(action, broken, version)
                self.assertEqual(done.code, status, done.text)
                shown = unescape(done.text)
                self.assertIn(reason, shown)
                self.assertRegex(shown, r"line \d+|the file ends too early")
                self.assertNotIn("<script>alert", done.text)
                for secret in SECRETS:
                    self.assertNotIn(secret, shown)
        self.assertEqual(self.file.read_text(), FILE)

    async def test_valid_text_is_checked_without_writing(self) -> None:
        await self.open_file()
        text, version = await self.editor()
        done = await self.send("check", f"{text}\n# more\n", version)
        self.assertIn("can be used", done.text)
        self.assertIn("# more", done.text)
        self.assertEqual(self.file.read_text(), FILE)

    async def test_file_that_a_new_home_gets_can_be_edited(self) -> None:
        content = initial_text("sk-of-clients-1", ADMIN).replace("#port = 8045", "port = 0", 1)
        await self.open_file(content)
        text, version = await self.editor()
        done = await self.send("save", f"{text}\n# more\n", version)
        self.assertEqual(done.code, 303, done.text)
        self.assertTrue(self.file.read_text().endswith("\n# more\n"))

    async def test_file_that_changed_meanwhile_is_not_overwritten(self) -> None:
        await self.open_file()
        text, version = await self.editor()
        self.file.write_text(f"{FILE}\n# by somebody else\n")
        done = await self.send("save", f"{text}\n# mine\n", version)
        self.assertEqual(done.code, 409)
        self.assertIn("has been changed meanwhile", done.text)
        self.assertIn("by somebody else", self.file.read_text())

    async def test_configuration_that_the_gateway_refuses_is_put_back(self) -> None:
        await self.open_file()
        text, version = await self.editor()
        taken = f"tcp:{self.address.rpartition(':')[2]}:interface=127.0.0.1"
        wrong = text.replace("tcp:0:interface=127.0.0.1", taken)
        done = await self.send("save", wrong, version)
        self.assertEqual(done.code, 409, done.text)
        self.assertIn("the file is as before", unescape(done.text))
        self.assertEqual(self.file.read_text(), FILE)

    async def test_removing_authentication_by_omission_is_refused(self) -> None:
        await self.open_file(FILE.replace("api_key =", 'auth_mode = "strict"\napi_key =', 1))
        text, version = await self.editor()
        done = await self.send("save", text.replace('auth_mode = "strict"\n', ""), version)
        self.assertEqual(done.code, 409, done.text)
        self.assertIn("auth_mode", done.text)

    async def test_gateway_without_file_has_no_editor(self) -> None:
        await self.open()
        response = await self.fetch("/dashboard/configuration")
        self.assertEqual(response.code, 409)
        self.assertIn("no configuration file", response.text)
        self.assertIn("mode", await self.page("/dashboard/system"))

    async def test_changes_need_session_and_its_token(self) -> None:
        await self.open_file()
        paths = ("configuration/save", "configuration/check", "system/doctor", "tunnel/start")
        for path in paths:
            done = await self.fetch(f"/dashboard/{path}", "POST", {"csrf": "x"})
            self.assertEqual(done.code, 403, path)
        self.cookie = ""
        for path in (*paths,):
            done = await self.fetch(f"/dashboard/{path}", "POST", {"csrf": "x"})
            self.assertEqual(done.code, 401, path)


def test_plugins_are_described() -> None:
    host = PluginHost()
    host.load(installed=False)
    assert all(each.hooks for each in host.plugins())
