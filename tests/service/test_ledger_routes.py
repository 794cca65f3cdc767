"""Every route of every protocol, every call of a tool and every internal request has a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from antigravity.hookspecs import hookimpl
from antigravity.interfaces.ledger import RequestQuestion, UsageQuestion
from antigravity.interfaces.mcp_values import TaskSupport, ToolError
from antigravity.ir.call import READS, Route
from antigravity.ledger.answers import answer_usage
from antigravity.ledger.reader import Reader
from antigravity.ledger.sqlite import SqliteDatabase
from antigravity.mcp.function_objects import Tool
from antigravity.testing.gateway import start_gateway
from antigravity.testing.responses import GatewayResponse
from tests.service.socket_fixture import MODEL as SOCKET_MODEL
from tests.service.socket_fixture import SocketClient

reactor: Any = default_reactor
CHAT: Final = "demo-openai/gpt-5.1"
CLAUDE: Final = "demo-anthropic/claude-sonnet-4-5"
GEMINI: Final = "demo-gemini_api/gemini-2.5-flash"
STRICT: Final = '[proxy]\nauth_mode = "strict"\napi_key = "sk-right"\n'
BOUNDARY: Final = "limit"
USER: Final = [{"role": "user", "content": "hi"}]
CONTENTS: Final = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
EMBED: Final = {"content": {"parts": [{"text": "hi"}]}}
#: The headers by which clients of shared paths are told apart.
HEADERS: Final[Mapping[str, dict[str, str]]] = {
    "anthropic": {"anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "any"},
}
#: A file of a second of silence.
WAV: Final = (
    b"RIFF\x64\x3e\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00"
    b"\x01\x00\x08\x00data\x40\x1f\x00\x00" + b"\x80" * 8000
)
PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000"
    "01f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class Sample(Struct, frozen=True):
    """A request for one kind of route: the model in its path, and its body."""

    body: Any = None
    model: str = ""
    content_type: str = "application/json"


def form(file: bytes, name: str, **fields: str) -> Sample:
    """Return a request with a form."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    kind = "image" if name.endswith("png") else "file"
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{kind}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + file
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    return Sample(b"".join(parts), content_type=f"multipart/form-data; boundary={BOUNDARY}")


SPEECH: Final = {"model": "demo-openai/gpt-4o-mini-tts", "input": "hi", "voice": "alloy"}
#: A request for every kind of route: the protocol, what it does, and its tag.
SAMPLES: Final[Mapping[tuple[str, str, str], Sample]] = {
    ("openai_chat", "generate", ""): Sample({"model": CHAT, "messages": USER}),
    ("openai_completions", "generate", ""): Sample({"model": CHAT, "prompt": "hi"}),
    ("openai_responses", "generate", ""): Sample({"model": CHAT, "input": "hi"}),
    ("openai_responses", "generate", "compact"): Sample({"model": CHAT, "input": USER}),
    ("openai_responses", "count_tokens", ""): Sample({"model": CHAT, "input": "hi"}),
    ("openai_images", "generate", ""): Sample(
        {"model": "demo-openai/gpt-image-1", "prompt": "a cat"}
    ),
    ("openai_image_edits", "generate", ""): form(
        PNG, "a.png", model="demo-openai/gpt-image-1", prompt="a cat"
    ),
    ("openai_transcriptions", "generate", ""): form(WAV, "a.wav", model="demo-openai/whisper-1"),
    ("openai_translations", "generate", ""): form(WAV, "a.wav", model="demo-openai/whisper-1"),
    ("openai_speech", "generate", ""): Sample(SPEECH),
    ("openai_embeddings", "embed", ""): Sample(
        {"model": "demo-openai/text-embedding-3-small", "input": "hi"}
    ),
    ("anthropic", "generate", ""): Sample({"model": CLAUDE, "max_tokens": 9, "messages": USER}),
    ("anthropic", "count_tokens", ""): Sample({"model": CLAUDE, "messages": USER}),
    ("gemini", "generate", "whole"): Sample(CONTENTS, GEMINI),
    ("gemini", "generate", "stream"): Sample(CONTENTS, GEMINI),
    ("gemini", "count_tokens", ""): Sample(CONTENTS, GEMINI),
    ("gemini_embeddings", "embed", ""): Sample(EMBED, "demo-gemini_api/gemini-embedding-001"),
    ("gemini_embeddings", "embed", "batch"): Sample(
        {"requests": [{"model": "models/gemini-embedding-001", **EMBED}]},
        "demo-gemini_api/gemini-embedding-001",
    ),
    ("gemini_interactions", "generate", ""): Sample({"model": GEMINI, "input": "hi"}),
    ("imagen", "generate", ""): Sample(
        {"instances": [{"prompt": "a cat"}]}, "demo-gemini_api/imagen-4.0-generate-001"
    ),
}
#: Protocols whose providers report no usage.
WITHOUT_USAGE: Final = ("imagen", "openai_speech")
#: Operations whose requests need no sample of their own.
WITHOUT_SAMPLE: Final = READS


def path_of(route: Route, model: str, response_id: str) -> str:
    """Return a path of ``route``."""
    return route.path.replace("{model...}", model).replace("{id}", response_id)


class Plugin:
    """Some tools."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []

    @hookimpl
    def register_mcp_tools(self, register: Callable[[object], None]) -> None:
        register(Tool("greet", "Greets.", lambda arguments, context: "hello"))
        register(Tool("fail", "Fails.", self._fail))
        register(Tool("wait", "Waits.", self._wait))
        register(Tool("ask", "Asks.", self._ask))
        register(Tool("task", "Works.", self._wait, task_support=TaskSupport()))

    def _fail(self, arguments: Any, context: Any) -> Any:
        raise ToolError("a text of the tool")

    def _wait(self, arguments: Any, context: Any) -> Deferred[Any]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    async def _ask(self, arguments: Any, context: Any) -> str:
        return str((await context.elicit("Who?", {"type": "object"}))["action"])


class RowCase(TestCase):
    """A gateway with a simulator of every kind of upstream, and its ledger."""

    timeout = 60

    async def start(self, config: str = "") -> None:
        self.plugin = Plugin()
        self.running = await start_gateway(
            reactor, Path(self.mktemp()), plugins=[("mine", self.plugin)], config=config
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.running.stop()))

    async def ask_ledger(self, question: Callable[[Any], Any]) -> Any:
        gateway = self.running._gateway
        assert gateway is not None
        ledger = gateway.ledger.ledger
        assert ledger is not None
        await ledger.flush()
        return await ledger.ask(question)

    async def rows(self) -> list[dict[str, Any]]:
        """Return all rows, newest first."""
        found: list[dict[str, Any]] = await self.ask_ledger(
            lambda reader: reader.requests(RequestQuestion(limit=500))[0]
        )
        return found

    async def row(self) -> dict[str, Any]:
        """Return the newest row."""
        return (await self.rows())[0]

    async def send(self, protocol: str, route: Route, sample: Sample, id_: str) -> GatewayResponse:
        headers = {"content-type": sample.content_type} if sample.body is not None else {}
        body = sample.body
        path = path_of(route, sample.model or "gpt-5.1", id_)
        return await self.running.request(
            route.method, path, body, {**headers, **HEADERS.get(protocol, {})}
        )

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            await self.pause()

    async def pause(self) -> None:
        pausing: Deferred[None] = Deferred()
        reactor.callLater(0.01, pausing.callback, None)
        await pausing


class RouteTests(RowCase):
    async def test_every_route_has_a_row(self) -> None:
        await self.start()
        missing: list[str] = []
        for server in self.running.plugins.registry.all_servers:
            for route in server.routes:
                kind = (server.name, route.operation, route.tag)
                sample = SAMPLES.get(kind)
                if sample is None and route.operation not in WITHOUT_SAMPLE:
                    missing.append(f"{kind} has no sample here")
                    continue
                before = len(await self.rows())
                response = await self.send(server.name, route, sample or Sample(), "none")
                rows = await self.rows()
                problem = self.problem(server.name, route, response, rows[: len(rows) - before])
                if problem:
                    missing.append(f"{server.name} {route.method} {route.path}: {problem}")
        self.assertEqual(missing, [])

    def problem(self, protocol: str, route: Route, response: GatewayResponse, rows: Any) -> str:
        """Return what is wrong with the rows of one request, empty if nothing is."""
        if len(rows) != 1:
            return f"{len(rows)} rows after {response.status}"
        (row,) = rows
        outcome = "ok" if response.status < 400 else "error"
        found = (row["protocol"], row["operation"], row["outcome"], row["status"])
        if found != (protocol, route.operation, outcome, response.status):
            return f"{found} after {response.status}"
        if row["id"] != response.headers["x-request-id"]:
            return f"the row of {row['id']}"
        if route.operation in READS:
            return ""
        if response.status != 200:
            return f"{response.status}: {response.body[:300]!r}"
        if not row["model"] or not row["served_model"]:
            return "no model"
        if route.operation == "count_tokens":
            return ""
        if not row["upstream"].startswith("demo-") or not row["account"]:
            return f"upstream {row['upstream']!r}, account {row['account']!r}"
        if not row["input"] + row["cached"] and protocol not in WITHOUT_USAGE:
            return "no usage"
        return "" if row["duration"] > 0 and row["first_byte"] is not None else "no times"

    async def test_stored_responses_have_rows(self) -> None:
        await self.start()
        made = await self.running.request(
            "POST", "/v1/responses", {"model": CLAUDE, "input": "hi", "store": True}
        )
        path = f"/v1/responses/{made.json()['id']}"
        for method, end in (("GET", ""), ("GET", "/input_items"), ("DELETE", "")):
            response = await self.running.request(method, path + end)
            self.assertEqual(response.status, 200, response.body)
            row = await self.row()
            self.assertEqual((row["operation"], row["outcome"]), ("stored", "ok"))
            self.assertEqual(row["id"], response.headers["x-request-id"])

    async def test_reads_are_in_no_sum(self) -> None:
        await self.start()
        for path in ("/v1/models", "/v1/models/none"):
            await self.running.request("GET", path)
        await self.running.request(
            "POST", "/v1/chat/completions", {"model": CHAT, "messages": USER}
        )
        self.assertEqual(len(await self.rows()), 3)
        for by in ("", "model", "hour", "day,model"):
            usage = await self.ask_ledger(
                lambda reader, by=by: answer_usage(reader, UsageQuestion(by=by))
            )
            self.assertEqual((usage.total.requests, usage.total.errors), (1, 0), by)

    async def test_unreadable_and_unserved_requests_have_rows(self) -> None:
        await self.start()
        for body, status in (
            (b"{", 400),
            (b"[]", 400),
            (b"", 400),
            (b'{"messages": []}', 400),
            (b'{"model": 7}', 400),
            (b'{"model": "' + b"x" * 5000 + b'", "messages": []}', 400),
            (b"[" * 100_000, 400),
        ):
            response = await self.running.request("POST", "/v1/chat/completions", body)
            row = await self.row()
            self.assertEqual(response.status, status, body[:20])
            self.assertEqual((row["outcome"], row["status"]), ("error", status), body[:20])
            self.assertEqual(row["id"], response.headers["x-request-id"])
            self.assertTrue(row["error_kind"])

    async def test_counts_that_the_upstream_refuses_are_errors(self) -> None:
        await self.start()
        body = {"model": CLAUDE, "messages": [{"role": "user", "content": "[[error 400]] hi"}]}
        response = await self.running.request(
            "POST", "/v1/messages/count_tokens", body, HEADERS["anthropic"]
        )
        row = await self.row()
        outcome = "ok" if response.status == 200 else "error"
        self.assertEqual((row["outcome"], row["status"]), (outcome, response.status))

    async def test_refused_requests_are_counted_and_have_no_row(self) -> None:
        await self.start(STRICT)
        body = {"model": CHAT, "messages": USER}
        self.assertEqual(
            (await self.running.request("POST", "/v1/chat/completions", body)).status, 401
        )
        right = {"x-api-key": "sk-right"}
        self.assertEqual((await self.running.request("GET", "/nowhere", None, right)).status, 404)
        self.assertEqual((await self.running.request("PUT", "/v1/models", b"", right)).status, 405)
        self.assertEqual(await self.rows(), [])
        refused = await self.ask_ledger(lambda reader: reader.refusals(0, 2**40))
        self.assertEqual(
            refused, {"invalid_api_key": 1, "path_not_found": 1, "NoSuchMethodError": 1}
        )

    async def test_turns_over_websocket_have_rows(self) -> None:
        await self.start()
        host, _, port = self.running.url.removeprefix("http://").partition(":")
        endpoint = TCP4ClientEndpoint(reactor, host, int(port))
        client = await connectProtocol(endpoint, SocketClient(self.running.url))
        await client.when(lambda: client.status or None)
        client.create(input="hi", generate=False)
        await client.reply()
        for _ in range(2):
            client.create(input="hi")
            self.assertEqual((await client.reply())["type"], "response.completed")
        client.create(input="hi", model="no-such-model")
        await client.reply()
        client.transport.loseConnection()
        await client.lost
        rows = await self.rows()
        self.assertEqual(
            [(row["model"], row["outcome"]) for row in rows],
            [("no-such-model", "error"), *[(SOCKET_MODEL, "ok")] * 3],
        )
        self.assertEqual({row["protocol"] for row in rows}, {"openai_responses"})


class ToolCallTests(RowCase):
    async def test_calls_of_tools_have_rows(self) -> None:
        await self.start()
        await self.running.mcp("tools/list")
        await self.running.mcp("tools/call", {"name": "greet"})
        await self.running.mcp("tools/call", {"name": "fail"})
        with self.assertRaises(AssertionError):
            await self.running.mcp("tools/call", {"name": "none"})
        unknown, failed, greeted = await self.rows()
        self.assertEqual(
            {key: greeted[key] for key in ("protocol", "operation", "model", "served_model")},
            {
                "protocol": "mcp",
                "operation": "call_tool",
                "model": "greet",
                "served_model": "greet",
            },
        )
        self.assertEqual((greeted["outcome"], greeted["client"]), ("ok", "antigravity.testing"))
        self.assertEqual((failed["outcome"], failed["error_kind"]), ("error", "ToolError"))
        self.assertNotIn("a text of the tool", json.dumps(failed))
        self.assertEqual((unknown["outcome"], unknown["status"]), ("error", 400))
        self.assertEqual(unknown["served_model"], "")

    async def test_call_that_asks_the_client_has_a_row_for_each_round(self) -> None:
        await self.start()
        form = {"elicitation": {}}
        await self.running.mcp("tools/call", {"name": "ask"}, capabilities=form)
        (row,) = await self.rows()
        self.assertEqual((row["model"], row["outcome"], row["error"]), ("ask", "ok", None))

    async def test_cancelled_call_has_a_row(self) -> None:
        await self.start()
        calling = Deferred.fromCoroutine(self.running.mcp("tools/call", {"name": "wait"}))
        calling.addErrback(lambda failure: None)
        await self.until(lambda: self.plugin.waiting)
        calling.cancel()
        await self.until(lambda: self.plugin.waiting[0].called)
        row = await self.row()
        self.assertEqual((row["outcome"], row["status"]), ("cancelled", None))

    async def test_task_has_a_row_when_it_ends(self) -> None:
        await self.start()
        extension = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
        await self.running.mcp("tools/call", {"name": "task"}, capabilities=extension)
        self.assertEqual(await self.rows(), [])
        self.plugin.waiting[0].callback("done")
        row = await self.row()
        self.assertEqual((row["model"], row["outcome"]), ("task", "ok"))

    async def test_call_that_takes_too_long_has_a_row(self) -> None:
        await self.start("[mcp]\ncall_timeout = 0.05\n")
        await self.running.mcp("tools/call", {"name": "wait"})
        row = await self.row()
        self.assertEqual((row["outcome"], row["error_kind"]), ("error", "DeadlineError"))

    async def test_call_to_another_server_names_it(self) -> None:
        await self.start()
        far = await start_gateway(
            reactor, Path(self.mktemp()), plugins=[("far", Plugin())], simulated=False
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(far.stop()))
        await self.running.reload(f'[mcp.servers.far]\nurl = "{far.url}/mcp"\n')
        while "far__greet" not in str(await self.running.mcp("tools/list")):
            await self.pause()
        await self.running.mcp("tools/call", {"name": "far__greet"})
        row = await self.row()
        self.assertEqual(
            (row["model"], row["upstream"], row["outcome"]), ("far__greet", "mcp:far", "ok")
        )


class RawClient(Protocol):
    """A client that can break off its connection at any time."""

    received = b""

    def post(self, body: Any) -> None:
        """Send a request for a chat completion."""
        data = json.dumps(body).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self.transport.write(head.encode() + data)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.received += data


class EndTests(RowCase):
    """How requests end."""

    def post(self, text: str, **more: Any) -> Deferred[GatewayResponse]:
        body = {"model": CHAT, "messages": [{"role": "user", "content": text}], **more}
        return Deferred.fromCoroutine(
            self.running.request("POST", "/v1/chat/completions", body, {"x-session-id": "s"})
        )

    async def upstream_asked(self) -> None:
        """Wait until the upstream has a request."""
        await self.until(lambda: any("/v1/" in each.path for each in self.running.simulator.log))

    async def test_request_that_its_client_leaves_has_a_row(self) -> None:
        await self.start()
        cases = (
            ("[[ttft 20s]] hi", False),
            ("[[ttft 20s]] hi", True),
            ("[[stall 1]] hi there", True),
        )
        for number, (text, stream) in enumerate(cases):
            self.running.simulator.log.clear()
            client = await self.connected()
            user = [{"role": "user", "content": text}]
            client.post({"model": CHAT, "messages": user, "stream": stream})
            await self.upstream_asked()
            if text.startswith("[[stall"):
                await self.until(lambda client=client: b"data:" in client.received)
            client.transport.abortConnection()  # type: ignore[union-attr]
            await self.until_rows(number + 1)
            row = await self.row()
            found = (row["outcome"], row["error_kind"])
            self.assertEqual(found, ("cancelled", "CancelledByClientError"), text)
            self.assertTrue(row["account"])

    async def connected(self) -> RawClient:
        """Return a client that is connected."""
        host, _, port = self.running.url.removeprefix("http://").partition(":")
        return await connectProtocol(TCP4ClientEndpoint(reactor, host, int(port)), RawClient())

    async def test_request_that_fails_everywhere_has_a_row_with_attempts(self) -> None:
        await self.start("[proxy.scheduling]\nmax_wait_seconds = 0\n")
        response = await self.post("[[error 400]] hi")
        row = await self.row()
        self.assertEqual((row["outcome"], row["status"]), ("error", response.status))
        found = await self.ask_ledger(lambda reader: reader.request(row["id"]))
        self.assertEqual(found["attempts"][0]["status"], 400)

    async def test_request_that_breaks_off_has_a_row(self) -> None:
        await self.start()
        await self.post("[[cut 1]] hi there, how are you?", stream=True)
        row = await self.row()
        self.assertEqual((row["outcome"], bool(row["error"])), ("error", True))

    async def test_intercepted_warmup_has_a_row(self) -> None:
        await self.start()
        body = {
            "model": CLAUDE,
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "Warmup"}],
        }
        headers = {**HEADERS["anthropic"], "user-agent": "claude-cli/2.1.0", "x-app": "cli"}
        response = await self.running.request("POST", "/v1/messages", body, headers)
        row = await self.row()
        self.assertEqual(
            (response.status, row["outcome"], row["client"]), (200, "ok", "claude-code")
        )
        self.assertIn("warmup:", row["intercepted"])

    async def test_requests_that_the_shutdown_ends_have_rows(self) -> None:
        await self.start("[proxy]\nshutdown_grace = 0.1\n")
        sent = self.post("[[stall 1]] hi there", stream=True)
        calling = Deferred.fromCoroutine(self.running.mcp("tools/call", {"name": "wait"}))
        for each in (sent, calling):
            each.addBoth(lambda result: None)
        await self.upstream_asked()
        await self.until(lambda: self.plugin.waiting)
        gateway = self.running._gateway
        assert gateway is not None
        assert gateway.ledger.ledger is not None
        path = gateway.ledger.ledger.path
        await gateway.stopService()
        reader = Reader(SqliteDatabase(path))
        rows = reader.requests(RequestQuestion())[0]
        reader.close()
        self.assertEqual(
            {(row["protocol"], row["outcome"], row["error_kind"]) for row in rows},
            {
                ("openai_chat", "error", "UnavailableError"),
                ("mcp", "error", "UnavailableError"),
            },
        )

    async def until_rows(self, count: int) -> None:
        while len(await self.rows()) < count:
            await self.pause()
