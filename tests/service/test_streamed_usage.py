"""What streams of OpenAI's SDK have used: in the ledger, and of a budget."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from openai import OpenAI
from twisted.internet.threads import deferToThread

from antigravity.config.price_settings import ModelPriceSettings, PriceSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.ledger import RequestQuestion
from tests.service.key_fixture import KeyCase

MODEL = "compatible/gpt-4.1"
PROMPT = "[[tokens 500]] Hi"


class StreamedUsageTests(KeyCase):
    """A key with a budget, and an upstream of OpenAI's protocols."""

    async def begin(self) -> None:
        """Start a gateway, and make the key."""
        await self.open_with_keys()
        base = f"{self.settings.upstreams['codeassist'].base_url}/v1"
        keys, apis = [Secret("sk-upstream-key-of-tests")], ["chat", "completions"]
        compatible = UpstreamSettings("openai", base_url=base, api_keys=keys, apis=apis)
        prices = PriceSettings({"gpt-4.1": ModelPriceSettings(2.0, 8.0)})
        upstreams = {"compatible": compatible}
        self.settings = replace(self.settings, upstreams=upstreams, prices=prices)
        assert self.gateway is not None
        await self.gateway.stopService()
        await self.run_gateway()
        self.secret = await self.key(budgets=["1.00/day"])

    async def stream(self, path: str, **more: Any) -> list[Any]:
        """Return the chunks that OpenAI's SDK reads."""
        base = f"{self.address}/v1"

        def read() -> list[Any]:
            with OpenAI(base_url=base, api_key=self.secret, max_retries=0) as client:
                if path == "chat":
                    messages: Any = [{"role": "user", "content": PROMPT}]
                    chat: Any = client.chat.completions.create
                    return list(chat(model=MODEL, messages=messages, stream=True, **more))
                text: Any = client.completions.create
                return list(text(model=MODEL, prompt=PROMPT, stream=True, **more))

        return list(await deferToThread(read))

    async def settled(self) -> tuple[list[dict[str, Any]], float]:
        """Return the ledger's rows, the last one first, and what the budget has spent so far."""
        assert self.gateway is not None
        ledger = self.gateway.ledger.ledger
        assert ledger is not None
        await ledger.flush()
        rows = await ledger.ask(lambda reader: reader.requests(RequestQuestion())[0])
        (budget,) = (await self.get("/v1/usage", self.secret))["budgets"]
        self.assertEqual(budget["reserved"], 0)
        return rows, budget["spent"]

    async def test_usage_is_the_same_whether_the_client_asks_or_not(self) -> None:
        await self.begin()
        for path in ("chat", "text"):
            _, before = await self.settled()
            asking = await self.stream(path, stream_options={"include_usage": True})
            _, between = await self.settled()
            silent = await self.stream(path)
            rows, after = await self.settled()
            usage = asking[-1].usage
            self.assertEqual(asking[-1].choices, [])
            self.assertGreaterEqual(usage.completion_tokens, 500)
            self.assertTrue(all(chunk.choices and chunk.usage is None for chunk in silent))
            self.assertEqual(len(silent), len(asking) - 1)
            for row in rows[:2]:
                self.assertEqual(row["output"], usage.completion_tokens)
                self.assertEqual(row["input"], usage.prompt_tokens)
            self.assertEqual(rows[0]["cost"], rows[1]["cost"])
            self.assertGreater(between, before)
            self.assertAlmostEqual(after - between, between - before)
