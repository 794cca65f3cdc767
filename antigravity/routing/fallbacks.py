"""Which models serve in the place of one that cannot be had now: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antigravity.routing.patterns import matches, specificity


def fallbacks_for(table: Mapping[str, Sequence[str]], *names: str) -> Sequence[str]:
    """Return the models that a table has for a model, best first.

    ``names`` are what it is called, the client's word for it first.  An exact entry beats a
    pattern; among patterns the one with the most literal characters wins.
    """
    for name in names:
        found = [pattern for pattern in table if matches(pattern, name)]
        if found:
            return table[max(found, key=specificity)]
    return ()
