"""What the gateway believes about a model at an upstream, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import Capabilities, Reported
from antigravity.routing.capability_table import CapabilityRule, CapabilityTable
from antigravity.routing.decision import RoutingOption
from antigravity.routing.model_names import plain_name


class Belief(Struct, frozen=True):
    """A field of :class:`Capabilities`, its value, and the source of the value."""

    field: str
    value: Any
    source: str


class ModelDescription(Struct, frozen=True):
    """A model at one upstream.

    ``plain`` is the name that the shipped rules know.  ``beliefs`` are the fields that some rule,
    the upstream's list or its quirks set, the others have their defaults.
    """

    upstream: str
    model: str
    plain: str
    protocol: str
    native: bool
    quirks: tuple[str, ...]
    beliefs: tuple[Belief, ...]


def describe_option(
    option: RoutingOption, table: CapabilityTable, reported: Sequence[Reported]
) -> ModelDescription:
    """Return what is believed about the model of an option."""
    model, found = option.target.model, option.target.capabilities
    sources: dict[str, str] = {}
    for rule in table.rules_for(model):
        if not table.is_own(rule):
            sources.update(dict.fromkeys(rule.fields, _describe_rule(rule)))
    by_table = msgspec.structs.asdict(table.capabilities(model))
    for each in reported:
        sources[_field(each)] = f"{option.upstream.name}'s list of models: {each.source}"
    for rule in table.rules_for(model):
        if table.is_own(rule):
            sources.update(dict.fromkeys(rule.fields, _describe_rule(rule)))
    listed = table.capabilities(model, reported)
    for name, value in msgspec.structs.asdict(found).items():
        if value != getattr(listed, name):
            sources[name] = f"quirks of {option.upstream.name}"
        elif name not in sources and value != by_table[name]:
            sources[name] = f"{option.upstream.name}'s list of models"
    beliefs = tuple(
        Belief(name, getattr(found, name), sources[name])
        for name in Capabilities.__struct_fields__
        if name in sources
    )
    return ModelDescription(
        option.upstream.name,
        model,
        plain_name(model),
        option.client.name,
        option.native,
        tuple(sorted(option.target.quirks)),
        beliefs,
    )


def _field(reported: Reported) -> str:
    """Return the field of the capabilities that a report is about."""
    return {"thinks": "thinking", "refused_fields": "fields"}.get(reported.field, reported.field)


def _describe_rule(rule: CapabilityRule) -> str:
    """Return the file, number and patterns of a rule."""
    text = f"{rule.source}, rule {rule.number} ({', '.join(rule.match)}"
    for word, bound in (("from", rule.lowest), ("before", rule.below)):
        if bound is not None:
            text += f", {word} {bound[0]}.{bound[1]}"
    return f"{text})"
