"""``antigravity mcp`` as a program on standard input and output."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from antigravity.testing.gateway import start_gateway

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {}},
}
TALK = (
    INITIALIZE,
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "ping"},
    {"jsonrpc": "2.0", "id": 3, "method": "tools/list"},
)
STRICT = '[proxy]\nauth_mode = "strict"\napi_key = "sk-right"\n'


def bridge(*options: str, lines: Any = TALK, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ANTIGRAVITY_")}
    return subprocess.run(
        [sys.executable, "-m", "antigravity", "mcp", *options],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        env={**clean, **environ},
    )


class BridgeTests(TestCase):
    """A gateway, and the command in a process of its own."""

    timeout = 120

    async def start(self, config: str = "") -> None:
        self.home = Path(self.mktemp())
        self.gateway = await start_gateway(reactor, self.home, config=config, simulated=False)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))
        self.url = f"{self.gateway.url}/mcp"

    async def run_bridge(self, *options: str, **more: Any) -> Any:
        return await deferToThread(lambda: bridge(*options, **more))

    async def test_bridge_forwards_lines_and_exits_cleanly(self) -> None:
        await self.start()
        done = await self.run_bridge("--url", self.url)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answers = {m["id"]: m for m in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(answers[1]["result"]["protocolVersion"], "2025-06-18")
        self.assertEqual(answers[2]["result"], {})
        self.assertEqual(answers[3]["result"]["tools"], [])

    async def test_bridge_uses_the_key_of_the_environment(self) -> None:
        await self.start(STRICT)
        done = await self.run_bridge("--url", self.url, ANTIGRAVITY_KEY="sk-right")
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertNotIn("sk-right", done.stdout + done.stderr)

    async def test_bridge_reports_wrong_key_without_showing_it(self) -> None:
        await self.start(STRICT)
        done = await self.run_bridge("--url", self.url, "--key", "sk-wrong", lines=[INITIALIZE])
        self.assertEqual(done.returncode, 0)
        self.assertIn("rejected the key", json.loads(done.stdout)["error"]["message"])
        self.assertIn("rejected the key", done.stderr)
        self.assertNotIn("sk-wrong", done.stdout + done.stderr)

    async def test_bridge_uses_address_and_key_of_the_configuration(self) -> None:
        await self.start(STRICT)
        port = self.gateway.url.rpartition(":")[2]
        home = Path(self.mktemp())
        home.mkdir()
        (home / "antigravity.toml").write_text(f"{STRICT}port = {port}\n")
        done = await self.run_bridge("--home", str(home))
        self.assertEqual(len(done.stdout.splitlines()), 3, done.stderr)
        # To another address it does not go.
        done = await self.run_bridge("--home", str(home), "--url", self.url, lines=[INITIALIZE])
        self.assertIn("rejected the key", done.stderr)

    async def test_bridge_without_gateway_answers_requests_with_errors(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            done = await self.run_bridge("--url", f"http://127.0.0.1:{port}/mcp")
        self.assertEqual(done.returncode, 0)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(sorted(m["id"] for m in found), [1, 2, 3])
        self.assertTrue(all("no server listens" in m["error"]["message"] for m in found))

    async def test_bridge_refuses_invalid_address(self) -> None:
        done = await self.run_bridge("--url", "gateway")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--url", done.stderr)

    async def test_bridge_exits_when_the_client_stops_reading(self) -> None:
        await self.start()

        def run() -> int:
            process = subprocess.Popen(
                [sys.executable, "-m", "antigravity", "mcp", "--url", self.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
            process.stdin.flush()
            code = process.wait(30)
            process.stdin.close()
            self.assertNotIn(b"Traceback", process.stderr.read())
            process.stderr.close()
            return code

        self.assertEqual(await deferToThread(run), 0)
