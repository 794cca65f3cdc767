"""Quotas of accounts, for upstreams that report them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

from antigravity.interfaces.upstreams import Credential

#: The subscription of an account; empty if the upstream does not report it.
Tier = Literal["ULTRA", "PRO", "FREE", ""]


class ModelQuota(Struct, frozen=True, omit_defaults=True):
    """The remaining fraction (0 to 1) of one model's quota, and its reset time since the epoch."""

    fraction: float | None = None
    reset: float | None = None

    def remaining(self, now: float) -> float | None:
        """Return the remaining fraction; ``None`` if it is not known or the quota was reset."""
        return None if self.reset is not None and self.reset <= now else self.fraction


class Quota(Struct, frozen=True):
    """The quotas of an account, as its upstream reported them at ``fetched``.

    ``plan`` is the upstream's own name of the tier.  ``renamed`` maps old model names to new ones.
    """

    fetched: float
    tier: Tier = ""
    plan: str = ""
    models: Mapping[str, ModelQuota] = {}
    renamed: Mapping[str, str] = {}

    def remaining(self, model: str, now: float) -> float | None:
        """Return the remaining fraction of a model's quota, if it is known."""
        found = self.models.get(model) or self.models.get(self.renamed.get(model, ""))
        return None if found is None else found.remaining(now)


class IQuotaSource(Interface):
    """An upstream that reports the quotas of its accounts."""

    def quota(credential: Credential) -> Deferred[Quota]:
        """Return a Deferred that fires with the quotas, or fails with a ``GatewayError``."""
