"""Addresses that fit a URI template (RFC 6570, simple and reserved expansion)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

_EXPRESSION = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


def match(template: str, uri: str) -> dict[str, str] | None:
    """Return the values of the template's names in ``uri``, ``None`` if it does not fit."""
    found = _pattern(template).fullmatch(uri)
    if found is None:
        return None
    return {name: unquote(value) for name, value in found.groupdict().items()}


def check_template(template: str) -> str:
    """Return ``template``.

    :raises ValueError: if it holds what is not understood here.
    """
    _pattern(template)
    return template


@lru_cache(1024)
def _pattern(template: str) -> re.Pattern[str]:
    pieces: list[str] = []
    end = 0
    for expression in _EXPRESSION.finditer(template):
        pieces.append(re.escape(template[end : expression.start()]))
        pieces.append(f"(?P<{expression[2]}>{'.+' if expression[1] else '[^/]+'})")
        end = expression.end()
    pieces.append(re.escape(template[end:]))
    if "{" in _EXPRESSION.sub("", template):
        raise ValueError(f"the template {template!r} holds more than {{name}} and {{+name}}")
    try:
        return re.compile("".join(pieces))
    except re.error as error:
        raise ValueError(f"the template {template!r} names something twice") from error
