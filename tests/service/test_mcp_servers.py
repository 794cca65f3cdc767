"""Other MCP servers behind the gateway: programs that speak either family of revisions."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from antigravity.cli.main import antigravity
from antigravity.mcp.client import federated_server
from antigravity.processes import guarded
from antigravity.testing.gateway import start_gateway
from tests.support.conditions import eventually
from tests.support.processes import is_alive

STAND_IN = Path(__file__).parents[1] / "support" / "fake_stdio_server.py"
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
ADMIN = {"authorization": "Bearer sk-admin"}


class ServerTests(TestCase):
    """One gateway, with stand-ins for servers."""

    timeout = 120

    async def start(self, *how: str, more: str = "") -> None:
        """Start the gateway with a server ``a`` that behaves as ``how`` says."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.log: list[str] = []
        note = lambda event: self.log.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.patch(federated_server, "FIRST_PAUSE", 0.1)
        config = self.config(self.server("a", *how, more=more))
        self.gateway = await start_gateway(
            reactor, Path(self.mktemp()), config=config, simulated=False
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.gateway.stop()))

    def config(self, *servers: str) -> str:
        return '[proxy]\nadmin_key = "sk-admin"\n' + "".join(servers)

    def server(self, name: str, *how: str, more: str = "") -> str:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        arguments = json.dumps([str(STAND_IN), str(folder), *how])
        return (
            f"[mcp.servers.{name}]\ncommand = {json.dumps(sys.executable)}\n"
            f"args = {arguments}\nenv = {{ TOKEN = 'sk-very-secret' }}\n{more}\n"
        )

    async def status(self) -> dict[str, Any]:
        answer = await self.gateway.request("GET", "/admin/status", None, ADMIN)
        return {each["name"]: each for each in answer.json()["mcp"]["servers"]}

    async def until_ready(self, *names: str) -> None:
        deadline = time.monotonic() + 60
        while True:
            status = await self.status()
            if all(status[name]["state"] == "ready" for name in names or ("a",)):
                return
            assert time.monotonic() < deadline, (status, self.log[-20:])
            await deferLater(reactor, 0.02)

    async def tools(self) -> list[str]:
        result = await self.gateway.mcp("tools/list")
        return sorted(tool["name"] for tool in result["tools"])

    async def call(self, name: str, text: str = "") -> Any:
        params: dict[str, Any] = {"name": name, "arguments": {"text": text} if text else {}}
        return await self.gateway.mcp("tools/call", params)

    async def post(self, name: str, **more: Any) -> list[Any]:
        """Call a tool as a client that can be asked and wants to hear; return all messages."""
        meta = {
            f"{META}protocolVersion": MODERN,
            f"{META}clientCapabilities": {"elicitation": {}},
            **more.pop("meta", {}),
        }
        params = {"name": name, "arguments": {}, "_meta": meta, **more}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": MODERN,
            "mcp-method": "tools/call",
            "mcp-name": name,
        }
        answer = await self.gateway.request("POST", "/mcp", message, headers)
        streamed = "event-stream" in answer.headers["content-type"]
        return answer.chunks() if streamed else [answer.json()]

    def started(self, number: int = 0, name: str = "a") -> Any:
        file = self.folder / name / f"started-{number}"
        return json.loads(file.read_text()) if file.exists() else None


class BothFamilies:
    """Tests for servers of both families of revisions."""

    how: tuple[str, ...] = ()
    revision = ""

    async def test_tools_prompts_and_resources_are_offered(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        self.assertEqual((await self.status())["a"]["revision"], self.revision)
        listed = await self.gateway.mcp("tools/list")
        echo = next(tool for tool in listed["tools"] if tool["name"] == "a__echo")
        self.assertEqual(len(listed["tools"]), 10)
        self.assertEqual(echo["title"], "Echo")
        self.assertEqual(echo["annotations"], {"readOnlyHint": True})
        self.assertEqual(echo["icons"], [{"src": "https://x/icon.png"}])
        self.assertEqual(echo["_meta"], {"x": 1})
        self.assertIn("said", echo["outputSchema"]["properties"])
        called = await self.call("a__echo", "hello")
        self.assertEqual(called["content"], [{"type": "text", "text": "hello"}])
        self.assertEqual(called["structuredContent"], {"said": "hello"})
        self.assertEqual(called["_meta"]["y"], 2)
        prompts = await self.gateway.mcp("prompts/list")
        self.assertEqual(prompts["prompts"][0]["name"], "a__greet")
        params = {"name": "a__greet", "arguments": {"who": "Ada"}}
        prompt = await self.gateway.mcp("prompts/get", params)
        self.assertEqual(prompt["messages"][0]["content"]["text"], "Greet Ada.")
        for uri in ("stand-in://a", "stand-in://item/7"):
            read = await self.gateway.mcp("resources/read", {"uri": uri})
            self.assertEqual(read["contents"], [{"uri": uri, "text": f"This is {uri}."}])
        found = await self.gateway.mcp(
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "a__greet"},
                "argument": {"name": "who", "value": "A"},
            },
        )
        self.assertEqual(found["completion"]["values"], ["Ada", "Alan"])
        self.assertEqual(found["completion"]["total"], 7)

    async def test_errors_of_server_are_forwarded(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        failed = await self.call("a__fail")
        self.assertEqual(
            (failed["isError"], failed["content"][0]["text"]), (True, "It went wrong.")
        )
        refused = await self.call("a__refuse")
        self.assertEqual(
            (refused["isError"], refused["content"][0]["text"]), (True, "a: I will not.")
        )

    async def test_progress_is_forwarded(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        *progress, result = await self.post("a__steps", meta={"progressToken": "mine"})
        self.assertEqual(result["result"]["content"][0]["text"], "Done.")
        wanted = [
            {"progressToken": "mine", "progress": n, "total": 3, "message": f"s{n}"}
            for n in (1, 2, 3)
        ]
        self.assertEqual([told["params"] for told in progress], wanted)

    async def test_metadata_of_client_is_forwarded(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        (found,) = await self.post("a__meta", meta={"traceparent": "00-1", "x/y": 1})
        meta = json.loads(found["result"]["content"][0]["text"])
        self.assertEqual((meta["traceparent"], meta["x/y"]), ("00-1", 1))
        known = f"{META}clientCapabilities" in meta
        self.assertEqual(known, self.revision == MODERN)

    async def test_changed_lists_are_fetched_again(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        await self.call("a__grow")
        deadline = time.monotonic() + 60
        while "a__new10" not in await self.tools():
            assert time.monotonic() < deadline
            await deferLater(reactor, 0.02)

    async def test_server_that_exits_is_restarted(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        died = await self.call("a__die")
        self.assertTrue(died["isError"])
        self.assertIn("exit code 3", died["content"][0]["text"])
        self.assertIn("a__echo", await self.tools())  # clients keep what they know
        away = await self.call("a__echo", "x")
        if away["isError"]:
            self.assertIn("not connected", away["content"][0]["text"])
        await eventually(lambda: self.started(1), context=lambda: self.log[-20:])
        await self.until_ready()
        self.assertEqual((await self.call("a__echo", "again"))["isError"], False)

    async def test_disconnected_client_cancels_call(self: Any) -> None:
        await self.start(*self.how)
        await self.until_ready()
        calling = Deferred.fromCoroutine(self.call("a__wait"))
        calling.addErrback(lambda failure: None)
        await eventually(
            lambda: (self.folder / "a" / "waiting").exists(), context=lambda: self.log[-20:]
        )
        calling.cancel()
        await eventually(
            lambda: list((self.folder / "a").glob("cancelled-*")), context=lambda: self.log[-20:]
        )


class LegacyTests(BothFamilies, ServerTests):
    """A server with ``initialize``."""

    revision = "2025-06-18"

    async def test_requests_of_legacy_server_to_clients_are_refused(self) -> None:
        await self.start()
        await self.until_ready()
        said = (await self.call("a__ask"))["content"][0]["text"]
        self.assertEqual(json.loads(said)["code"], -32601)

    async def test_server_gets_configured_environment_only(self) -> None:
        os.environ["ANTIGRAVITY_TEST_LEAK"] = "1"
        self.addCleanup(os.environ.pop, "ANTIGRAVITY_TEST_LEAK")
        await self.start()
        await self.until_ready()
        started = self.started()
        self.assertEqual(started["environ"]["TOKEN"], "sk-very-secret")
        self.assertEqual(started["environ"]["PATH"], os.environ["PATH"])
        self.assertNotIn("ANTIGRAVITY_TEST_LEAK", started["environ"])
        self.assertTrue(started["cwd"].endswith("state/mcp/a"), started["cwd"])

    async def test_stderr_is_logged_without_secrets(self) -> None:
        await self.start("noisy")
        await self.until_ready()
        await self.call("a__env")
        await eventually(
            lambda: any("my token is" in line for line in self.log), context=lambda: self.log[-20:]
        )
        self.assertFalse([line for line in self.log if "sk-very-secret" in line])
        self.assertTrue([line for line in self.log if "my token is [redacted]" in line])

    async def test_request_is_not_repeated_after_server_exit(self) -> None:
        await self.start("fragile")
        await self.until_ready()
        self.assertIsNotNone(self.started(1))
        self.assertIsNone(self.started(2))

    async def test_only_configured_tools_are_offered(self) -> None:
        await self.start(more='tools = ["e*", "fail"]')
        await self.until_ready()
        self.assertEqual(await self.tools(), ["a__echo", "a__env", "a__fail"])


class ModernTests(BothFamilies, ServerTests):
    """A server of the stateless revision."""

    how = ("modern",)
    revision = "2026-07-28"

    async def test_requests_of_modern_server_to_clients_are_forwarded(self) -> None:
        await self.start("modern")
        await self.until_ready()
        (asked,) = await self.post("a__ask")
        self.assertEqual(asked["result"]["resultType"], "input_required")
        ((name, question),) = asked["result"]["inputRequests"].items()
        self.assertEqual(question["params"]["message"], "Who?")
        (told,) = await self.post(
            "a__ask",
            inputResponses={name: {"action": "accept", "content": {"name": "Ada"}}},
            requestState=asked["result"]["requestState"],
        )
        self.assertEqual(told["result"]["content"][0]["text"], "You are Ada.")

    async def test_client_without_capability_gets_error(self) -> None:
        await self.start("modern")
        await self.until_ready()
        with self.assertRaises(AssertionError) as caught:
            await self.call("a__ask")
        self.assertIn("elicitation/create", str(caught.exception))

    async def test_newest_common_revision_is_used(self) -> None:
        await self.start("both")
        await self.until_ready()
        self.assertEqual((await self.status())["a"]["revision"], "2026-07-28")


class LifeCycleTests(ServerTests):
    """Servers are started, stopped and never left running."""

    async def test_reload_restarts_changed_servers_only(self) -> None:
        await self.start()
        await self.until_ready()
        first = self.started()["pid"]
        await self.gateway.reload(self.config(self.server("a"), self.server("b", "modern")))
        await self.until_ready("a", "b")
        tools = await self.tools()
        self.assertIn("a__echo", tools)
        self.assertIn("b__echo", tools)
        self.assertIsNone(self.started(1))
        await self.gateway.reload(
            self.config(self.server("a", more='tools = ["echo"]'), self.server("b", "modern"))
        )
        await eventually(
            lambda: self.started(1) and not is_alive(first), context=lambda: self.log[-20:]
        )
        await self.until_ready("a", "b")
        self.assertEqual([t for t in await self.tools() if t[0] == "a"], ["a__echo"])
        self.assertIsNone(self.started(1, "b"))
        b = self.started(0, "b")["pid"]
        await self.gateway.reload(self.config(self.server("a", more='tools = ["echo"]')))
        self.assertEqual(await self.tools(), ["a__echo"])
        await eventually(lambda: not is_alive(b), context=lambda: self.log[-20:])
        await self.gateway.reload("[mcp]\nenabled = false\n")
        await eventually(
            lambda: not is_alive(self.started(1)["pid"]), context=lambda: self.log[-20:]
        )

    async def test_status_lists_servers(self) -> None:
        await self.start()
        await self.until_ready()
        port = self.gateway.url.rpartition(":")[2]
        file = self.folder / "antigravity.toml"
        file.write_text(f'[proxy]\nadmin_key = "sk-admin"\nport = {port}\n')
        said = await deferToThread(
            CliRunner().invoke, antigravity, ["status", "--config", str(file)]
        )
        line = next(line for line in said.output.splitlines() if line.startswith("a "))
        self.assertEqual(line.split(), ["a", "ready", "2025-06-18", "10", "-"])

    async def test_unavailable_server_delays_no_other(self) -> None:
        await self.start("silent", more="start_timeout = 300.0")
        began = time.monotonic()
        await self.gateway.reload(
            self.config(
                self.server("a", "silent", more="start_timeout = 300.0"),
                self.server("b"),
                '[mcp.servers.c]\nurl = "http://127.0.0.1:9/mcp"\n',
                '[mcp.servers.d]\ncommand = "/no/such/program"\n',
            )
        )
        await self.until_ready("b")
        self.assertEqual((await self.call("b__echo", "x"))["isError"], False)
        self.assertLess(time.monotonic() - began, 100)
        deadline = time.monotonic() + 60
        while True:
            status = await self.status()
            if status["c"]["reason"] and status["d"]["reason"]:
                break
            assert time.monotonic() < deadline, status
            await deferLater(reactor, 0.05)
        self.assertEqual(status["a"]["state"], "starting")
        self.assertIn("no server listens", status["c"]["reason"])
        self.assertIn("exit code 127", status["d"]["reason"])

    async def test_server_that_ignores_signals_is_killed_with_gateway(self) -> None:
        self.patch(guarded, "GRACE", 0.3)
        await self.start("deaf")
        await self.until_ready()
        pid = self.started()["pid"]
        await self.gateway.stop()
        await eventually(lambda: not is_alive(pid))

    async def test_silent_server_is_tried_again(self) -> None:
        await self.start("silent", more="start_timeout = 0.4")
        await eventually(lambda: self.started(1), context=lambda: self.log[-20:])
        self.assertTrue([line for line in self.log if "not connected" in line])

    async def test_call_is_limited_in_time(self) -> None:
        await self.start(more="timeout = 0.3")
        await self.until_ready()
        late = await self.call("a__wait")
        self.assertTrue(late["isError"])
        self.assertIn("0.3 seconds", late["content"][0]["text"])
        await eventually(
            lambda: list((self.folder / "a").glob("cancelled-*")), context=lambda: self.log[-20:]
        )
