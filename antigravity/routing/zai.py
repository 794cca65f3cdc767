"""The routing settings that z.ai's dispatch mode and model mapping imply.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.config.settings import ZaiSettings
from antigravity.interfaces.upstreams import IUpstream
from antigravity.routing.decision import UpstreamEntry

#: The prefix of a model name that selects z.ai.
PREFIX: Final = "zai:"
#: The protocol for which z.ai can be the only upstream.
PROTOCOL: Final = "anthropic"


def zai_entry(settings: ZaiSettings, upstream: IUpstream, others: Sequence[int]) -> UpstreamEntry:
    """Return the entry of z.ai; ``others`` are the priorities of the other upstreams.

    Its own models are served in every mode.  In other modes than ``off`` it replaces models of
    others: ``exclusive`` before all other upstreams, and as the only one for its protocol;
    ``pooled`` at the same priority; ``fallback`` after all others.
    """
    models = settings.models
    known = (models.opus, models.sonnet, models.haiku, *settings.model_mapping.values())
    mode = settings.dispatch_mode if settings.enabled else "off"
    own = UpstreamEntry(
        upstream,
        dispatch_mode=mode,
        families=frozenset({"glm"}),
        prefix=PREFIX,
        known_models=tuple(dict.fromkeys(known)),
    )
    if mode == "off":
        return own
    entry = replace(own, model_mapping=_mapping(settings))
    match mode:
        case "exclusive":
            first = min((0, *others)) - 1
            return replace(entry, priority=first, exclusive_protocols=frozenset({PROTOCOL}))
        case "fallback":
            return replace(entry, priority=max((0, *others)) + 1)
    return replace(entry, shares_priority=True)


def _mapping(settings: ZaiSettings) -> dict[str, str]:
    """Return the models of z.ai by the patterns of models that they replace."""
    return {
        "claude-*": settings.models.sonnet,
        "claude-*sonnet*": settings.models.sonnet,
        "claude-*opus*": settings.models.opus,
        "claude-*haiku*": settings.models.haiku,
        **settings.model_mapping,
    }
