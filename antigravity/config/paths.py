"""Paths of keys in a configuration, and how they are written."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

#: Names of tables and keys; numbers are places in lists.
KeyPath: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """Return ``path`` as TOML writes it, with list places in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text
