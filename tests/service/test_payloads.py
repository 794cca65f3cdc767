"""Payloads of a running gateway: kept, shown, exported, and without any secret."""

from __future__ import annotations

import json
import sqlite3
import stat
from typing import Any

import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from antigravity.accounts.records import AccountRecord
from antigravity.cli.main import antigravity
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.ledger.payload_rows import decode_body
from antigravity.redaction.credentials import CREDENTIALS
from tests.service.account_fixture import MODEL, AccountCase, reactor
from tests.support.har import read_archive

ADMIN = "sk-admin-0123456789"
CLIENT = "sk-client-0123456789abcdef"
REFRESH = "1//refresh-token-of-one-account"
ADDRESS = "jane.private@example.com"


class PayloadCase(AccountCase):
    async def begin(self, payloads: Any = "all") -> None:
        """Start a gateway that keeps payloads."""
        await self.start(
            REFRESH, admin_key=Secret(ADMIN), api_key=Secret(CLIENT), expose_account="always"
        )
        self.files.save(
            AccountRecord("codeassist-0", "codeassist", Secret(REFRESH), label=ADDRESS, created=0.0)
        )
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads=payloads))
        assert self.gateway is not None
        await self.gateway.reload()

    @property
    def address(self) -> str:
        assert self.gateway is not None
        assert self.gateway.listener is not None
        return f"http://127.0.0.1:{self.gateway.listener.ports[0].getHost().port}"

    async def post(
        self, text: str = "hi", model: str = MODEL, *, request_id: str = "", **fields: Any
    ) -> Any:
        named = {"X-Request-Id": request_id} if request_id else {}
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return await treq.post(
            f"{self.address}/v1/chat/completions?key={CLIENT}",
            json=body,
            headers={
                "Authorization": f"Bearer {CLIENT}",
                "Cookie": "session=cookie-secret",
                **named,
            },
            persistent=False,
        )

    async def admin(self, path: str, method: str = "GET", **options: Any) -> Any:
        response = await treq.request(
            method,
            f"{self.address}/admin/{path}",
            headers={"x-api-key": ADMIN},
            persistent=False,
            **options,
        )
        return response, await response.content()

    async def answer(self, path: str, **options: Any) -> Any:
        response, content = await self.admin(path, **options)
        self.assertEqual(response.code, 200, content)
        return json.loads(content)

    async def newest(self) -> Any:
        return (await self.answer("requests"))["requests"][0]

    async def payloads(self) -> list[dict[str, Any]]:
        found = await self.newest()
        messages: list[dict[str, Any]] = (await self.answer(f"requests/{found['id']}/payloads"))[
            "messages"
        ]
        return messages

    async def command(self, *arguments: str) -> str:
        port = self.address.rpartition(":")[2] if self.gateway is not None else 1
        (self.home / "antigravity.toml").write_text(
            f'[proxy]\nport = {port}\nadmin_key = "{ADMIN}"\n'
        )
        done = await deferToThread(
            CliRunner().invoke, antigravity, [*arguments, "--home", str(self.home)]
        )
        self.assertEqual(done.exit_code, 0, done.output)
        return str(done.output)


class PayloadTests(PayloadCase):
    async def test_four_messages_are_kept(self) -> None:
        await self.begin()
        await self.ask("what is this?")
        asked, sent, received, answered = await self.payloads()
        self.assertIn("what is this?", asked["body"])
        self.assertIn("/v1/chat/completions", asked["url"])
        self.assertIn("what is this?", sent["body"])
        self.assertNotEqual(asked["body"], sent["body"])
        self.assertEqual((received["status"], answered["status"]), (200, 200))
        self.assertEqual(json.loads(answered["body"])["object"], "chat.completion")

    async def test_streams_are_kept_as_events(self) -> None:
        await self.begin()
        response = await self.post("tell me", stream=True)
        events = (await response.content()).decode()
        *_, received, answered = await self.payloads()
        self.assertEqual(answered["body"], events)
        self.assertTrue(received["body"].startswith("data: "))

    async def test_only_errors(self) -> None:
        await self.begin("errors")
        await self.ask()
        found = await self.newest()
        response, content = await self.admin(f"requests/{found['id']}/payloads")
        self.assertEqual(response.code, 404)
        self.assertIn(b"not kept", content)
        await self.ask(model="no-such-model")
        asked, answered = await self.payloads()
        self.assertIn("no-such-model", asked["body"])
        self.assertEqual(answered["status"], 404)

    async def test_reload_switches_it(self) -> None:
        await self.begin("off")
        await self.ask()
        found = await self.newest()
        self.assertEqual((await self.admin(f"requests/{found['id']}/payloads"))[0].code, 404)
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads="all"))
        assert self.gateway is not None
        await self.gateway.reload()
        await self.ask()
        self.assertEqual(len(await self.payloads()), 4)
        status = await self.answer("status")
        self.assertEqual(status["ledger"]["payloads"], "all")
        self.assertEqual(status["ledger"]["lost_payloads"], 0)

    async def test_no_secret_is_stored_shown_or_exported(self) -> None:
        await self.begin()
        token = "unknown-bearer-0123456789"
        text = f"my key is {CLIENT}, {REFRESH}, Bearer {token}, of {ADDRESS}"
        await self.ask(text)
        response = await self.post(text, stream=True)
        await response.content()
        await self.ask(text, model="no-such-model")
        shown = json.dumps([await self.payloads(), await self.answer("requests")])
        for form in ("jsonl", "har"):
            for unmasked in ("true", "false"):
                query = f"export?format={form}&payloads=true&unmasked={unmasked}"
                response, content = await self.admin(query)
                self.assertEqual(response.code, 200)
                shown += content.decode()
        found = await self.newest()
        self.last = await self.command("request", found["id"], "--payloads")
        shown += self.last
        shown += await self.command("export", "--format", "har")
        with sqlite3.connect(self.home / "state" / "ledger.db") as connection:
            connection.row_factory = sqlite3.Row
            for row in map(dict, connection.execute("SELECT * FROM payloads")):
                shown += decode_body(row.pop("body")).decode() + repr(row)
        self.assertIn("my key is [redacted]", shown)
        tokens = self.simulator_tokens()
        self.assertTrue(tokens)
        for secret in (ADMIN, CLIENT, REFRESH, token, ADDRESS, "cookie-secret", *tokens):
            self.assertNotIn(secret, shown)
        self.assertIn("ja***@example.com", shown)

    def simulator_tokens(self) -> list[str]:
        """Return the access tokens of the account."""
        sent = (value.removeprefix("Bearer ") for value in CREDENTIALS._sent)
        return [token for token in sent if len(token) > 8]  # other tests have sent "1"

    async def test_requests_with_one_id_stay_apart(self) -> None:
        await self.begin()
        for text in ("first question", "second question"):
            await (await self.post(text, request_id="again")).content()
        listed = (await self.answer("requests"))["requests"]
        self.assertEqual([each["id"] for each in listed], ["again", "again"])
        second, first = (each["reference"] for each in listed)
        self.assertEqual((await self.answer("requests/again"))["request"]["reference"], second)
        self.assertEqual((await self.answer("requests/again"))["same_id"], [first])
        for reference, text, other in (
            (first, "first question", "second question"),
            (second, "second question", "first question"),
            ("again", "second question", "first question"),
        ):
            shown = json.dumps(await self.answer(f"requests/{reference}/payloads"))
            shown += await self.command("request", reference, "--payloads")
            self.assertIn(text, shown)
            self.assertNotIn(other, shown)
        shown = await self.command("requests")
        self.assertIn(first, shown)
        self.assertIn(second, shown)
        self.assertIn(
            f"other requests with this id: {first}", await self.command("request", "again")
        )
        self.assertIn(first, (await self.command("requests", "--csv")).splitlines()[-1])
        await self.answer(f"requests/{first}/replay", method="POST")
        newest = await self.newest()
        self.assertEqual(newest["intercepted"], f"replay:{first}")
        self.assertNotIn("again@", (await self.command("requests", "--limit", "2")))
        asked = (await self.payloads())[0]
        self.assertIn("first question", asked["body"])

    async def test_commands(self) -> None:
        await self.begin()
        await self.ask("first question")
        await self.ask("second question")

        async def check() -> None:
            lines = (await self.command("export", "--payloads")).splitlines()
            found = [json.loads(line) for line in lines]
            self.assertEqual(len(found), 2)
            self.assertIn("first question", found[0]["payloads"][0]["body"])
            text = await self.command("request", found[0]["id"], "--payloads")
            self.assertIn("FROM THE CLIENT", text)
            self.assertIn("first question", text)
            whole = json.loads(
                await self.command("request", found[0]["id"], "--payloads", "--json")
            )
            self.assertEqual(whole["payloads"], found[0]["payloads"])
            file = self.home / "out.har"
            await self.command("export", "--format", "har", "--output", str(file))
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.assertEqual(len(read_archive(file.read_text())), 4)
            table = (await self.command("export", "--format", "csv")).splitlines()
            self.assertEqual(len(table), 3)
            self.assertTrue(table[0].startswith("id,time,"))
            rows = (await self.command("requests", "--csv")).splitlines()
            self.assertEqual(sorted(rows), sorted(table))
            usage = (await self.command("usage", "--csv", "--by", "day,model")).splitlines()
            self.assertTrue(usage[0].startswith("day,model,requests,"))
            self.assertIn(f",{MODEL},2,", usage[1])

        await check()
        await self.stop()
        await check()

    async def test_wrong_exports_are_refused(self) -> None:
        await self.begin()
        for query in ("format=xml", "format=csv&payloads=true", "moon=1"):
            response, _ = await self.admin(f"export?{query}")
            self.assertEqual(response.code, 400, query)
        response = await treq.get(f"{self.address}/admin/export", persistent=False)
        await response.content()
        self.assertEqual(response.code, 401)


class ReplayTests(PayloadCase):
    async def asked(self, **fields: Any) -> str:
        await self.begin()
        response = await self.post("what is this?", **fields)
        await response.content()
        return str((await self.newest())["reference"])

    async def again(self, request_id: str, body: Any = None) -> Any:
        return await self.answer(
            f"requests/{request_id}/replay",
            method="POST",
            data=b"" if body is None else json.dumps(body).encode(),
        )

    async def test_request_is_sent_again(self) -> None:
        first = await self.asked()
        done = await self.again(first)
        self.assertEqual((done["status"], done["cut"]), (200, 0))
        self.assertEqual(json.loads(done["body"])["object"], "chat.completion")
        newest = await self.newest()
        self.assertEqual(newest["id"], done["id"])
        self.assertEqual(newest["client_key"], "operator")
        self.assertEqual(newest["intercepted"], f"replay:{first}")
        asked = (await self.payloads())[0]
        self.assertIn("what is this?", asked["body"])

    async def test_streams_are_sent_again_to_another_model(self) -> None:
        first = await self.asked(stream=True)
        done = await self.again(first, {"model": "gemini-2.5-pro"})
        self.assertEqual(done["content_type"], "text/event-stream")
        self.assertIn("data: [DONE]", done["body"])
        newest = await self.newest()
        self.assertEqual((newest["model"], newest["stream"]), ("gemini-2.5-pro", True))

    async def test_replay_is_kept_although_only_errors_are(self) -> None:
        first = await self.asked()
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads="errors"))
        assert self.gateway is not None
        await self.gateway.reload()
        await self.again(first)
        self.assertEqual(len(await self.payloads()), 4)

    async def test_models_in_paths_are_replaced(self) -> None:
        await self.begin()
        response = await treq.post(
            f"{self.address}/v1beta/models/{MODEL}:generateContent?key={CLIENT}",
            json={"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
            persistent=False,
        )
        self.assertEqual(response.code, 200, await response.content())
        first = (await self.newest())["id"]
        done = await self.again(first, {"model": "gemini-2.5-pro"})
        self.assertEqual(done["status"], 200, done)
        self.assertEqual((await self.newest())["model"], "gemini-2.5-pro")

    async def refused(self, request_id: str) -> tuple[int, str]:
        response, content = await self.admin(
            f"requests/{request_id}/replay", method="POST", data=b"{}"
        )
        return response.code, json.loads(content)["error"]["message"]

    async def test_what_cannot_be_sent_again_says_why(self) -> None:
        await self.begin()
        url = "data:image/png;base64," + "iVBORw0KGgo" + "A" * 2001
        parts = [{"type": "image_url", "image_url": {"url": url}}]
        body = {"model": MODEL, "messages": [{"role": "user", "content": parts}]}
        response = await treq.post(
            f"{self.address}/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {CLIENT}"},
            persistent=False,
        )
        await response.content()
        status, message = await self.refused((await self.newest())["id"])
        self.assertEqual(status, 409)
        self.assertIn("files", message)
        response = await self.post("x" * 3_000_000)
        await response.content()
        newest = (await self.newest())["id"]
        status, message = await self.refused(newest)
        deadline = reactor.seconds() + 30
        while status == 404 and reactor.seconds() < deadline:  # a large body takes a while
            await deferLater(reactor, 0.05)
            status, message = await self.refused(newest)
        self.assertEqual(status, 409)
        self.assertIn("missing", message)
        self.assertEqual((await self.refused("none"))[0], 404)

    async def test_requests_that_are_not_kept_cannot_be_sent_again(self) -> None:
        await self.begin("errors")
        await self.ask()
        status, message = await self.refused((await self.newest())["id"])
        self.assertEqual(status, 404)
        self.assertIn("no payloads", message)
