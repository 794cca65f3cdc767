"""What the lists of upstreams say about their models, in place of the shipped data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from antigravity.ir.capabilities import REFUSED_FIELDS, THINKS, Model, Reported


def apply_reported(fields: dict[str, Any], reported: Iterable[Reported]) -> None:
    """Set the fields of :class:`Capabilities` that an upstream has reported."""
    for each in reported:
        if each.field == REFUSED_FIELDS:
            fields["fields"] = (*fields.get("fields", ()), *each.value)
        elif each.field != THINKS:
            fields[each.field] = each.value
        elif not each.value:
            fields["thinking"] = "none"
            fields["efforts"] = ()
        elif fields.get("thinking", "none") == "none":
            fields["thinking"] = "level"


def find_reported(listed: Mapping[str, tuple[Reported, ...]], model: str) -> tuple[Reported, ...]:
    """Return what a list says about a model, also under its name with a date."""
    exact = listed.get(model)
    if exact is not None:
        return exact
    dated = f"{model}-20"
    return next((found for name, found in listed.items() if name.startswith(dated)), ())


def reported_by_list(model: Model) -> tuple[Reported, ...]:
    """Return everything that a list says about a model, its limits included."""
    limits = (
        ("context_window", model.input_token_limit, "input limit"),
        ("max_output_tokens", model.output_token_limit, "output limit"),
    )
    found = (Reported(name, limit, source) for name, limit, source in limits if limit)
    return (*found, *model.reported)
