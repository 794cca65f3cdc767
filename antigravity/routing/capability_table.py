"""The capabilities of models, by rules from data files; later rules override earlier ones."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import Capabilities, Reported
from antigravity.ir.mismatch import find_mismatch
from antigravity.routing.model_names import (
    Generation,
    generation_of,
    parse_generation,
    plain_name,
)
from antigravity.routing.patterns import matches_any
from antigravity.routing.reported_capabilities import apply_reported

_GENERATIONS: Final = ("from", "before", "generation")
#: The capabilities of longer names are not cached.
_LONGEST: Final = 200


class CapabilityRule(Struct, frozen=True):
    """Fields of :class:`Capabilities` for the models that match one of the patterns.

    ``lowest`` and ``below`` restrict the rule to generations, so that names without one never
    match.  ``generation`` is that of the matching models for later rules.  ``source`` is the file,
    ``number`` the position of the rule in it.
    """

    match: tuple[str, ...]
    fields: dict[str, Any]
    lowest: Generation | None = None
    below: Generation | None = None
    generation: Generation | None = None
    source: str = ""
    number: int = 0

    def applies(self, name: str, plain: str, generation: Generation | None) -> bool:
        """Return whether the rule applies to a model, by its name, plain name and generation."""
        if self.lowest is not None and (generation is None or generation < self.lowest):
            return False
        if self.below is not None and (generation is None or generation >= self.below):
            return False
        return matches_any(self.match, name) or (name != plain and matches_any(self.match, plain))


class CapabilityTable:
    """Capabilities by model name.  All matching rules apply, in order.

    :param own: rules of the operator, which come after all others.
    """

    def __init__(self, rules: Iterable[CapabilityRule], own: Iterable[CapabilityRule] = ()) -> None:
        self._own = tuple(own)
        self._rules = tuple(rules)
        self._known: dict[str, Capabilities] = {}

    def capabilities(self, model: str, reported: Sequence[Reported] = ()) -> Capabilities:
        """Return the capabilities of ``model``; defaults where no rule matches.

        What an upstream has ``reported`` goes before the shipped rules, but not before those of
        the operator.
        """
        if reported:
            return self._build(model, reported)
        capabilities = self._known.get(model)
        if capabilities is None:
            capabilities = self._build(model)
            # Clients can send any name, so the cache is limited.
            if len(self._known) < 10_000 and len(model) <= _LONGEST:
                self._known[model] = capabilities
        return capabilities

    def _build(self, model: str, reported: Sequence[Reported] = ()) -> Capabilities:
        fields: dict[str, Any] = {}
        own: list[CapabilityRule] = []
        for rule in self.rules_for(model):
            if self.is_own(rule):
                own.append(rule)
            else:
                fields.update(rule.fields)
        apply_reported(fields, reported)
        for rule in own:
            fields.update(rule.fields)
        return msgspec.convert(fields, Capabilities)

    def is_own(self, rule: CapabilityRule) -> bool:
        """Return whether a rule is the operator's."""
        return rule in self._own

    def rules_for(self, model: str) -> Iterator[CapabilityRule]:
        """Yield the rules that apply to ``model``, in their order."""
        plain = plain_name(model)
        generation = generation_of(plain)
        for name, rules in ((plain, self._rules), (model, self._own)):
            for rule in rules:
                if rule.applies(name, plain, generation):
                    generation = rule.generation or generation
                    yield rule


def parse_rules(text: str, source: str) -> list[CapabilityRule]:
    """Return the rules in a TOML text with ``[[model]]`` tables.

    :raises ValueError: if a rule is invalid; the message names ``source`` and the rule.
    """
    try:
        tables = tomllib.loads(text).get("model", [])
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{source}: {error}") from error
    rules = []
    for number, table in enumerate(tables, 1):
        patterns = table.pop("match", None)
        if not isinstance(patterns, list) or not patterns:
            raise ValueError(f"{source}: model rule {number} needs match = ['pattern', …]")
        try:
            lowest, below, generation = (_generation(table.pop(key, None)) for key in _GENERATIONS)
        except ValueError:
            raise ValueError(
                f"{source}: model rule {number}: from, before and generation must be strings such "
                "as '4.6'"
            ) from None
        unknown = sorted(set(table) - set(Capabilities.__struct_fields__))
        if unknown:
            raise ValueError(f"{source}: model rule {number} has unknown keys: {unknown}")
        try:
            msgspec.convert(table, Capabilities)
        except msgspec.ValidationError as error:
            found = find_mismatch(table, Capabilities)
            problem = f"{found.at()}: {found.problem}"
            raise ValueError(f"{source}: model rule {number}: {problem}") from error
        patterns = tuple(map(str, patterns))
        rules.append(CapabilityRule(patterns, table, lowest, below, generation, source, number))
    return rules


def _generation(value: object) -> Generation | None:
    return None if value is None else parse_generation(str(value))


@cache
def shipped_rules() -> tuple[CapabilityRule, ...]:
    """Return the rules that come with the gateway."""
    text = files("antigravity.routing").joinpath("models.toml").read_text("utf-8")
    return tuple(parse_rules(text, "models.toml"))


def load_table(extra: Sequence[Path]) -> CapabilityTable:
    """Return the shipped table, extended by the operator's files.

    :raises ValueError: if a file cannot be read or is invalid.
    """
    own: list[CapabilityRule] = []
    for path in extra:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from error
        own += parse_rules(text, str(path))
    return CapabilityTable(shipped_rules(), own)
