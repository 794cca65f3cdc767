"""A gateway that demands keys, and requests with them."""

from __future__ import annotations

import json
from typing import Any

import treq

from antigravity.config.secret import Secret
from tests.service.account_fixture import MODEL
from tests.service.dashboard_fixture import ADMIN, DashboardCase

OWN = "sk-own-key-of-the-operator"


class KeyCase(DashboardCase):
    async def open_with_keys(self, *secrets: str, **proxy: Any) -> None:
        """Start a gateway that demands a key."""
        await self.open(*secrets, **{"api_key": Secret(OWN), "auth_mode": "strict", **proxy})

    async def admin(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """Return the JSON of an admin request."""
        response = await treq.request(
            method,
            self.address + path,
            json=body,
            headers={"Authorization": f"Bearer {ADMIN}"},
            persistent=False,
        )
        text = await response.text()
        self.assertEqual(response.code, status, text)
        return json.loads(text)

    async def key(self, label: str = "laptop", **rules: Any) -> str:
        """Make a key."""
        made = await self.admin("POST", "/admin/keys", {"label": label, **rules})
        secret: str = made["key"]
        return secret

    async def chat(self, key: str, text: str = "hi", model: str = MODEL, **more: Any) -> Any:
        """Send a request, and return the response with its ``text``."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return await self.post("/v1/chat/completions", key, body)

    async def post(self, path: str, key: str, body: Any, **headers: str) -> Any:
        response = await treq.post(
            self.address + path,
            json=body,
            headers={"Authorization": f"Bearer {key}", **headers},
            persistent=False,
        )
        response.body_text = await response.text()
        return response

    async def get(self, path: str, key: str, status: int = 200) -> Any:
        response = await treq.get(
            self.address + path, headers={"Authorization": f"Bearer {key}"}, persistent=False
        )
        text = await response.text()
        self.assertEqual(response.code, status, text)
        return json.loads(text)

    def refused(self, response: Any, status: int, code: str) -> Any:
        self.assertEqual(response.code, status, response.body_text)
        error = json.loads(response.body_text)["error"]
        self.assertEqual(error["code"], code)
        return error
