"""What z.ai's dispatch mode and mapping mean for routing: pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.config.settings import ZaiSettings
from antigravity.interfaces.upstreams import IUpstream
from antigravity.routing.router import UpstreamEntry

#: Before a model's name, it asks z.ai for the model.
PREFIX: Final = "zai:"
#: The protocol of the clients that z.ai is for, and may be the only upstream for.
PROTOCOL: Final = "anthropic"


def zai_entry(settings: ZaiSettings, upstream: IUpstream, others: Sequence[int]) -> UpstreamEntry:
    """Return z.ai in its short form; ``others`` are the ranks of the other upstreams.

    Its own models it serves in any mode, for there may be an account for it.  Those of others
    it stands in for unless it is ``off``: ``exclusive`` before all others, and for its protocol
    without them; ``pooled`` among them; ``fallback`` behind them all.
    """
    models = settings.models
    known = (models.opus, models.sonnet, models.haiku, *settings.model_mapping.values())
    own = UpstreamEntry(
        upstream,
        families=frozenset({"glm"}),
        prefix=PREFIX,
        known_models=tuple(dict.fromkeys(known)),
    )
    mode = settings.dispatch_mode if settings.enabled else "off"
    if mode == "off":
        return own
    entry = replace(own, model_mapping=_mapping(settings))
    match mode:
        case "exclusive":
            first = min((0, *others)) - 1
            return replace(entry, rank=first, sole_for=frozenset({PROTOCOL}))
        case "fallback":
            return replace(entry, rank=max((0, *others)) + 1)
    return replace(entry, shares=True)


def _mapping(settings: ZaiSettings) -> dict[str, str]:
    """Return which of z.ai's models takes the place of which other."""
    return {
        "claude-*": settings.models.sonnet,
        "claude-*sonnet*": settings.models.sonnet,
        "claude-*opus*": settings.models.opus,
        "claude-*haiku*": settings.models.haiku,
        **settings.model_mapping,
    }
