"""A configuration that disappears while the gateway runs, or before its next start."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from antigravity.app.gateway import Gateway
from antigravity.app.process import ConfigurationReader
from antigravity.config.errors import ConfigurationError
from antigravity.config.home import prepare_home
from antigravity.config.last_run import LastRun, last_run_path, read_last_run, write_last_run
from antigravity.tap import Options

KEY = "sk-clients-0123456789"
ADMIN = "sk-operator-0123456789"
CLOSED = f"""\
[upstreams.first]
kind = "openai"
base_url = "http://127.0.0.1:1"
models = ["gpt-5.1"]

[proxy]
listen = ["tcp:0:interface=127.0.0.1"]
auth_mode = "strict"
api_key = "{KEY}"
admin_key = "{ADMIN}"
"""
ACCOUNT = {"kind": "openai", "secret": "sk-upstream-0123456789", "upstream": "first"}


def empty(file: Path) -> None:
    file.write_text("")


def only_comments(file: Path) -> None:
    file.write_text("\n# [proxy]\n# auth_mode = 'strict'\n\n")


def dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_name("nowhere.toml"))


def looped(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def endless(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def half_written(file: Path) -> None:
    file.write_text(CLOSED[: CLOSED.index("[proxy]")])


def without_proxy_table(file: Path) -> None:
    file.write_text('[log]\nlevel = "info"\n')


def without_mode(file: Path) -> None:
    file.write_text(CLOSED.replace('auth_mode = "strict"\n', "allow_lan_access = false\n"))


def broken_off_in_a_value(file: Path) -> None:
    file.write_text(CLOSED[: CLOSED.index("strict")])


def not_text(file: Path) -> None:
    file.write_bytes(b"\0" * len(CLOSED))


DAMAGES: tuple[Callable[[Path], None], ...] = (
    Path.unlink,
    empty,
    only_comments,
    dangling,
    looped,
    folder,
    pipe,
    endless,
    half_written,
    without_proxy_table,
    without_mode,
    broken_off_in_a_value,
    not_text,
)


class MissingConfigurationTests(TestCase):
    """A gateway that demands a key, and whose files are damaged."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        (self.home / "accounts").mkdir(parents=True)
        self.account = self.home / "accounts" / "first-1.json"
        self.account.write_text(json.dumps(ACCOUNT))
        self.file = self.home / "antigravity.toml"

    async def start(self, *options: str) -> None:
        self.file.write_text(CLOSED)
        parsed = Options()
        parsed.parseOptions(["--home", str(self.home), *options])
        self.reader = ConfigurationReader(parsed)
        self.reader.prepare()
        first = self.reader.read()
        self.gateway = Gateway(
            reactor,
            first.settings,
            self.home,
            first.plugins,
            source=first.source,
            configure=self.reader.read,
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    async def ask(self, path: str, key: str = "") -> tuple[int, Any]:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = f"http://127.0.0.1:{port}{path}"
        response = await treq.get(url, headers=headers, persistent=False)
        return response.code, json.loads(await response.content())

    async def check_unchanged(self) -> None:
        """Check that a reload fails, says so, and leaves everything as it was."""
        with self.assertRaises(ConfigurationError):
            await self.gateway.reload()
        self.assertEqual((await self.ask("/v1/models"))[0], 401)
        code, models = await self.ask("/v1/models", KEY)
        self.assertEqual((code, [each["id"] for each in models["data"]]), (200, ["gpt-5.1"]))
        _, status = await self.ask("/admin/status", ADMIN)
        self.assertTrue(status["configuration"]["problem"])
        _, ready = await self.ask("/readyz", KEY)
        self.assertEqual((ready["ready"], ready.get("configuration_current")), (True, False))

    async def test_damaged_configuration_changes_nothing(self) -> None:
        await self.start()
        for damage in DAMAGES:
            damage(self.file)
            await self.check_unchanged()
            last = read_last_run(self.home)
            assert last is not None
            self.assertEqual((last.file, last.auth_mode), (str(self.file), "strict"), damage)
            self.assertTrue(last.problem)
            shutil.rmtree(self.file) if self.file.is_dir() else self.file.unlink(missing_ok=True)
            self.file.write_text(CLOSED)
            with capturedLogs() as events:
                await self.gateway.reload()
            lines = [formatEvent(event) for event in events]
            self.assertIn("the configuration can be used again", lines)
            self.assertNotIn("configuration_current", (await self.ask("/readyz", KEY))[1])

    async def test_damaged_file_of_option_changes_nothing(self) -> None:
        other = self.home.with_name(f"{self.home.name}.toml")
        other.write_text(CLOSED)
        await self.start("--config", str(other))
        for damage in DAMAGES:
            damage(other)
            await self.check_unchanged()
            shutil.rmtree(other) if other.is_dir() else other.unlink(missing_ok=True)
            other.write_text(CLOSED)

    async def test_missing_home_changes_nothing_and_is_not_created(self) -> None:
        await self.start()
        self.home.rename(self.home.with_name("elsewhere"))
        await self.check_unchanged()
        self.assertFalse(self.file.exists())

    async def test_accounts_stay_without_their_folder(self) -> None:
        await self.start()
        folder = self.account.parent
        folder.rename(folder.with_name("elsewhere"))
        await self.check_unchanged()
        folder.symlink_to(folder.with_name("nowhere"))
        await self.check_unchanged()
        folder.unlink()
        folder.write_text("")
        await self.check_unchanged()

    async def test_account_stays_with_damaged_file_and_leaves_with_removed_file(self) -> None:
        await self.start()
        for damage in (empty, dangling, looped, folder, pipe, endless, broken_json):
            damage(self.account)
            await self.gateway.reload()
            self.assertTrue((await self.ask("/readyz", KEY))[1]["upstreams"]["first"], damage)
            if self.account.is_dir():
                self.account.rmdir()
            else:
                self.account.unlink()
            self.account.write_text(json.dumps(ACCOUNT))
        self.account.unlink()
        await self.gateway.reload()
        self.assertEqual((await self.ask("/readyz", KEY))[0], 503)

    async def test_configuration_without_key_opens_gateway(self) -> None:
        await self.start()
        self.file.write_text(CLOSED.replace('"strict"', '"off"'))
        await self.gateway.reload()
        self.assertEqual((await self.ask("/v1/models"))[0], 200)
        last = read_last_run(self.home)
        assert last is not None
        self.assertEqual(last.auth_mode, "off")

    async def test_unreadable_file_changes_nothing(self) -> None:
        await self.start()
        self.file.chmod(0)
        if os.access(self.file, os.R_OK):
            return  # whoever runs this may read everything
        await self.check_unchanged()


def broken_json(file: Path) -> None:
    file.write_text(json.dumps(ACCOUNT)[:20])


class StartTests(SynchronousTestCase):
    """A start after a run that demanded a key."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.file = self.home / "antigravity.toml"
        write_last_run(self.home, LastRun(str(self.file), "strict"))

    def read(self, *options: str) -> Any:
        parsed = Options()
        parsed.parseOptions(["--home", str(self.home), *options])
        reader = ConfigurationReader(parsed)
        reader.prepare()
        return reader.read()

    def test_start_fails_with_missing_or_empty_file(self) -> None:
        for make in (lambda file: None, empty, only_comments):
            make(self.file)
            with self.assertRaises(ConfigurationError) as caught:
                self.read()
            self.assertIn(str(last_run_path(self.home)), str(caught.exception))
            self.file.unlink(missing_ok=True)

    def test_start_fails_with_dangling_link(self) -> None:
        self.file.symlink_to("nowhere")
        with self.assertRaises(ConfigurationError):
            self.read()

    def test_start_with_settings_follows_them(self) -> None:
        self.file.write_text("[log]\naccess = false\n")
        self.assertEqual(self.read().settings.proxy.auth_mode, "auto")

    def test_start_after_open_run_creates_file(self) -> None:
        write_last_run(self.home, LastRun(str(self.file), "off"))
        self.assertTrue(self.read().settings.proxy.api_key)
        self.assertTrue(self.file.exists())

    def test_start_succeeds_once_the_marker_is_removed(self) -> None:
        last_run_path(self.home).unlink()
        self.assertTrue(prepare_home(self.home))

    def test_start_fails_with_missing_file_of_option(self) -> None:
        with self.assertRaises(ConfigurationError):
            self.read("--config", str(self.home / "missing.toml"))

    def test_start_fails_with_file_as_home(self) -> None:
        last_run_path(self.home).unlink()
        last_run_path(self.home).parent.rmdir()
        self.home.rmdir()
        self.home.write_text("")
        with self.assertRaises(OSError):
            self.read()
