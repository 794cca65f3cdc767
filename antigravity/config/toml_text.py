"""Write tables as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from antigravity.config.paths import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(tables: Mapping[str, Any], *, inline: frozenset[KeyPath] = frozenset()) -> str:
    """Return ``tables`` as TOML.

    :param inline: paths of tables to write in one line.
    """
    return "\n".join(_table((), tables, inline)).strip() + "\n"


def _table(path: KeyPath, table: Mapping[str, Any], inline: frozenset[KeyPath]) -> Iterator[str]:
    below = {
        key: value
        for key, value in table.items()
        if isinstance(value, Mapping) and (*path, key) not in inline
    }
    own = {key: value for key, value in table.items() if key not in below}
    if path and (own or not below):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in own.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in below.items():
        yield from _table((*path, key), value, inline)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        members = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {members} }}" if members else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return _text(str(value))


def _key(key: str | int) -> str:
    """Return the name of a key, in quotes if TOML requires them."""
    return str(key) if _BARE.fullmatch(str(key)) else _text(str(key))


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL; half of a surrogate pair is no text at all.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
