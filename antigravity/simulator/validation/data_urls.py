"""Base64 and data URLs; pure."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

_DATA_URL: Final = re.compile(r"data:([^;,]*)(?:;[^,]*)?;base64,(.*)", re.DOTALL)


def is_base64(data: Any, url_safe: bool = False) -> bool:
    """Return whether ``data`` is base64 text."""
    if not isinstance(data, str):
        return False
    if url_safe:
        data = data.replace("-", "+").replace("_", "/")
        data += "=" * (-len(data) % 4)
    try:
        base64.b64decode(data, validate=True)
    except ValueError:
        return False
    return True


def data_url(url: str) -> tuple[str, str] | None:
    """Return the type and the base64 data of a data URL, or ``None``."""
    match = _DATA_URL.fullmatch(url)
    return (match[1], match[2]) if match else None
