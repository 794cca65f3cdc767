"""Keys with rules, through a gateway and HTTP: what they may do, their limits, their budgets."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.web.client import ResponseNeverReceived

from antigravity.config.settings import SchedulingSettings
from antigravity.keys.key_file import FILE_NAME
from tests.service.account_fixture import MODEL
from tests.service.key_fixture import OWN, KeyCase
from tests.support.conditions import eventually


def header(response: Any, name: str) -> str:
    return ", ".join(response.headers.getRawHeaders(name, []))


class RuleTests(KeyCase):
    async def test_key_is_as_good_as_the_operators_until_it_is_removed(self) -> None:
        await self.open_with_keys()
        key = await self.key()
        self.assertEqual((await self.chat(key)).code, 200)
        self.assertEqual((await self.chat(OWN)).code, 200)
        self.refused(await self.chat(f"{key}x"), 401, "invalid_api_key")
        await self.admin("POST", "/admin/keys/laptop/disable")
        self.refused(await self.chat(key), 401, "key_disabled")
        await self.admin("POST", "/admin/keys/laptop/enable")
        new = (await self.admin("POST", "/admin/keys/laptop/rotate", {"grace": "0"}))["key"]
        self.refused(await self.chat(key), 401, "invalid_api_key")
        self.assertEqual((await self.chat(new)).code, 200)
        await self.admin("DELETE", "/admin/keys/laptop")
        self.refused(await self.chat(new), 401, "invalid_api_key")

    async def test_models_and_endpoints_are_restricted(self) -> None:
        await self.open_with_keys()
        key = await self.key(models=["gemini-2.5-*"], endpoints=["chat"])
        self.assertEqual((await self.chat(key)).code, 200)
        error = self.refused(await self.chat(key, model="claude-x"), 403, "model_not_allowed")
        self.assertIn("gemini-2.5-*", error["message"])
        models = {each["id"] for each in (await self.get("/v1/models", key))["data"]}
        self.assertTrue(models)
        self.assertTrue(all(each.startswith("gemini-2.5-") for each in models), models)
        self.assertGreater(len((await self.get("/v1/models", OWN))["data"]), len(models))
        images = {"model": "gemini-2.5-flash-image", "prompt": "a cat"}
        response = await self.post("/v1/images/generations", key, images)
        self.refused(response, 403, "endpoint_not_allowed")

    async def test_upstreams_are_restricted(self) -> None:
        await self.open_with_keys()
        key = await self.key(upstreams=["another"])
        self.refused(await self.chat(key), 403, "upstream_not_allowed")
        await self.admin("PATCH", "/admin/keys/laptop", {"upstreams": ["codeassist"]})
        self.assertEqual((await self.chat(key)).code, 200)

    async def test_addresses_are_restricted(self) -> None:
        await self.open_with_keys()
        key = await self.key(addresses=["10.0.0.0/8"])
        self.refused(await self.chat(key), 403, "address_not_allowed")
        await self.admin("PATCH", "/admin/keys/laptop", {"addresses": ["127.0.0.1"]})
        self.assertEqual((await self.chat(key)).code, 200)

    async def test_error_has_the_form_of_the_clients_protocol(self) -> None:
        await self.open_with_keys()
        key = await self.key(models=["other-*"])
        body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        response = await self.post("/v1/messages", key, body, **{"anthropic-version": "2023-06-01"})
        self.assertEqual(response.code, 403)
        self.assertEqual(json.loads(response.body_text)["error"]["type"], "permission_error")

    async def test_operators_key_beside_it_does_not_end_its_limits(self) -> None:
        await self.open_with_keys()
        key = await self.key(models=["other-*"])
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        response = await self.post("/v1/chat/completions", OWN, body, **{"x-api-key": key})
        self.refused(response, 403, "model_not_allowed")

    async def test_without_authentication_an_invalid_key_is_not_as_good_as_none(self) -> None:
        await self.open(auth_mode="off")
        key = await self.key(models=["other-*"])
        self.refused(await self.chat(key), 403, "model_not_allowed")
        await self.admin("DELETE", "/admin/keys/laptop")
        self.refused(await self.chat(key), 401, "invalid_api_key")
        self.assertEqual((await self.chat("sk-anything")).code, 200)

    async def test_changed_file_is_in_force_after_a_reload(self) -> None:
        await self.open_with_keys()
        key = await self.key()
        file = self.home / FILE_NAME
        good = file.read_bytes()
        file.write_bytes(good.replace(b'"version"', b'"vers"'))
        assert self.gateway is not None
        await self.gateway.reload()
        self.refused(await self.chat(key), 401, "keys_unavailable")
        self.assertEqual((await self.chat(OWN)).code, 200)
        listed = await self.admin("GET", "/admin/keys")
        self.assertIn("damaged", listed["keys_problem"])
        await self.admin("POST", "/admin/keys", {"label": "other"}, status=409)
        file.write_bytes(good)
        await self.gateway.reload()
        self.assertEqual((await self.chat(key)).code, 200)

    async def test_wrong_rules_are_refused_by_name(self) -> None:
        await self.open_with_keys()
        for rules in ({"budgets": ["much"]}, {"requests_per_minute": 0}, {"expires": "soon"}):
            body = {"label": "laptop", **rules}
            error = await self.admin("POST", "/admin/keys", body, status=400)
            self.assertIn(next(iter(rules)), error["error"]["message"])
        await self.admin("DELETE", "/admin/keys/nobody", status=404)

    async def test_secret_is_in_no_list_file_or_record(self) -> None:
        await self.open_with_keys()
        key = await self.key()
        await self.chat(key)
        await self.chat(f"{key[:-4]}AAAA")
        listed = json.dumps(await self.admin("GET", "/admin/keys"))
        requests = json.dumps(await self.admin("GET", "/admin/requests"))
        assert self.gateway is not None
        await self.gateway.stopService()
        self.gateway = None
        files = b"".join(
            each.read_bytes() for each in self.home.rglob("*") if each.is_file()
        ).decode("latin-1")
        for text in (listed, requests, files):
            self.assertNotIn(key[6:-4], text)
        self.assertIn('"label": "laptop"', listed)
        self.assertIn("key_", requests)


class LimitTests(KeyCase):
    async def test_requests_per_minute_are_limited_and_reported(self) -> None:
        await self.open_with_keys()
        key = await self.key(requests_per_minute=2)
        first = await self.chat(key)
        self.assertEqual(header(first, "x-ratelimit-limit-requests"), "2")
        self.assertEqual(header(first, "x-ratelimit-remaining-requests"), "1")
        self.assertEqual(header(first, "x-ratelimit-reset-requests"), "1m5s")
        second = await self.chat(key, stream=True)
        self.assertEqual(header(second, "x-ratelimit-remaining-requests"), "0")
        third = await self.chat(key)
        self.refused(third, 429, "rate_limit_exceeded")
        self.assertEqual(header(third, "x-ratelimit-remaining-requests"), "0")
        self.assertTrue(1 <= int(header(third, "retry-after")) <= 65)
        self.assertEqual((await self.chat(OWN)).code, 200)

    async def test_anthropic_clients_get_anthropics_names(self) -> None:
        await self.open_with_keys()
        key = await self.key(requests_per_minute=5, tokens_per_minute=10_000)
        body = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        for stream in (False, True):
            response = await self.post("/v1/messages", key, {**body, "stream": stream})
            self.assertEqual(response.code, 200, response.body_text)
            self.assertEqual(header(response, "anthropic-ratelimit-requests-limit"), "5")
            self.assertEqual(header(response, "anthropic-ratelimit-tokens-limit"), "10000")
            self.assertTrue(header(response, "anthropic-ratelimit-tokens-reset").endswith("Z"))

    async def test_tokens_are_settled_with_the_real_usage(self) -> None:
        await self.open_with_keys()
        key = await self.key(tokens_per_minute=1000)
        response = await self.chat(key)
        used = json.loads(response.body_text)["usage"]["total_tokens"]
        limits = (await self.get("/v1/usage", key))["limits"]
        self.assertEqual(limits, [
            {"unit": "tokens", "per": "minute", "limit": 1000, "remaining": 1000 - used}
        ])  # fmt: skip
        large = await self.chat(key, "x" * 8000)
        self.refused(large, 429, "request_too_large_for_limit")
        self.assertEqual(header(large, "x-should-retry"), "false")

    async def test_parallel_requests_are_limited_until_one_ends(self) -> None:
        await self.open_with_keys()
        key = await self.key(parallel_requests=1)
        slow: Deferred[Any] = Deferred.fromCoroutine(self.chat(key, "[[delay 10m]] slow"))
        slow.addErrback(lambda failure: failure.trap(CancelledError, ResponseNeverReceived))
        gateway = self.gateway
        assert gateway is not None
        await eventually(lambda: gateway.requests == 1)
        self.refused(await self.chat(key), 429, "parallel_limit_exceeded")
        self.assertEqual((await self.chat(OWN)).code, 200)
        slow.cancel()  # the client goes away
        await eventually(lambda: gateway.requests == 0)
        self.assertEqual((await self.chat(key)).code, 200)


class FairnessTests(KeyCase):
    async def test_key_with_many_requests_does_not_delay_another(self) -> None:
        scheduling = SchedulingSettings(max_concurrency=1, max_wait_seconds=300.0)
        await self.open_with_keys(scheduling=scheduling)
        busy, other = await self.key("busy"), await self.key("other")
        gateway = self.gateway
        assert gateway is not None
        finished = 0

        async def ask(number: int) -> None:
            nonlocal finished
            done = await self.chat(busy, f"[[delay 30ms]] {number}")
            self.assertEqual(done.code, 200, done.body_text)
            finished += 1

        many = gatherResults([Deferred.fromCoroutine(ask(each)) for each in range(20)])
        await eventually(lambda: gateway.requests == 20 - finished and finished)
        before = finished
        self.assertEqual((await self.chat(other)).code, 200)
        # One of the busy key's requests was running, and one more may have had its turn.
        self.assertLessEqual(finished - before, 3)
        await many


class BudgetTests(KeyCase):
    async def test_budget_is_reserved_and_settled(self) -> None:
        await self.open_with_keys()
        key = await self.key(budgets=["1.00/day", "2.00/total"])
        self.assertEqual((await self.chat(key, max_tokens=1000)).code, 200)
        usage = await self.get("/v1/usage", key)
        day, total = usage["budgets"]
        self.assertGreater(day["spent"], 0)
        self.assertLess(day["spent"], 0.001)
        self.assertEqual((day["reserved"], day["spent"]), (0, total["spent"]))
        self.assertIsNone(total["resets_at"])
        await self.get("/v1/usage", OWN, status=404)

    async def test_request_that_may_cost_more_is_refused_with_the_numbers(self) -> None:
        await self.open_with_keys()
        key = await self.key(budgets=["0.01/day"])
        refused = await self.chat(key)
        error = self.refused(refused, 429, "budget_exceeded")
        self.assertIn("$0.01 is left", error["message"])
        self.assertIn("It is full again at", error["message"])
        self.assertEqual(header(refused, "x-should-retry"), "false")
        self.assertFalse(refused.headers.hasHeader("retry-after"))
        self.assertEqual((await self.chat(key, max_tokens=100)).code, 200)

    async def test_parallel_requests_cannot_overspend(self) -> None:
        await self.open_with_keys()
        # Each request reserves its largest cost: 1000 tokens of output at $2.50 per million.
        key = await self.key(budgets=["0.0085/day"])
        done = await gatherResults(
            [
                Deferred.fromCoroutine(self.chat(key, f"{each}", max_tokens=1000))
                for each in range(40)
            ]
        )
        codes = [each.code for each in done]
        self.assertIn(429, codes)
        self.assertIn(200, codes)
        budget = (await self.get("/v1/usage", key))["budgets"][0]
        self.assertLessEqual(budget["spent"], budget["limit"])
        self.assertEqual(budget["reserved"], 0)

    async def test_spending_outlives_a_restart(self) -> None:
        await self.open_with_keys()
        key = await self.key(budgets=["1.00/month"])
        await self.chat(key, max_tokens=1000)
        before = (await self.get("/v1/usage", key))["budgets"]
        assert self.gateway is not None
        await self.gateway.stopService()
        await self.run_gateway()
        self.assertEqual((await self.get("/v1/usage", key))["budgets"], before)

    async def test_model_without_a_price_is_refused_unless_allowed(self) -> None:
        await self.open_with_keys()
        key = await self.key(budgets=["1.00/day"])
        model = "gemini-3-flash"
        self.refused(await self.chat(key, model=model), 403, "model_without_price")
        await self.admin("PATCH", "/admin/keys/laptop", {"unpriced": "allow"})
        self.assertEqual((await self.chat(key, model=model)).code, 200)


class KeyPageTests(KeyCase):
    """Changes keys as a browser without scripts does."""

    async def change(self, path: str, **form: str) -> Any:
        form["csrf"] = await self.csrf()
        return await self.fetch(f"/dashboard/keys/{path}", "POST", form)

    def secret_in(self, response: Any) -> str:
        self.assertEqual(response.code, 200, response.text)
        self.assertIn("no-store", response.header("cache-control"))
        found = re.search(r"<pre>(sk-ag-[\w-]+)</pre>", response.text)
        assert found is not None
        return found[1]

    async def test_key_is_made_edited_rotated_and_removed(self) -> None:
        await self.open_with_keys()
        rules = {"models": "gemini-*, claude-*", "requests_per_minute": "3", "unpriced": "refuse"}
        key = self.secret_in(await self.change("add", label="laptop", **rules))
        self.assertEqual((await self.chat(key)).code, 200)
        page = await self.page("/dashboard/keys")
        self.assertIn("models gemini-*, claude-*; 3 requests/min", page)
        self.assertNotIn(key, page)
        name = (await self.admin("GET", "/admin/keys"))["keys"][-1]["id"]
        self.assertIn('value="gemini-*, claude-*"', await self.page(f"/dashboard/keys/{name}/edit"))
        done = await self.change(f"{name}/edit", label="desk", models="other-*")
        self.assertEqual(done.code, 303, done.text)
        self.assertIn("The key desk is changed.", await self.page("/dashboard/keys"))
        self.refused(await self.chat(key), 403, "model_not_allowed")
        new = self.secret_in(await self.change(f"{name}/rotate"))
        self.refused(await self.chat(new), 403, "model_not_allowed")
        self.assertEqual((await self.change(f"{name}/disable")).code, 303)
        self.refused(await self.chat(new), 401, "key_disabled")
        self.assertIn("Remove the key desk?", await self.page(f"/dashboard/keys/{name}/remove"))
        self.assertEqual((await self.change(f"{name}/remove")).code, 303)
        self.refused(await self.chat(new), 401, "invalid_api_key")

    async def test_wrong_value_shows_the_form_again(self) -> None:
        await self.open_with_keys()
        evil = '"><script>alert(1)</script>'
        for rules in ({"budgets": evil}, {"requests_per_minute": evil}, {"endpoints": evil}):
            response = await self.change("add", label="laptop", **rules)
            self.assertEqual(response.code, 400)
            self.assertIn("&lt;script&gt;", response.text)
            self.assertNotIn("<script>alert", response.text)
        self.assertNotIn("laptop", await self.page("/dashboard/keys"))

    async def test_form_needs_the_token_of_the_session(self) -> None:
        await self.open_with_keys()
        response = await self.fetch("/dashboard/keys/add", "POST", {"label": "laptop"})
        self.assertEqual(response.code, 403)
        self.cookie = ""
        response = await self.fetch("/dashboard/keys/add", "POST", {"label": "laptop"})
        self.assertEqual(response.code, 401)
        self.assertFalse((self.home / FILE_NAME).exists())
