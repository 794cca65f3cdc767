"""The admin API shows the installation, and edits the configuration file."""

from __future__ import annotations

import json
from typing import Any

import treq

from tests.service.dashboard_fixture import ADMIN, FILE, SECRETS, FileCase


class AdminSystemTests(FileCase):
    async def call(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        response = await treq.request(
            method,
            f"{self.address}/admin/{path}",
            headers={"x-api-key": ADMIN},
            data=None if body is None else json.dumps(body).encode(),
            persistent=False,
        )
        text = await response.text()
        self.assertEqual(response.code, status, text)
        for secret in SECRETS:
            self.assertNotIn(secret, text)
        return json.loads(text)

    async def test_configuration_is_edited_by_its_text(self) -> None:
        await self.open_file()
        found = await self.call("GET", "configuration/text")
        changed = {**found, "text": found["text"] + "\n[log]\naccess = false\n"}
        checked = await self.call("POST", "configuration/check", changed)
        self.assertTrue(checked["valid"])
        done = await self.call("PUT", "configuration/text", changed)
        self.assertTrue(done["backup"].endswith("antigravity.toml.backup"))
        self.assertEqual(self.file.read_text(), FILE + "\n[log]\naccess = false\n")
        again = await self.call("PUT", "configuration/text", changed, status=409)
        self.assertEqual(again["error"]["code"], "configuration_changed")
        settings = (await self.call("GET", "configuration"))["settings"]
        access = next(each for each in settings if each["key"] == "log.access")
        self.assertEqual(access["value"], False)
        self.assertIn("antigravity.toml:", access["source"])

    async def test_problem_names_its_line(self) -> None:
        await self.open_file()
        found = await self.call("GET", "configuration/text")
        wrong = {**found, "text": found["text"].replace("listen = [", "port = -1\nlisten = [")}
        (problem,) = (await self.call("POST", "configuration/check", wrong))["problems"]
        self.assertEqual((problem["key"], problem["line"]), ("proxy.port", 5))
        refused = await self.call("PUT", "configuration/text", wrong, status=409)
        self.assertIn("line 5", refused["error"]["message"])
        self.assertEqual(self.file.read_text(), FILE)

    async def test_system_is_described(self) -> None:
        await self.open_file()
        report = await self.call("GET", "system")
        self.assertGreater(report["uptime"], 0)
        self.assertEqual(report["listeners"], [self.address.removeprefix("http://")])
        self.assertIn("antigravity.toml", [each["name"] for each in report["storage"]])
        self.assertIn("openai", [each["name"] for each in report["plugins"]])
        doctor = await self.call("POST", "doctor")
        self.assertIn("python", [each["name"] for each in doctor["findings"]])
