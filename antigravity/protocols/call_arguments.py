"""Arguments of calls: JSON text in the intermediate representation, an object on the wire."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from antigravity.ir.surrogates import repair_surrogates_in_text
from antigravity.protocols.tool_arguments import object_text

#: The key of text that is not a JSON object.
RAW_KEY: Final = "_raw"


def json_object(text: str) -> Raw | None:
    """Return JSON text in compact form if it is an object, else ``None``.

    Numbers and the order of keys stay exactly as they are written.
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        msgspec.json.decode(text, type=dict[str, Any])
        return Raw(msgspec.json.format(text, indent=-1).encode())
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None


def call_arguments(text: str, kind: str = "function") -> Raw | dict[str, str]:
    """Return the ``args`` of a call."""
    if kind == "custom":
        return {"input": repair_surrogates_in_text(text)}
    found = object_text(text)
    whole = None if found is None else json_object(found)
    return {RAW_KEY: repair_surrogates_in_text(text)} if whole is None else whole


def json_text(value: Any) -> str:
    """Return a value as compact JSON text."""
    return msgspec.json.encode(value).decode()
