"""The OpenAPI document of a running gateway describes exactly what the gateway serves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import treq
from jsonschema import Draft202012Validator
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings
from antigravity.plugins import PluginHost

KEY = "sk-admin"
JSON = "application/json"
PREFIXES = ("/admin/", "/internal/")


class AdminDocumentTests(TestCase):
    """A demo gateway, its document, and its real routes and responses."""

    async def start(self) -> None:
        proxy = ProxySettings(listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(KEY))
        host = PluginHost()
        host.load(installed=False)
        self.gateway = Gateway(reactor, Settings(proxy), Path(self.mktemp()), host, demo=True)
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()
        self.document = json.loads(await self.get("/admin/openapi.json"))

    async def get(self, path: str) -> bytes:
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.get(
            f"http://127.0.0.1:{port}{path}", headers={"x-api-key": KEY}, persistent=False
        )
        self.assertEqual(response.code, 200, path)
        return await response.content()

    def operations(self) -> Iterator[tuple[str, str, Any]]:
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def served(self) -> Iterator[tuple[str, str]]:
        """Yield method and path of every route of the operator that Klein knows."""
        assert self.gateway.parts is not None
        for rule in self.gateway.parts.front_end.site.resource._app.url_map.iter_rules():
            if rule.rule.startswith(PREFIXES):
                path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
                for method in (rule.methods or {"*"}) - {"HEAD", "OPTIONS"}:
                    yield method, path

    def validator(self, schema: Any) -> Draft202012Validator:
        """Return a validator of a schema that refers to the components of the document."""
        return Draft202012Validator({**schema, "components": self.document["components"]})

    async def test_document_lists_exactly_the_routes_that_are_served(self) -> None:
        await self.start()
        described = {(method, path) for method, path, _ in self.operations()}
        self.assertEqual(described, set(self.served()))
        self.assertIn(("GET", "/admin/status"), described)

    async def test_every_name_in_a_path_is_explained(self) -> None:
        await self.start()
        unexplained = [
            (method, path, each["name"])
            for method, path, operation in self.operations()
            for each in operation.get("parameters", ())
            if each["in"] == "path" and "description" not in each
        ]
        self.assertEqual(unexplained, [])

    async def test_all_schemas_are_valid_and_complete(self) -> None:
        await self.start()
        schemas = self.document["components"]["schemas"]
        for name, schema in schemas.items():
            Draft202012Validator.check_schema(schema)
            self.assertIn("description", schema, f"{name} has no docstring")
        text = json.dumps(self.document)
        self.assertEqual(set(re.findall(r"#/components/schemas/(\w+)", text)), set(schemas))
        self.assertNotIn(KEY, text)

    async def test_responses_match_their_schemas(self) -> None:
        await self.start()
        for method, path, operation in self.operations():
            content = operation["responses"]["200"]["content"]
            if method != "GET" or "{" in path or "schema" not in content.get(JSON, {}):
                continue
            if path == "/admin/configuration/text":  # there is no file
                continue
            needed = [each["name"] for each in operation.get("parameters", ()) if each["required"]]
            values = {"model": "claude-sonnet-5"}
            query = "&".join(f"{name}={values[name]}" for name in needed)
            value = json.loads(await self.get(f"{path}?{query}"))
            self.validator(content[JSON]["schema"]).validate(value)

    async def test_errors_match_their_schema(self) -> None:
        await self.start()
        assert self.gateway.listener is not None
        port = self.gateway.listener.ports[0].getHost().port
        response = await treq.get(f"http://127.0.0.1:{port}/admin/status", persistent=False)
        self.assertEqual(response.code, 401)
        schema = self.document["components"]["schemas"]["Error"]
        self.validator(schema).validate(await treq.json_content(response))
