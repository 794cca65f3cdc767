"""The kind of upstream ``codeassist``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.upstreams import IUpstreamKind
from antigravity.upstreams.services import UpstreamServices

if TYPE_CHECKING:
    from antigravity.upstreams.codeassist.upstream import CodeAssistUpstream


@implementer(IUpstreamKind)
class CodeAssistKind:
    """Builds upstreams of kind ``codeassist``."""

    kind = "codeassist"
    description = "Google Code Assist accounts, with an OAuth client of your own"

    def build(self, settings: object, services: object) -> CodeAssistUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table."""
        from antigravity.upstreams.codeassist.upstream import CodeAssistUpstream

        assert isinstance(settings, UpstreamSettings)
        assert isinstance(services, UpstreamServices)
        return CodeAssistUpstream(settings, services)
