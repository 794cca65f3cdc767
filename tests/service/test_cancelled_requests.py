"""The operator cancels running requests; their clients see a clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseDone

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.hookspecs import hookimpl
from antigravity.ir.record import ExchangeRecord
from antigravity.plugins import PluginHost
from tests.service.stream_fixture import MODELS, Reader, asked

reactor: Any = default_reactor
KEY = "sk-admin"
REASON = "has cancelled this request"
PROTOCOLS = ("chat", "responses", "anthropic", "gemini")


class Observer:
    """A plugin that keeps records of finished exchanges."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    @hookimpl
    def exchange_finished(self, record: ExchangeRecord) -> None:
        self.records.append(record)


def texts(data: bytes) -> list[int]:
    """Return the sizes of the texts of the choices in a stream of chat completions."""
    sizes: dict[int, int] = {}
    for line in data.split(b"\n\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line.removeprefix(b"data: ")).get("choices", ()):
                text = choice["delta"].get("content") or ""
                sizes[choice["index"]] = sizes.get(choice["index"], 0) + len(text)
    return list(sizes.values())


class CancelTests(TestCase):
    """One gateway with the simulator inside, whose responses take a minute."""

    async def start(self) -> None:
        proxy = ProxySettings(
            listen=["tcp:0:interface=127.0.0.1"], shutdown_grace=0.0, admin_key=Secret(KEY)
        )
        plugins, self.observer = PluginHost(), Observer()
        plugins.load(installed=False, extra=[("observer", self.observer)])
        self.gateway = Gateway(reactor, Settings(proxy), Path(self.mktemp()), plugins, demo=True)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()

    def request(self, method: str, path: str, body: Any = None) -> Deferred[Any]:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        return treq.request(
            method,
            f"http://127.0.0.1:{port}{path}",
            headers={"x-api-key": KEY},
            json=body,
            persistent=False,
        )

    async def admin(self, method: str, path: str, status: int = 200) -> Any:
        response = await self.request(method, f"/admin/{path}")
        text = await response.text()
        self.assertEqual(response.code, status, text)
        return json.loads(text)

    async def running(self, number: int) -> list[Any]:
        """Return the running requests once there are so many."""
        while len(found := (await self.admin("GET", "running"))["requests"]) != number:
            await deferLater(reactor, 0.01)
        return list(found)

    def cancelled(self) -> ExchangeRecord:
        """Return the record of the only finished request, whose upstream was left in peace."""
        (record,) = self.observer.records
        self.assertEqual((record.outcome, record.status), ("cancelled", 499))
        self.assertIn(REASON, record.error or "")
        assert self.gateway.accounts.pool is not None
        self.assertEqual(self.gateway.accounts.pool.status().locks, [])
        self.assertEqual(self.gateway.accounts.pool.status().running, 0)
        self.observer.records.clear()
        return record

    async def test_stream_ends_with_error_of_its_protocol(self) -> None:
        await self.start()
        for protocol in PROTOCOLS:
            for model in MODELS:
                response = await self.request("POST", *asked(protocol, model, stream=True))
                reader = Reader()
                response.original.deliverBody(reader)
                await reader.begun
                (one,) = await self.running(1)
                self.assertEqual((one["model"], one["stream"]), (model, True))
                self.assertEqual(one["attempts"], 1)
                self.assertIsNotNone(one["first_byte"])
                done = await self.admin("POST", f"requests/{one['id']}/cancel")
                self.assertEqual(done, {"cancelled": one["id"]})
                ended = await reader.over
                self.assertIsInstance(ended, ResponseDone, (protocol, model))
                self.assertIn(REASON, reader.data.decode(), (protocol, model))
                self.cancelled()
                await self.admin("POST", f"requests/{one['id']}/cancel", status=404)
        await self.upstream_is_idle()

    async def test_stream_has_used_what_was_reported_or_is_estimated(self) -> None:
        await self.start()
        for protocol in PROTOCOLS:
            for model in MODELS:
                response = await self.request("POST", *asked(protocol, model, stream=True))
                reader = Reader()
                response.original.deliverBody(reader)
                await reader.begun
                (one,) = await self.running(1)
                await self.admin("POST", f"requests/{one['id']}/cancel")
                await reader.over
                record = self.cancelled()
                usage = record.usage
                assert usage is not None
                self.assertGreater(usage.input_total, 0, (protocol, model))
                self.assertGreater(usage.output, 0, (protocol, model))
                self.assertLess(usage.output, 100, (protocol, model))
                marks = [each.detail for each in record.warnings if each.field == "usage"]
                if model == MODELS[0]:  # OpenAI reports at the end
                    self.assertEqual(len(marks), 1, (protocol, model))

    async def test_all_choices_of_stream_have_used_what_is_estimated(self) -> None:
        await self.start()
        path, body = asked("chat", "claude-sonnet-4-5", stream=True)
        body["messages"][0]["content"] = f"[[chunks 4]] [[delay 30]] [[say {'four' * 80}]]"
        response = await self.request("POST", path, {**body, "n": 3})
        reader = Reader()
        response.original.deliverBody(reader)
        while texts(reader.data) != [80] * 3:
            await deferLater(reactor, 0.01)
        (one,) = await self.running(1)
        await self.admin("POST", f"requests/{one['id']}/cancel")
        await reader.over
        record = self.cancelled()
        usage = record.usage
        assert usage is not None
        self.assertEqual(len(record.attempts), 3)
        self.assertEqual(usage.output, 3 * 20)
        self.assertGreater(usage.input_total, 0)
        self.assertIn("usage", [each.field for each in record.warnings])

    async def test_whole_response_is_error_that_clients_do_not_repeat(self) -> None:
        await self.start()
        for protocol in PROTOCOLS:
            asking = self.request("POST", *asked(protocol, "claude-sonnet-4-5", stream=False))
            (one,) = await self.running(1)
            await self.admin("POST", f"requests/{one['id']}/cancel")
            response = await asking
            text = await response.text()
            self.assertEqual(response.code, 499, text)
            self.assertIn(REASON, json.dumps(json.loads(text)))
            self.cancelled()
        await self.upstream_is_idle()

    async def test_request_that_waits_for_account_is_cancelled(self) -> None:
        await self.start()
        limits: Any = self.gateway.accounts.pool
        waiting: list[Deferred[Any]] = []

        def lease(request: Any, max_wait: float) -> Deferred[Any]:
            waiting.append(Deferred())
            return waiting[0]

        self.patch(limits, "lease", lease)
        self.patch(limits, "lease_now", lambda request, max_wait: None)
        asking = self.request("POST", *asked("chat", MODELS[0], stream=True))
        (one,) = await self.running(1)
        self.assertEqual((one["attempts"], one["account"]), (0, ""))
        await self.admin("POST", f"requests/{one['id']}/cancel")
        response = await asking
        self.assertEqual(response.code, 499, await response.text())
        self.cancelled()

    async def test_several_choices_are_cancelled_together(self) -> None:
        await self.start()
        for stream in (True, False):
            path, body = asked("chat", "claude-sonnet-4-5", stream=stream)
            asking = self.request("POST", path, {**body, "n": 3})
            (one,) = await self.running(1)
            if stream:
                response = await asking
                reader = Reader()
                response.original.deliverBody(reader)
                await reader.begun
                await self.admin("POST", f"requests/{one['id']}/cancel")
                await reader.over
                self.assertIn(REASON, reader.data.decode())
            else:
                await self.admin("POST", f"requests/{one['id']}/cancel")
                response = await asking
                self.assertEqual(response.code, 499, await response.text())
            self.cancelled()
        await self.upstream_is_idle()

    async def test_client_that_leaves_is_no_operator(self) -> None:
        await self.start()
        asking = self.request("POST", *asked("chat", MODELS[0], stream=False))
        await self.running(1)
        asking.addErrback(lambda _: None)
        asking.cancel()
        await self.running(0)
        (record,) = self.observer.records
        self.assertEqual(record.outcome, "cancelled")
        self.assertNotIn(REASON, record.error or "")

    async def test_one_of_two_requests_with_one_id_is_cancelled_by_its_reference(self) -> None:
        await self.start()
        exchange = self.gateway.parts and self.gateway.parts.exchange
        assert exchange is not None
        asking = [self.request("POST", *asked("chat", model, stream=False)) for model in MODELS[:2]]
        await self.running(2)
        records = exchange.running()
        records[0].id = records[1].id
        one, other = await self.running(2)
        self.assertEqual(one["id"], other["id"])
        for each in (other, one):
            path = f"requests/{each['reference']}/cancel"
            await self.admin("POST", path)
            (record,) = self.observer.records
            self.assertEqual(record.model, each["model"])
            self.observer.records.clear()
            await self.admin("POST", path, status=404)
        for each in asking:
            self.assertEqual((await each).code, 499)

    async def test_two_requests_with_one_id_are_both_cancelled(self) -> None:
        await self.start()
        exchange = self.gateway.parts and self.gateway.parts.exchange
        assert exchange is not None
        first = self.request("POST", *asked("chat", MODELS[0], stream=False))
        second = self.request("POST", *asked("chat", MODELS[1], stream=False))
        one, other = await self.running(2)
        records = exchange.running()
        records[0].id = records[1].id
        await self.admin("POST", f"requests/{other['id']}/cancel")
        for asking in (first, second):
            self.assertEqual((await asking).code, 499)
        self.assertEqual(len(self.observer.records), 2)
        self.assertNotEqual(one["id"], other["id"])

    async def upstream_is_idle(self) -> None:
        """Wait until the simulator has noticed that nobody reads."""
        assert self.gateway.simulator is not None
        while self.gateway.simulator.stats.open_streams:
            await deferLater(reactor, 0.01)
