"""Change settings in a configuration file; its comments, order and spelling stay."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.paths import dotted
from antigravity.config.toml_parser import parse_toml, twice_hint

#: What to set, by the path of the setting.  ``None`` removes it, and a table replaces a table.
Changes = Mapping[tuple[str, ...], object]


def changed_text(text: str, changes: Changes) -> str:
    """Return the text of a configuration file with other settings.

    It loads tomlkit and takes milliseconds, so it should be called in a thread.

    :raises ConfigurationError: if the text is not TOML, or a setting cannot be changed in it.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted: dict[str, Any] = {}
    try:
        wanted = copy.deepcopy(parse_toml(text))
        document = tomlkit.parse(text)
        for path, value in changes.items():
            _set(document, path, value, tomlkit.table)
            _set(wanted, path, value, dict)
        changed = tomlkit.dumps(document)
        is_right = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError as error:
        message = f"this is not valid TOML: {error}{twice_hint(error, text)}"
        raise ConfigurationError([Problem(message)]) from None
    except (TOMLKitError, AttributeError, KeyError, TypeError, ValueError):
        is_right = False
    if not is_right:
        keys = ", ".join(dotted(path) for path in changes)
        raise ConfigurationError(
            [
                Problem(
                    "it is written in a form that cannot be changed here; edit the file", key=keys
                )
            ]
        )
    return changed


def _set(table: Any, path: tuple[str, ...], value: object, new_table: Any) -> None:
    """Set or remove one value; tables on the way are created if they are missing."""
    for name in path[:-1]:
        if name not in table:
            if value is None:
                return
            table[name] = new_table()
        table = table[name]
    name = path[-1]
    if value is None:
        table.pop(name, None)
    elif isinstance(value, Mapping) and isinstance(table.get(name), Mapping):
        _replace_entries(table[name], value)
    elif table.get(name) != value:
        table[name] = _as_table(value, new_table)


def _replace_entries(table: Any, entries: Mapping[str, object]) -> None:
    """Change a table so that it has these entries; comments on those that stay are kept."""
    for name in [name for name in table if name not in entries]:
        del table[name]
    for name, value in entries.items():
        if table.get(name) != value:
            table[name] = value


def _as_table(value: object, new_table: Any) -> object:
    if not isinstance(value, Mapping):
        return value
    made = new_table()
    for name, item in value.items():
        made[name] = item
    return made
