"""Model mapping: the operator's names first, then (if switched on) the shipped aliases."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

from antigravity.routing.patterns import matches, specificity


class MappingStep(Struct, frozen=True):
    """One step of a mapping: which rule made which name of which."""

    rule: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.source} -> {self.target}"


@cache
def shipped_aliases() -> Mapping[str, str]:
    """Return the alias table that comes with the gateway."""
    text = files("antigravity.routing").joinpath("aliases.toml").read_text("utf-8")
    aliases: dict[str, str] = tomllib.loads(text)["aliases"]
    return aliases


class ModelMapping:
    """Turns the names that clients send into the names that are served.

    An exact entry beats a pattern; among patterns the one with the most literal characters
    wins.  The operator's table is applied once, then the aliases once: there are no chains.
    """

    def __init__(self, custom: Mapping[str, str], *, builtin: bool = False) -> None:
        self._tables = [("custom_mapping", _sorted(custom))]
        if builtin:
            self._tables.append(("builtin_aliases", _sorted(shipped_aliases())))

    def resolve(self, model: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the name that ``model`` is served under, and the steps to it."""
        for table, entries in self._tables:
            for pattern, target in entries:
                if matches(pattern, model):
                    if target == model:
                        return model, ()
                    return target, (MappingStep(f"{table}: {pattern}", model, target),)
        return model, ()

    def names(self) -> tuple[str, ...]:
        """Return the exact names that are mapped, which clients may want to see listed."""
        return tuple(
            pattern for _, entries in self._tables for pattern, _ in entries if "*" not in pattern
        )


def _sorted(table: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(table.items(), key=lambda entry: specificity(entry[0]), reverse=True)
