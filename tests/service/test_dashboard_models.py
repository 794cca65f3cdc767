"""The page of models and routes: lists, explanations, and the editor of rules."""

from __future__ import annotations

from html import unescape

from tests.service.dashboard_fixture import Browser
from tests.service.file_fixture import TEXT, FileCase

MODELS = "/dashboard/models"
SCRIPT = '"><script>alert(1)</script>'


class ModelPageTests(Browser, FileCase):
    async def open(self, text: str = TEXT) -> None:
        """Start a gateway, and sign in."""
        await self.start(text)
        await self.sign_in()

    async def test_models_are_listed_and_found_by_name(self) -> None:
        await self.open()
        listed = await self.page(MODELS)
        self.assertIn("claude-sonnet-4-5", listed)
        self.assertIn("demo-anthropic", listed)
        found = await self.page(f"{MODELS}?find=FLASH&upstream=demo-gemini_api")
        self.assertIn('model=gemini-2.5-flash"', found)
        self.assertNotIn('model=claude-sonnet-4-5"', found)
        self.assertIn("No model matches", await self.page(f"{MODELS}?find=moon"))

    async def test_model_is_explained_with_reasons_and_capabilities(self) -> None:
        await self.open()
        shown = await self.page(f"{MODELS}?model=old-1&protocol=anthropic")
        self.assertIn("old-1 goes to gemini-2.5-flash", shown)
        self.assertIn("custom_mapping: old-*", shown)
        self.assertIn("not used", shown)
        self.assertIn("it lists the model", shown)
        self.assertIn("context_window", shown)
        self.assertIn("translated to", shown)

    async def test_model_that_nobody_serves_is_explained(self) -> None:
        await self.open()
        shown = await self.page(f"{MODELS}?model=no-such-model")
        self.assertIn("no-such-model", shown)
        self.assertRegex(shown, "not served|not available|not used")

    async def test_rules_are_tried_without_a_change(self) -> None:
        await self.open()
        form = {
            "csrf": await self.csrf(),
            "mapping": "gemini-2.5-* -> claude-sonnet-4-5\r\nx -> nobody\r\n",
            "fallbacks": "gpt-* -> gemini-2.5-flash, nobody",
            "protocol": "openai_chat",
        }
        shown = await self.fetch(f"{MODELS}/try", "POST", form)
        self.assertEqual(shown.code, 200)
        self.assertIn("models would go elsewhere", shown.text)
        self.assertIn("nowhere", shown.text)
        self.assertIn("gemini-2.5-* -> claude-sonnet-4-5", unescape(shown.text))
        self.assertEqual(self.file.read_text(), TEXT)

    async def test_rules_are_written(self) -> None:
        await self.open()
        form = {"csrf": await self.csrf(), "mapping": "a→claude-sonnet-4-5", "fallbacks": ""}
        done = await self.fetch(f"{MODELS}/rules", "POST", form)
        self.assertEqual(done.code, 303, done.text)
        shown = await self.page(done.header("location"))
        self.assertIn("are written to", shown)
        self.assertIn("a -> claude-sonnet-4-5", unescape(shown))
        self.assertIn('a = "claude-sonnet-4-5"', self.file.read_text())

    async def test_wrong_rules_stay_in_the_form_with_their_problem(self) -> None:
        await self.open()
        csrf = await self.csrf()
        for text, problem in (
            ("a -> b\nmoon", "Line 2 is not a rule"),
            ("a -> b\na -> c", "Line 2 repeats"),
            ("a -> *", "without a wildcard"),
        ):
            form = {"csrf": csrf, "mapping": text, "fallbacks": "", "protocol": "openai_chat"}
            refused = await self.fetch(f"{MODELS}/rules", "POST", form)
            self.assertIn(refused.code, (400, 409))
            self.assertIn(problem, unescape(refused.text))
            self.assertIn(text, unescape(refused.text))
            tried = await self.fetch(f"{MODELS}/try", "POST", form)
            self.assertIn(problem, unescape(tried.text))
        form = {"csrf": csrf, "mapping": "", "protocol": SCRIPT}
        self.assertIn(
            "not the protocol of a client", (await self.fetch(f"{MODELS}/try", "POST", form)).text
        )
        self.assertEqual(self.file.read_text(), TEXT)

    async def test_changes_need_the_token_of_the_session(self) -> None:
        await self.open()
        for path in ("try", "rules"):
            refused = await self.fetch(f"{MODELS}/{path}", "POST", {"mapping": "a -> b"})
            self.assertEqual(refused.code, 403)

    async def test_names_are_escaped(self) -> None:
        await self.open()
        form = {
            "csrf": await self.csrf(),
            "mapping": f"{SCRIPT} -> {SCRIPT}",
            "fallbacks": f"{SCRIPT} -> {SCRIPT}",
            "protocol": "openai_chat",
        }
        shown = [(await self.fetch(f"{MODELS}/try", "POST", form)).text]
        self.assertIn("&lt;script&gt;", shown[0])
        done = await self.fetch(f"{MODELS}/rules", "POST", form)
        self.assertEqual(done.code, 303, done.text)
        script = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
        for field in ("model", "find", "upstream", "done"):
            shown.append((await self.fetch(f"{MODELS}?{field}={script}")).text)
        for text in shown:
            self.assertNotIn("<script>alert", text)
