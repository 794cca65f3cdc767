"""``/metrics`` of a running gateway, for the operator only."""

from __future__ import annotations

import treq

from antigravity.config.secret import Secret
from tests.service.account_fixture import AccountCase

ADMIN = "sk-admin"


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
