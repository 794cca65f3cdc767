"""The errors for models that no upstream serves, with the line that maps them.  Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Sequence
from typing import Final

from antigravity.routing.decision import UpstreamEntry

#: The number of similar models that a message names.
_SUGGESTIONS: Final = 3
#: How similar they are at least, from 0 to 1.
_SIMILAR: Final = 0.5
#: The longest name that is repeated in a message.
_LONGEST: Final = 100


def nearest_models(requested: str, names: Collection[str]) -> list[str]:
    """Return the names that are most similar to a requested one, the best first.

    A provider's name before a slash does not count.
    """
    bare: dict[str, str] = {}
    for name in names:
        bare.setdefault(name.rpartition("/")[2].lower(), name)
    wanted = requested[:_LONGEST].rpartition("/")[2].lower()
    found = difflib.get_close_matches(wanted, list(bare), _SUGGESTIONS, _SIMILAR)
    return [bare[each] for each in found]


def unserved_message(
    requested: str, names: Collection[str], entries: Sequence[UpstreamEntry]
) -> str:
    """Return the message for a model that no upstream has.

    :param names: the models that can be served.
    """
    shown = requested[:_LONGEST]
    near = nearest_models(requested, names)
    parts = [f"The model {shown!r} is not available here."]
    if near:
        parts.append(f"The nearest available ones are {', '.join(near)}.")
    parts.append("GET /v1/models lists all; [routing] fallback_model serves unknown names.")
    parts += [hint for entry in entries if (hint := _dispatch_hint(entry, requested))]
    name, target = (
        json.dumps(each, ensure_ascii=False) for each in (shown, near[0] if near else "MODEL")
    )
    which = "this line" if near else "a line such as this"
    parts.append(f"To map it, put {which} below [proxy.custom_mapping]: {name} = {target}")
    return " ".join(parts)


def exclusive_message(requested: str, protocol: str, exclusive: UpstreamEntry) -> str:
    """Return the message for a model that the only upstream for a protocol does not have."""
    name = exclusive.upstream.name
    message = (
        f"The model {requested[:_LONGEST]!r} belongs to another upstream, but {name} alone serves "
        f"requests in the protocol {protocol}."
    )
    if exclusive.dispatch_mode:
        message += (
            f' That is because proxy.zai.dispatch_mode is "{exclusive.dispatch_mode}"; "pooled" or '
            '"fallback" lets the other upstreams serve, too.'
        )
    return message


def _dispatch_hint(entry: UpstreamEntry, requested: str) -> str:
    """Return what z.ai's dispatch mode has to do with an unserved Claude model."""
    if entry.dispatch_mode != "off" or not requested.startswith("claude-"):
        return ""
    return (
        f'{entry.upstream.name} does not replace it, because proxy.zai.dispatch_mode is "off"; '
        '"pooled", "fallback" or "exclusive" lets it.'
    )
