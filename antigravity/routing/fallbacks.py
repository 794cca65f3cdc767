"""The fallback models of a model.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antigravity.routing.patterns import matches, specificity


def fallbacks_for(table: Mapping[str, Sequence[str]], *names: str) -> Sequence[str]:
    """Return the fallback models in a table for a model, best first.

    ``names`` are the names of the model, the client's first.  An exact entry wins over a pattern,
    and the pattern with the most literal characters wins over others.
    """
    for name in names:
        found = [pattern for pattern in table if matches(pattern, name)]
        if found:
            return table[max(found, key=specificity)]
    return ()
