"""The texts of the pages, which are in one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

#: A translation is a file beside it.
TEXTS_FILE: Final = Path(__file__).parent / "texts_en.toml"


@cache
def texts() -> Mapping[str, str]:
    """Return the texts by their names, such as ``requests.title``."""
    tables = tomllib.loads(TEXTS_FILE.read_text("utf-8"))
    return {
        f"{table}.{name}": text
        for table, entries in tables.items()
        for name, text in entries.items()
    }


def text(name: str, /, **values: object) -> str:
    """Return a text, with ``values`` in the places of their names."""
    found = texts()[name]
    return found.format(**values) if values else found


def text_or(name: str, default: str) -> str:
    """Return a text for something that plugins or upstreams can name, or ``default``."""
    return texts().get(name, default)
