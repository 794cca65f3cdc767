"""Every type of tool and item of the Responses API, over every upstream protocol."""

from __future__ import annotations

import json

from tests.service.responses_fixture import ItemsCase
from tests.service.responses_samples import ITEMS, TOOLS, TRANSLATED, Json, Sample

OWN = "demo-openai-responses/gpt-5.1"
USER = {"type": "message", "role": "user", "content": "Go on. [[say well]]"}


class TranslationTests(ItemsCase):
    async def check(self, sample: Sample, upstream: str, body: Json) -> None:
        _, warnings, sent = await self.post(TRANSLATED[upstream], body)
        text, label = json.dumps(sent), f"{sample.name} over {upstream}"
        kept = any(mark in text for mark in sample.marks)
        self.assertEqual(kept, upstream in sample.keep, f"{label}: {text[-2000:]}")
        if not kept:
            self.assertIn(sample.warned, warnings, label)

    async def test_tools_are_translated_or_reported(self) -> None:
        await self.start()
        for sample in TOOLS:
            for upstream in TRANSLATED:
                await self.check(sample, upstream, {"input": [USER], "tools": sample.wire})

    async def test_items_are_translated_or_reported(self) -> None:
        await self.start()
        for sample in ITEMS:
            for upstream in TRANSLATED:
                await self.check(sample, upstream, {"input": [USER, *sample.wire, USER]})


class NativeTests(ItemsCase):
    async def test_tools_pass_unchanged(self) -> None:
        await self.start()
        for sample in TOOLS:
            await self.check_passed({"input": [USER], "tools": sample.wire})

    async def test_items_pass_unchanged(self) -> None:
        await self.start()
        for sample in ITEMS:
            await self.check_passed({"input": [USER, *sample.wire, USER]})

    async def check_passed(self, body: Json) -> None:
        _, warnings, sent = await self.post(OWN, body)
        # Texts, because dictionaries do not compare the order of members.
        self.assertEqual(json.dumps(sent), json.dumps({"model": "gpt-5.1", **body}))
        self.assertEqual(warnings, "")
