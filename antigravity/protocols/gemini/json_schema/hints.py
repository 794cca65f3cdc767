"""Hints in descriptions, for constraints that Gemini's schema has no keyword for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from antigravity.protocols.schema_positions import JsonSchema

#: Keywords whose meaning moves to the description.
CONSTRAINTS: Final = (
    "format",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
_LONGEST: Final = 200


def with_hint(description: str, hint: str) -> str:
    """Return ``description`` with ``hint`` behind it."""
    if not hint or hint in description:
        return description
    return f"{description} {hint}" if description else hint


def constraint_hint(schema: JsonSchema) -> str:
    """Return ``[Constraint: k: v, …]`` for the constraints in ``schema``."""
    found = [f"{key}: {brief(schema[key])}" for key in CONSTRAINTS if _plain(schema.get(key))]
    return f"[Constraint: {', '.join(found)}]" if found else ""


def accepts_hint(names: Iterable[str]) -> str:
    """Return ``Accepts: a | b`` if there is more than one name."""
    different = list(dict.fromkeys(names))
    return f"Accepts: {' | '.join(different)}" if len(different) > 1 else ""


def brief(value: Any) -> str:
    """Return a value as short text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _plain(value: Any) -> bool:
    """Return whether a constraint's value is a scalar other than false."""
    return isinstance(value, str | int | float) and value is not False
