"""The schema of HTTP Archives (HAR 1.2), by their specification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema

_SCHEMA: Final = json.loads(Path(__file__).with_name("har_schema.json").read_text("utf-8"))


def read_archive(text: bytes | str) -> list[dict[str, Any]]:
    """Return the entries of an archive.

    :raises jsonschema.ValidationError: if it is not valid.
    """
    data = json.loads(text)
    jsonschema.validate(data, _SCHEMA)
    entries: list[dict[str, Any]] = data["log"]["entries"]
    return entries
