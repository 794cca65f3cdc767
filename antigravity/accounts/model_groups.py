"""Groups of models that draw on one quota: from a data file, and from the settings.  Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from antigravity.routing.patterns import matches, specificity

#: The number of cached model names; clients can send any name.
_CACHED: Final = 4096


@cache
def shipped_groups() -> Mapping[str, Sequence[str]]:
    """Return the groups that come with the gateway."""
    text = files("antigravity.accounts").joinpath("model_groups.toml").read_text("utf-8")
    groups: dict[str, list[str]] = tomllib.loads(text)["groups"]
    return groups


class ModelGroups:
    """The shipped groups, extended or replaced by those of the settings.

    A name that is not a group is a pattern of model names.
    """

    def __init__(self, own: Mapping[str, Sequence[str]]) -> None:
        groups = {**shipped_groups(), **own}
        self._names = frozenset(groups)
        self._patterns = sorted(
            ((pattern, name) for name, patterns in groups.items() for pattern in patterns),
            key=lambda entry: specificity(entry[0]),
            reverse=True,
        )
        self._known: dict[str, str] = {}

    def group_of(self, model: str) -> str:
        """Return the group of a model, empty if it is in none."""
        known = self._known.get(model)
        if known is None:
            found = (name for pattern, name in self._patterns if matches(pattern, model))
            known = next(found, "")
            if len(self._known) < _CACHED:
                self._known[model] = known
        return known

    def covers(self, name: str, model: str) -> bool:
        """Return whether ``name`` (a group or a pattern) includes a model."""
        return self.group_of(model) == name if name in self._names else matches(name, model)
