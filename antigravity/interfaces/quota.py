"""What is left of an account, where its upstream tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

from antigravity.interfaces.upstreams import Credential

#: What an account's owner pays; empty where the upstream doesn't tell.
Tier = Literal["ULTRA", "PRO", "FREE", ""]


class ModelQuota(Struct, frozen=True, omit_defaults=True):
    """What is left of one model: a fraction from 0 to 1, until a time in seconds since 1970."""

    fraction: float | None = None
    reset: float | None = None

    def left(self, now: float) -> float | None:
        """Return the fraction that is left; ``None`` where it isn't known or no more true."""
        return None if self.reset is not None and self.reset <= now else self.fraction


class Quota(Struct, frozen=True):
    """What an upstream told of an account, and when.

    ``plan`` is the upstream's own name of the tier.  ``renamed`` leads from old names of
    models to new ones.
    """

    fetched: float
    tier: Tier = ""
    plan: str = ""
    models: Mapping[str, ModelQuota] = {}
    renamed: Mapping[str, str] = {}

    def left(self, model: str, now: float) -> float | None:
        """Return the fraction that is left of a model, if it is known."""
        found = self.models.get(model) or self.models.get(self.renamed.get(model, ""))
        return None if found is None else found.left(now)


class IQuotaSource(Interface):
    """An upstream that tells what is left of its accounts."""

    def quota(credential: Credential) -> Deferred[Quota]:
        """Return a Deferred that fires with what the upstream tells now.

        It fails with a ``GatewayError``.
        """
