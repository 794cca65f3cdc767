"""Arguments of calls: JSON text in the representation, an object on the wire."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

#: Where text goes that is no JSON object.
RAW_KEY: Final = "_raw"


def json_object(text: str) -> Raw | None:
    """Return JSON text as it may stand inside compact JSON, if it is an object, else ``None``.

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
        return {"input": text}
    if not text.strip():
        return {}
    found = json_object(text)
    return {RAW_KEY: text} if found is None else found


def json_text(value: Any) -> str:
    """Return a value as compact JSON text."""
    return msgspec.json.encode(value).decode()
