"""Settings of stores, logs and shutdown that apply on reload."""

from __future__ import annotations

import re
from typing import Any

import treq
from msgspec.structs import replace
from twisted.logger import formatEvent, globalLogPublisher
from txaio import tx as txaio

from antigravity.config.settings import LogSettings, ResponsesSettings, SignaturesSettings
from tests.service.restart_fixture import SENTINEL, RestartCase, reactor

#: Stands in the line that is logged for each request, at level ``info``.
LINE = "tokens, 1 attempt"


class LiveSettingTests(RestartCase):
    async def reload(self, **tables: Any) -> None:
        """Change tables of the configuration."""
        self.next = replace(self.next, **tables)
        assert self.gateway is not None
        await self.gateway.reload()

    def url(self, path: str) -> str:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}{path}"

    def on_disk(self) -> list[str]:
        return sorted(path.name for path in (self.home / "state").glob("signatures.db"))

    async def test_signature_file_follows_setting(self) -> None:
        await self.start()
        message = await self.called()
        await self.reload(signatures=SignaturesSettings(persist=False))
        self.assertEqual(self.on_disk(), [])
        self.assertNotEqual(await self.sent_signature(message), SENTINEL)
        later = await self.called()
        await self.reload(signatures=SignaturesSettings())
        await self.restart()
        self.assertEqual(self.on_disk(), ["signatures.db"])
        for each in (message, later):
            self.assertNotEqual(await self.sent_signature(each), SENTINEL)

    async def test_limits_of_signatures_apply_at_once_and_after_restart(self) -> None:
        await self.start()
        message = await self.called()
        await self.reload(signatures=SignaturesSettings(ttl=0.0))
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        await self.reload(signatures=SignaturesSettings())
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        message = await self.called()
        await self.reload(signatures=SignaturesSettings(max_entries=0))
        await self.restart()
        self.assertEqual(await self.sent_signature(message), SENTINEL)

    async def test_limits_of_stored_responses_apply_at_once(self) -> None:
        async def respond(**more: Any) -> tuple[int, Any]:
            body = {"model": "gpt-5.1", "input": "hello", **more}
            response = await treq.post(self.url("/v1/responses"), json=body, persistent=False)
            return response.code, await response.json()

        await self.start()
        code, first = await respond()
        self.assertEqual(code, 200)
        code, _ = await respond(previous_response_id=first["id"])
        self.assertEqual(code, 200)
        await self.reload(responses=ResponsesSettings(max_entries=0))
        code, error = await respond(previous_response_id=first["id"])
        self.assertEqual((code, error["error"]["code"]), (404, "previous_response_not_found"))
        await self.reload(responses=ResponsesSettings(ttl=60.0))
        _, second = await respond()
        code, _ = await respond(previous_response_id=second["id"])
        self.assertEqual(code, 200)

    async def test_shutdown_grace_applies_at_once(self) -> None:
        await self.start()
        await self.reload(proxy=replace(self.next.proxy, shutdown_grace=0.1))
        body = {
            "model": "gpt-5.1",
            "stream": True,
            "messages": [{"role": "user", "content": "[[chunks 2]] [[delay 30]]"}],
        }
        response = await treq.post(self.url("/v1/chat/completions"), json=body, persistent=False)
        self.assertEqual(response.code, 200)
        began = reactor.seconds()
        await self.stop()
        self.assertLess(reactor.seconds() - began, 5.0)
        *_, error, done = (await response.content()).strip().split(b"\n\n")
        self.assertIn(b'data: {"error":', error)
        self.assertEqual(done, b"data: [DONE]")

    async def test_http_client_applies_at_once(self) -> None:
        await self.start()
        assert self.gateway is not None
        used = [self.gateway.transport.client]
        await self.chat()
        for http_client in ("twisted", "httptools"):
            await self.reload(proxy=replace(self.next.proxy, http_client=http_client))
            await self.chat()
            used.append(self.gateway.transport.client)
        self.assertIs(used[0], used[2])
        self.assertEqual(
            [type(client).__name__ for client in used],
            ["Http1Client", "TwistedClient", "Http1Client"],
        )

    async def test_log_level_applies_at_once(self) -> None:
        lines: list[str] = []
        globalLogPublisher.addObserver(watch := lambda event: lines.append(str(event)))
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        self.addCleanup(txaio.set_global_log_level, "info")
        await self.start()

        async def logged(level: Any) -> bool:
            await self.reload(log=LogSettings(level=level))
            lines.clear()
            await self.chat()
            return any(LINE in line for line in lines)

        self.assertFalse(await logged("warn"))
        self.assertTrue(await logged("info"))
        self.assertFalse(await logged("error"))

    async def test_request_for_a_model_has_one_line_with_or_without_access_log(self) -> None:
        lines: list[str] = []
        watch = lambda event: lines.append(str(formatEvent(event)))  # noqa: E731
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        await self.start()
        for access in (True, False):
            await self.reload(log=LogSettings(access=access))
            lines.clear()
            await self.chat()
            (line,) = [line for line in lines if LINE in line]
            self.assertEqual("POST /" in line, access)
            found = re.search(r"req_\w+", line)
            assert found is not None
            self.assertEqual([each for each in lines if found[0] in each], [line])
