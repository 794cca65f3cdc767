"""A gateway that gets requests of the Responses API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import GatewayUnderTest, start_gateway

reactor: Any = default_reactor


class ItemsCase(TestCase):
    """A gateway with the demo's upstreams."""

    gateway: GatewayUnderTest

    async def start(self) -> None:
        self.gateway = gateway = await start_gateway(
            reactor, Path(self.mktemp()), config="[proxy]\ndebug_headers = true\n"
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))

    async def post(self, model: str, body: dict[str, Any]) -> tuple[Any, str, Any]:
        """Return the response, its warnings, and the body that the upstream got."""
        self.gateway.simulator.log.clear()
        answer = await self.gateway.request("POST", "/v1/responses", {"model": model, **body})
        self.assertEqual(answer.status, 200, f"{model} {body}: {answer.text}")
        bodies = [each.body for each in self.gateway.simulator.log]
        (sent,) = [each for each in bodies if "Go on." in json.dumps(each)]
        return answer.json(), answer.headers.get("x-antigravity-warnings", ""), sent
