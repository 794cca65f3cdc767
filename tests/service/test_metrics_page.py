"""``/metrics`` of a running gateway, for the operator only."""

from __future__ import annotations

from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet.error import ConnectError

from antigravity.config.ledger_settings import MetricsSettings
from antigravity.config.secret import Secret
from tests.service.account_fixture import AccountCase

ADMIN = "sk-admin"
PORT = "tcp:0:interface=127.0.0.1"


class MetricsPageTests(AccountCase):
    async def get(self, key: str) -> tuple[int, str]:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.get(
            f"http://127.0.0.1:{port}/metrics",
            headers={"Authorization": f"Bearer {key}"},
            persistent=False,
        )
        return response.code, await response.text()

    async def test_operator_gets_the_page(self) -> None:
        await self.start(
            "one", admin_key=Secret(ADMIN), api_key=Secret("sk-client"), auth_mode="strict"
        )
        status, text = await self.get(ADMIN)
        self.assertEqual(status, 200)
        self.assertIn("antigravity_requests_running 0.0", text)
        self.assertIn('account="codeassist-0"', text)
        self.assertIn("antigravity_ledger_waiting_rows 0.0", text)
        for key in ("sk-client", "wrong"):
            status, text = await self.get(key)
            self.assertEqual(status, 401, text)

    async def test_requests_are_counted(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        await self.ask("hi")
        _, text = await self.get(ADMIN)
        self.assertIn("gen_ai_client_inference_usage_output_tokens_total", text)
        self.assertIn('outcome="ok"', text)

    async def reload(self, **metrics: Any) -> None:
        assert self.gateway is not None
        self.settings = replace(self.settings, metrics=MetricsSettings(**metrics))
        await self.gateway.reload()

    def own_address(self) -> str:
        """Return the address of the port that serves only metrics."""
        assert self.gateway is not None
        listener = self.gateway.metrics.listener
        assert listener is not None
        return listener.addresses[0]

    async def test_page_has_a_port_of_its_own_without_key(self) -> None:
        await self.start("one", api_key=Secret("sk-client"), auth_mode="strict")
        await self.reload(listen=[PORT])
        address = self.own_address()
        response = await treq.get(f"{address}/metrics", persistent=False)
        self.assertEqual(response.code, 200)
        self.assertIn("antigravity_requests_running 0.0", await response.text())
        response = await treq.head(f"{address}/metrics", persistent=False)
        self.assertEqual((response.code, await response.content()), (200, b""))
        for path in ("/", "/v1/models", "/admin/status", "/metrics/more"):
            response = await treq.get(f"{address}{path}", persistent=False)
            self.assertEqual(response.code, 404)
            await response.content()

    async def test_own_port_on_the_loopback_refuses_names_of_web_pages(self) -> None:
        await self.start("one")
        await self.reload(listen=[PORT])
        address = self.own_address()
        for host, expected in (("rebound.example", 403), ("localhost", 200), ("[::1]:1", 200)):
            response = await treq.get(
                f"{address}/metrics", headers={"Host": host}, persistent=False
            )
            self.assertEqual(response.code, expected, host)
            text = await response.text()
            self.assertEqual("antigravity_requests_running" in text, expected == 200)
            self.assertEqual(response.headers.getRawHeaders("cache-control"), ["no-store"])
        proxy = replace(self.settings.proxy, allowed_hosts=["prometheus.example"])
        self.settings = replace(self.settings, proxy=proxy)
        await self.reload(listen=[PORT])
        response = await treq.get(
            f"{self.own_address()}/metrics",
            headers={"Host": "prometheus.example:9464"},
            persistent=False,
        )
        self.assertEqual(response.code, 200)
        await response.content()

    async def test_reload_opens_and_closes_the_port(self) -> None:
        await self.start("one")
        await self.reload(listen=[PORT])
        address = self.own_address()
        await self.reload(listen=[PORT], old_names=True)
        self.assertEqual(self.own_address(), address)
        await self.reload(enabled=False, listen=[PORT])
        with self.assertRaises(ConnectError):
            await treq.get(f"{address}/metrics", persistent=False)

    async def test_gateway_serves_without_the_port_if_it_is_taken(self) -> None:
        await self.start("one")
        assert self.gateway is not None
        assert self.gateway.listener is not None
        taken = self.gateway.listener.ports[0].getHost().port
        await self.reload(listen=[f"tcp:{taken}:interface=127.0.0.1"])
        self.assertIsNone(self.gateway.metrics.listener)
        self.assertEqual(await self.ask("hi"), 200)
        await self.reload(listen=[PORT])
        self.own_address()

    async def test_costs_come_from_the_ledger(self) -> None:
        await self.start("one", admin_key=Secret(ADMIN))
        await self.ask("hi")
        assert self.gateway is not None
        assert self.gateway.ledger.ledger is not None
        await self.gateway.ledger.ledger.flush()
        _, text = await self.get(ADMIN)
        (line,) = [
            each
            for each in text.splitlines()
            if each.startswith("antigravity_list_cost_dollars_total")
        ]
        self.assertGreater(float(line.split()[-1]), 0)
        self.assertIn("antigravity_ledger_lag_seconds 0.0", text)

    async def test_sessions_and_mcp_calls_are_counted(self) -> None:
        await self.start("one", "two", admin_key=Secret(ADMIN))
        for _ in range(2):
            await self.ask("the same first message")
        assert self.gateway is not None
        assert self.gateway.listener is not None
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        unknown = {"jsonrpc": "2.0", "id": 2, "method": "guess/anything", "params": {}}
        port = self.gateway.listener.ports[0].getHost().port
        for message in (call, unknown):
            meta = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            response = await treq.post(
                f"http://127.0.0.1:{port}/mcp",
                json={**message, "params": {"_meta": meta}},
                headers={
                    "Accept": "application/json, text/event-stream",
                    "MCP-Protocol-Version": "2026-07-28",
                    "Mcp-Method": str(message["method"]),
                },
                persistent=False,
            )
            await response.content()
        _, text = await self.get(ADMIN)
        self.assertIn('antigravity_mcp_calls_total{method="tools/list",outcome="ok"} 1.0', text)
        self.assertNotIn("guess", text)
        self.assertIn('antigravity_session_bindings_total{result="new"} 1.0', text)
        self.assertIn('antigravity_session_bindings_total{result="kept"} 1.0', text)
