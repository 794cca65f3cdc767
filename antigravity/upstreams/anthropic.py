"""Anthropic's Messages API, at Anthropic and at compatible providers such as z.ai.

A quirk of an upstream that is used here:

``client_user_agent``  it requires the ``User-Agent`` of the client
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.upstreams import Credential, IUpstreamKind, UpstreamOperation
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.base import HeaderPairs, HttpUpstream
from antigravity.upstreams.services import UpstreamServices

DEFAULT_VERSION: Final = "2023-06-01"

#: The version of the API from which on it has no sampling parameters, for any model.
WITHOUT_SAMPLING: Final = "2026-10-21"

#: The beginning of all headers of the API; new ones come with releases of its clients.
_API_HEADERS: Final = "anthropic-"

CLIENT_USER_AGENT: Final = "client_user_agent"

#: The prefix of OAuth tokens, which the API accepts as Bearer only, and keys as ``x-api-key``.
_OAUTH_PREFIX: Final = "sk-ant-oat"

_PATHS: Final = {
    "generate": ("/v1/messages", ""),
    "stream": ("/v1/messages", ""),
    "count_tokens": ("/v1/messages/count_tokens", ""),
    "list_models": ("/v1/models", "limit=1000"),
}


class AnthropicUpstream(HttpUpstream):
    """A server with Anthropic's paths; its base address can end with ``/v1``."""

    kind = "anthropic"
    default_urls = ("https://api.anthropic.com",)

    def __init__(self, settings: UpstreamSettings, services: UpstreamServices) -> None:
        super().__init__(settings, services, ("anthropic",))
        self._betas = self._extra.pop("anthropic-beta", "")
        if self._extra.get("anthropic-version", "") >= WITHOUT_SAMPLING:
            self.quirks |= {"no_sampling"}

    def _normal(self, base: BaseUrl) -> BaseUrl:
        return base.without("/v1")

    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        if protocol != "anthropic":
            raise self._no_operation(operation, protocol)
        return _PATHS[operation]

    def _authorization(self, credential: Credential, base: BaseUrl) -> HeaderPairs:
        scheme = self._settings.auth
        if scheme == "auto":
            scheme = "bearer" if credential.secret.startswith(_OAUTH_PREFIX) else "x-api-key"
        if scheme == "bearer":
            return (("authorization", f"Bearer {credential.secret}"),)
        return (("x-api-key", credential.secret),)

    def _forwarded(self, headers: Mapping[str, str]) -> HeaderPairs:
        """Return the client's headers to forward: all of the API, also those not known yet."""
        forwarded = {"anthropic-version": headers.get("anthropic-version") or DEFAULT_VERSION}
        for name, value in headers.items():
            if name.startswith(_API_HEADERS) and value:
                forwarded[name] = value
        if self._betas:
            forwarded["anthropic-beta"] = _with(forwarded.get("anthropic-beta", ""), self._betas)
        if CLIENT_USER_AGENT in self.quirks and (agent := headers.get("user-agent")):
            forwarded["user-agent"] = agent
        return tuple(forwarded.items())


def _with(betas: str, more: str) -> str:
    """Return a comma-separated list as it is, with those names of another that it lacks."""
    known = {name.strip() for name in betas.split(",")}
    names = dict.fromkeys(name.strip() for name in more.split(","))
    missing = [name for name in names if name and name not in known]
    return ",".join((betas, *missing) if betas else missing)


@implementer(IUpstreamKind)
class AnthropicKind:
    """Builds upstreams of kind ``anthropic``."""

    kind = "anthropic"
    description = "Anthropic's Messages API, or a compatible base URL"

    def build(self, settings: object, services: object) -> AnthropicUpstream:
        """Return the upstream for one ``[upstreams.NAME]`` table."""
        assert isinstance(settings, UpstreamSettings)
        assert isinstance(services, UpstreamServices)
        return AnthropicUpstream(settings, services)
