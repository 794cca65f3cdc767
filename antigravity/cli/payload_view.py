"""What was sent and received for a request, as text for a terminal."""

from __future__ import annotations

import json
from typing import Final

from antigravity.interfaces.payloads import Direction, PayloadMessage
from antigravity.ir.printable import strip_controls

_TITLES: Final[dict[Direction, str]] = {
    "from_client": "FROM THE CLIENT",
    "to_upstream": "TO THE UPSTREAM",
    "from_upstream": "FROM THE UPSTREAM",
    "to_client": "TO THE CLIENT",
}


def describe_message(message: PayloadMessage) -> str:
    """Return the title, the headers and the body of a message, JSON with indentation."""
    title = _TITLES[message.direction]
    if message.attempt is not None:
        title += f", attempt {message.attempt + 1}"
    first = " ".join((message.method, message.url)).strip()
    if message.status is not None:
        first = f"{message.status} {first}".strip()
    elif message.direction == "from_upstream":
        first = "(no response)"
    notes = [f"{message.size} bytes"]
    if message.dropped:
        notes.append("not kept: there was no room")
    elif message.cut:
        notes.append(f"{message.cut} of them are missing")
    if message.media:
        notes.append(f"{message.media} files are replaced")
    lines = ["", f"== {title} ({', '.join(notes)})", first]
    lines += [f"{each.name}: {each.value}" for each in message.headers]
    return "\n".join(map(_safe, (*lines, "", *_pretty(message.body).splitlines())))


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


def _safe(line: str) -> str:
    """Return a line that cannot control the terminal."""
    return strip_controls(line)
