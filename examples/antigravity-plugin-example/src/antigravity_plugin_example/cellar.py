"""A kind of upstream: a server that speaks chat completions and requires a header."""

from __future__ import annotations

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.upstreams import IUpstream, IUpstreamKind
from antigravity.upstreams.openai import OpenAIKind
from antigravity.upstreams.services import UpstreamServices


@implementer(IUpstreamKind)
class CellarKind:
    kind = "cellar"
    description = "The server in the cellar"

    def build(self, settings: UpstreamSettings, services: UpstreamServices) -> IUpstream:
        changed = replace(
            settings,
            base_url=settings.base_url or "http://127.0.0.1:11434/v1",
            apis=["chat"],
            headers={"X-From": "upstairs", **settings.headers},
        )
        upstream: IUpstream = OpenAIKind().build(changed, services)
        return upstream
