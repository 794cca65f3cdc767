"""Paths of settings, and their spelling."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

#: Names of tables and keys; numbers are list indices.
KeyPath: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """Return ``path`` in the spelling of TOML, with list indices in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text
