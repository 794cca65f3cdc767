"""Model mapping: the operator's names first, then (if enabled) the shipped aliases."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

from antigravity.routing.patterns import matches, specificity


class MappingStep(Struct, frozen=True):
    """One step of a mapping: the rule, and the names before and after it."""

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
    """Maps the model names that clients send.

    An exact entry wins over a pattern, and the pattern with the most literal characters wins over
    others.  The first table with a match is applied once; results are not mapped again.
    """

    def __init__(self, custom: Mapping[str, str], *, builtin: bool = False) -> None:
        self._tables = [("custom_mapping", _sorted(custom))]
        if builtin:
            self._tables.append(("builtin_aliases", _sorted(shipped_aliases())))
        self._names = tuple(
            pattern for _, entries in self._tables for pattern, _ in entries if "*" not in pattern
        )
        self._exact = frozenset(self._names)

    def resolve(self, model: str) -> tuple[str, tuple[MappingStep, ...]]:
        """Return the mapped name of ``model``, and the steps to it."""
        for table, entries in self._tables:
            for pattern, target in entries:
                if matches(pattern, model):
                    if target == model:
                        return model, ()
                    return target, (MappingStep(f"{table}: {pattern}", model, target),)
        return model, ()

    def names(self) -> tuple[str, ...]:
        """Return the exact names that are mapped, for model lists."""
        return self._names

    def has_name(self, name: str) -> bool:
        """Return whether a rule maps exactly this name."""
        return name in self._exact


def _sorted(table: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(table.items(), key=lambda entry: specificity(entry[0]), reverse=True)
