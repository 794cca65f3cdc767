"""Parse images, documents and other files; pure."""

from __future__ import annotations

import base64
from typing import Any

from antigravity.simulator.transcripts import find_hidden_directives
from antigravity.simulator.validation.data_urls import data_url
from antigravity.simulator.view import Attachment


def inline(mime_type: str, data: str) -> Attachment:
    """Return an attachment of base64 data."""
    text = data.replace("-", "+").replace("_", "/")
    text += "=" * (-len(text) % 4)
    content = base64.b64decode(text)
    directives = find_hidden_directives(content) if mime_type.startswith("audio/") else ""
    return Attachment(mime_type, len(content), directives=directives)


def linked(url: str, kind: str = "image") -> Attachment:
    """Return an attachment of a URL or a data URL."""
    data = data_url(url)
    if data is not None:
        return inline(*data)
    return Attachment(f"{kind}/*" if kind != "document" else "application/*", None, url)


def strings(value: Any) -> tuple[str, ...]:
    """Return the stop sequences: a text, a list of texts, or nothing."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
