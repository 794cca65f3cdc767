"""Parse TOML of bounded depth.

The parser of the standard library calls itself for each level of a value, and what walks through
the tables does so, too.
"""

from __future__ import annotations

import tomllib
from typing import Any, Final

#: No setting is nested so deeply.
DEEPEST: Final = 64


class TooDeepError(tomllib.TOMLDecodeError):
    """The text is nested too deeply."""


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text.

    :raises tomllib.TOMLDecodeError: if it is not TOML, or nested too deeply.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None
    level: list[Any] = [tables]
    for _ in range(DEEPEST):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, (dict, list))
        ]
        if not level:
            return tables
    raise TooDeepError("it is nested too deeply")
