"""Parse TOML of bounded depth.

The parser of the standard library calls itself for each level of a value, and what walks through
the tables does so, too.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

#: No setting is nested so deeply.
DEEPEST: Final = 64
#: What ``tomllib`` says of a table that a text has twice, and each part of the table's name.
_NAME: Final = re.compile("'([^']*)'")
_TWICE: Final = re.compile(r"Cannot declare \((.+?),?\) twice")


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


def twice_hint(error: tomllib.TOMLDecodeError, text: str) -> str:
    """Return where a table begins that ``text`` has twice, ``""`` if the error is another one.

    People append what an example shows to a file that has its table already.
    """
    match = _TWICE.search(str(error))
    if match is None:
        return ""
    header = f"[{'.'.join(_NAME.findall(match[1]))}]"
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith(header):
            return f"; {header} begins in line {number}: put its settings there"
    return ""
