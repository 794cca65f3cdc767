"""Parser of multipart/form-data, on the standard library's e-mail parser; pure."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from typing import Any

from antigravity.simulator.transcripts import find_hidden_directives


def is_multipart(content_type: str) -> bool:
    """Return whether a content type is multipart/form-data."""
    return content_type.lower().startswith("multipart/form-data")


def read_form(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields by name: a text, or a description of a file; a list for repeated fields.

    :raises ValueError: if the form is malformed.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart() or message.defects:
        raise ValueError("malformed multipart/form-data")
    fields: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str) or part.defects:
            raise ValueError("malformed part in multipart/form-data")
        fields.setdefault(name, []).append(_value(part))
    return {name: found[0] if len(found) == 1 else found for name, found in fields.items()}


def _value(part: Message) -> Any:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    filename = part.get_filename()
    if filename is None:
        return data.decode("utf-8", "replace")
    return {
        "filename": filename,
        "content_type": part.get_content_type(),
        "size": len(data),
        "start": data[:32].hex(),
        "sha256": sha256(data).hexdigest(),
        "directives": find_hidden_directives(data),
    }
