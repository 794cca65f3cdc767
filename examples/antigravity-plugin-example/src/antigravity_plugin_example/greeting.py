"""A warm-up filter: greetings of the client that the settings name need no model."""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from antigravity.interfaces.interception import IWarmupFilter
from antigravity.ir.parts import Text
from antigravity.ir.request import Request


@implementer(IWarmupFilter)
class GreetingFilter:
    name = "greeting"
    marks = (b"Good morning!",)

    def __init__(self, client: str) -> None:
        self._client = client

    def may_match(self, headers: Mapping[str, str]) -> bool:
        return headers.get("user-agent", "").startswith(f"{self._client}/")

    def matches(self, request: Request, headers: Mapping[str, str]) -> bool:
        return request.messages[-1].parts == (Text("Good morning!"),)
